"""Verifiers served by vLLM, beside an engine of vLLM in the same program. Opt-in as in `test_vllm`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import torch

from ponder.engines.loop import run
from ponder.engines.vllm.engine import VllmEngine
from ponder.engines.vllm.pooling import VllmPooling
from ponder.models.heads import head, judging_model
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.protocols import Request
from ponder.types import PonderError, Question, Step, StopReason, Trajectory
from ponder.verifiers.learned.process.judge import ProcessVerifier
from ponder.verifiers.learned.process.served import ServedVerifier
from tests.engines.test_vllm import CONTEXT, model, needs_vllm, save

QUESTION = Question("q", "toy", "?")
PROMPT = (2, 3, 4)


def prompt(_: Question) -> tuple[int, ...]:
    return PROMPT


def trajectory(lengths: list[int]) -> Trajectory:
    """Steps of these lengths; one without tokens ends where its parent does."""
    leaf, drawn = None, iter(range(10_000))
    for length in lengths:
        tokens = tuple(5 + next(drawn) ** 2 % 90 for _ in range(length))
        leaf = Step(tokens, (0.0,) * length, "", 0, StopReason.STEP, leaf)
    assert leaf is not None
    return Trajectory(QUESTION, leaf)


@needs_vllm
@pytest.mark.parametrize("labels", [2, 1])
def test_served_verdicts_equal_our_own_beside_a_policy_on_vllm(labels: int, tmp_path: Path) -> None:
    policy, tokenizer = model("qwen2", tied=False), load("tiny").tokenizer
    verifier = judging_model(policy, "token", labels=labels, seed=3)
    torch.nn.init.normal_(next(head(verifier).parameters()), std=0.3)
    verifier.save_pretrained(tmp_path / "verifier")
    tokenizer.save_pretrained(tmp_path / "verifier")
    engine = VllmEngine(save(policy, tmp_path / "policy"), Codec(tokenizer), context=CONTEXT)
    server = VllmPooling(tmp_path / "verifier", context=CONTEXT)
    try:
        served = ServedVerifier(server, prompt, policy_parameters=1000, temperature=1.5)
        own = ProcessVerifier(verifier, prompt, policy_parameters=1000, temperature=1.5)
        several = [trajectory(lengths) for lengths in ([1], [4, 0, 3], [20] * 5, [60, 60, CONTEXT - 123], [7] * 20)]
        for got, want in zip(asyncio.run(served(QUESTION, several)), own.judge(several), strict=True):
            assert got.step_scores == pytest.approx(want.step_scores, abs=1e-4)
            assert got.score == pytest.approx(want.score, abs=1e-4)
        assert served.ratio == own.ratio and served.tokens_scored == own.tokens_scored
        assert run(engine.generate(Request((5, 6), 4, seed=1))).tokens
        with pytest.raises(PonderError, match=f"context holds {CONTEXT}"):
            served.judge([trajectory([CONTEXT])])
        with pytest.raises(PonderError, match="do not belong together"):
            server.log_odds([(5, 10_000)], [[1]])
    finally:
        server.close()
