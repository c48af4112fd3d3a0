"""Cloning on texts: what is shown becomes likelier, and a stream that runs dry is an error."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path

import pytest

from ponder.api.imitate import imitate, row
from ponder.api.policies import load_policy
from ponder.types import PonderError, Question
from tests.selfplay.small import model_folder

QUESTION = Question("q", "sums", "1+1?")


def test_what_is_shown_becomes_likelier(tmp_path: Path) -> None:
    policy = load_policy(str(model_folder(tmp_path)))
    heard: list[float] = []
    trainer = imitate(
        policy,
        repeat((QUESTION, "</think>2")),
        steps=8,
        batch=2,
        learning_rate=1e-2,
        tell=lambda step, steps, loss: heard.append(loss or 0.0),
    )
    assert heard[-1] < heard[0] / 2
    assert set(trainer.weights()) == set(policy.model.state_dict())
    shown = row(policy, QUESTION, "</think>2")
    assert shown.response[-1] == policy.codec.eos_id
    assert policy.codec.decode(shown.response) == "</think>2"


def test_too_few_responses_are_an_error(tmp_path: Path) -> None:
    policy = load_policy(str(model_folder(tmp_path)))
    with pytest.raises(PonderError, match="only 3 responses to imitate; 2 steps need 4"):
        imitate(policy, iter([(QUESTION, "</think>2")] * 3), steps=2, batch=2)
