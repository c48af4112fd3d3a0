"""Settings that cannot work together are one sentence each, before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import pytest

from ponder.algorithms import ALGORITHMS
from ponder.algorithms.algorithm import Algorithm
from ponder.losses import LOSSES
from ponder.losses.loss import Loss
from ponder.selfplay.config import Run
from ponder.selfplay.needs import check, needs_critic, needs_verifier_scores
from ponder.types import PonderError


class Wanting(Algorithm):
    kind: Literal["wanting"] = "wanting"
    needs: ClassVar[tuple[str, ...]] = ("oracle",)


class Pulled(Loss):
    kind: Literal["pulled"] = "pulled"
    needs: ClassVar[tuple[str, ...]] = ("reference",)


class Returning(Loss):
    kind: Literal["returning"] = "returning"
    fields: ClassVar[tuple[str, ...]] = ("logprobs_T", "returns_T")


class Taught(Loss):
    kind: Literal["taught"] = "taught"
    fields: ClassVar[tuple[str, ...]] = ("teacher_logprobs_T",)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    before = dict(ALGORITHMS.classes), dict(LOSSES.classes)
    ALGORITHMS.register(Wanting)
    for cls in (Pulled, Returning, Taught):
        LOSSES.register(cls)
    yield
    ALGORITHMS.classes, LOSSES.classes = before


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"algorithm": "gae", "critic": {"enabled": False}}, "algorithm gae needs a critic; set critic.enabled=true"),
        ({"algorithm": "wanting"}, "algorithm wanting needs 'oracle', which `ponder run` does not provide"),
        ({"loss": "dpo"}, "loss dpo needs pairs of answers; set algorithm.kind=preference or step_preference"),
        ({"algorithm": "preference"}, "algorithm preference needs a loss that learns from pairs; set loss.kind=dpo"),
        ({"algorithm": "distillation"}, "algorithm distillation needs a teacher; set teacher.model"),
        ({"algorithm": "vineppo", "rewards": [{"kind": "format"}]}, "needs the outcome among the rewards"),
        ({"sampling": {"top_p": 0.9}}, "sampling.top_p=0.9: answers drawn from a nucleus are no draws of the whole"),
        ({"selection": {"replay": {"rows": 4}}, "loss": "reinforce"}, "takes all rows for draws of the present policy"),
        (
            {"selection": {"rationalise": 2}},
            "answers that were drawn with a hint are no draws of the policy without it",
        ),
        ({"loss": "returning"}, "loss returning reads returns_T of each sample, which only an algorithm with a critic"),
        ({"loss": "taught"}, "loss taught follows a teacher; set teacher.model to a folder or hub id"),
    ],
)
def test_a_need_that_is_not_met_is_one_sentence(settings: dict[str, Any], sentence: str):
    with pytest.raises(PonderError) as refused:
        check(Run.model_validate(settings))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"algorithm": "gae"},
        {"loss": {"kind": "pulled", "kl_coef": 0.1}},
        {"loss": "pulled"},
        {"algorithm": "preference", "loss": "dpo"},
        {"algorithm": "rejection", "loss": "cloning", "selection": {"rationalise": 2, "replay": {"rows": 4}}},
        {"algorithm": "gae", "loss": "returning"},
        {"rewards": [{"kind": "outcome"}, {"kind": "process"}]},
        {"algorithm": "rejection", "loss": "cloning"},
        {"algorithm": "rejection", "loss": "cloning", "sampling": {"top_p": 0.9}},
    ],
)
def test_what_fits_together_passes(settings: dict[str, Any]):
    check(Run.model_validate(settings))


def test_what_a_run_must_make_follows_from_the_settings():
    assert not needs_critic(Run()) and needs_critic(Run.model_validate({"algorithm": "gae"}))
    assert not needs_verifier_scores(Run())
    assert needs_verifier_scores(Run.model_validate({"rewards": [{"kind": "process"}]}))
