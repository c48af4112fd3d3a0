"""Strategies by name, and what the folder may import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ponder.search.registry import STRATEGIES, make, needs_judge
from ponder.search.strategies.vote import Vote
from ponder.types import PonderError


def test_a_name_and_parameters_make_a_strategy() -> None:
    assert make("vote", max_tokens=64) == Vote(max_tokens=64)
    assert {name for name in STRATEGIES if not needs_judge(name)} == {
        "sample",
        "vote",
        "deepconf",
        "deepconf_online",
        "revision",
        "mixed",
        "forcing",
        "chain",
        "auto",
    }


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(
        PonderError, match=r"unknown strategy 'weighted'. Did you mean 'weighted_vote'\? Allowed are: sample"
    ):
        make("weighted")
    with pytest.raises(PonderError, match=r"unknown strategy 'zzz'\. Allowed are: sample, vote"):
        needs_judge("zzz")


def test_an_unknown_or_mistyped_parameter_is_refused() -> None:
    with pytest.raises(PonderError, match=r"unknown parameter of strategy beam 'widht'\. Did you mean 'width'"):
        make("beam", widht=3)
    with pytest.raises(PonderError, match="max_tokens='9'; give a value of type int"):
        make("vote", max_tokens="9")
    with pytest.raises(PonderError, match="stop_every=-1"):
        make("vote", stop_every=-1)


def test_search_imports_no_torch_and_none_of_the_rooms_behind_it() -> None:
    code = (
        "import sys, ponder.search.registry\n"
        "allowed = {'search', 'types', 'protocols', 'seeds', 'names', 'catalogue', 'version'}\n"
        "ours = {m.split('.')[1] for m in sys.modules if m.startswith('ponder.')}\n"
        "print(sorted(ours - allowed), 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[] False"
