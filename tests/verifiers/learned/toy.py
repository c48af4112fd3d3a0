"""A trajectory of three steps, small models, and every kind of judge on them."""

from __future__ import annotations

import copy
from typing import Any

from ponder.engines.local.engine import LocalEngine
from ponder.engines.local.prefix.reader import TrunkReader
from ponder.models.heads import judging_model
from ponder.types import Question, Step, StopReason, Trajectory
from ponder.verifiers.learned.common.reader import EngineReader
from ponder.verifiers.learned.generative.judge import Asked, GenerativeVerifier
from ponder.verifiers.learned.implicit.judge import ImplicitVerifier
from ponder.verifiers.learned.kinds import KINDS
from ponder.verifiers.learned.outcome.judge import OutcomeVerifier
from ponder.verifiers.learned.pairwise.judge import PairwiseVerifier
from ponder.verifiers.learned.preference.judge import PreferenceVerifier
from ponder.verifiers.learned.process.judge import ProcessVerifier
from ponder.verifiers.learned.value.judge import ValueVerifier
from tests.learning.factory import model

QUESTION = Question("q", "toy", "?")
PROMPT = (2, 3)
ASKED = Asked((30, 31), "?!", 28, 29)
PARAMETERS = 1000
STEPS = {"process": ProcessVerifier, "outcome_per_token": ProcessVerifier, "value": ValueVerifier}
STEPS |= {"pairwise": PairwiseVerifier}
WHOLES = {"outcome": OutcomeVerifier, "preference": PreferenceVerifier}


def prompt(_: Question) -> tuple[int, ...]:
    return PROMPT


def trajectory(*steps: tuple[int, ...]) -> Trajectory:
    leaf = None
    for k, tokens in enumerate(steps):
        stop = StopReason.END if k == len(steps) - 1 else StopReason.STEP
        leaf = Step(tokens, (0.0,) * len(tokens), f"{tokens}\n", 0, stop, leaf)
    assert leaf is not None
    return Trajectory(QUESTION, leaf)


THREE = trajectory((5, 6), (7,), (8, 9, 10))


class Endless:
    """A tokenizer without an end token, for engines that are only asked for hidden states."""

    eos_id = -1
    end_ids = ()

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    def decode(self, tokens: Any) -> str:
        return " ".join(map(str, tokens))


def judge(kind: str, *, shared: bool = False, reads: bool = True, **settings: Any) -> Any:
    """A judge with random weights; `shared` shares the trunk of a policy. Without `reads` it has no reader."""
    policy = model(1)
    it = judging_model(policy, KINDS[kind].form, labels=KINDS[kind].labels, seed=5, shared=shared)
    common = {"policy_parameters": PARAMETERS, "shared": shared, **settings}
    if shared:
        common["reader"] = EngineReader(LocalEngine(copy.deepcopy(policy), Endless()))
    if kind == "implicit":
        own, reference = it if shared else model(2), copy.deepcopy(policy)
        if reads:
            common = {"reader": TrunkReader(own), "reference_reader": TrunkReader(reference), **common}
        return ImplicitVerifier(own, reference, prompt, **common)
    if reads and not shared:
        common["reader"] = TrunkReader(it)
    if kind == "generative":
        return GenerativeVerifier(it, prompt, ASKED, **common)
    return {**STEPS, **WHOLES}[kind](it, prompt, **common)
