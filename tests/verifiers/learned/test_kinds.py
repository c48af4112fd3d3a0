"""The one list of kinds: what it says of each is so, and other places agree with it."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

import ponder.verifiers.learned
from ponder.verifiers.learned.kinds import KINDS, as_data, make

ROOT = Path(ponder.verifiers.learned.__file__).parent


def example(name):
    wanted = {"reference": object(), "question": (1,), "yes": 2, "no": 3}
    return make(name, **{key: value for key, value in wanted.items() if key in KINDS[name].settings})


@pytest.mark.parametrize("name", KINDS)
def test_the_objective_trains_the_form_of_checkpoint_that_the_list_names(name):
    kind, objective = KINDS[name], example(name)
    assert (objective.form, objective.labels) == (kind.form, kind.labels)


@pytest.mark.parametrize("name", KINDS)
def test_the_settings_named_are_exactly_those_that_the_objective_takes(name):
    taken = set(inspect.signature(KINDS[name].objective).parameters) - {"form", "labels", "work", "per_token"}
    assert taken == set(KINDS[name].settings)


@pytest.mark.parametrize("name", [*KINDS, "unified"])
def test_every_kind_has_a_folder_with_its_objective(name):
    folder = ROOT / name.removesuffix("_per_token")
    assert (folder / "objective.py").is_file()
    assert (folder / "judge.py").is_file() == (name != "unified")  # which judges by the objective that it wraps


def test_every_folder_of_a_kind_is_in_the_list():
    folders = {path.parent.name for path in ROOT.glob("*/objective.py")}
    assert folders == {name.removesuffix("_per_token") for name in KINDS} | {"unified"}


def test_the_list_is_plain_data():
    listed = json.loads(json.dumps(as_data()))
    assert [row["name"] for row in listed] == list(KINDS)
    assert listed[2] == {
        "name": "process",
        "summary": "a score at the end of every step",
        "paper": "2312.08935",
        "form": "token",
        "labels": 2,
        "learns_from": "step labels, hard or soft",
        "aggregation": "last",
        "settings": {"hard": "a label above 0 counts as 1"},
    }
