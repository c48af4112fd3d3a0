"""Any architecture: the trainer scores what the engine sampled alike; one GRPO step; and again under the new weights."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from ponder.algorithms.algorithm import Answer, Answers, Batch
from ponder.algorithms.grpo import GRPO
from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import run
from ponder.engines.parity import Gap
from ponder.learning.policy import PolicyTrainer
from ponder.learning.samples import pack
from ponder.learning.settings import TrainerSettings
from ponder.losses.clipped import Clipped
from ponder.policy.codec import Codec
from ponder.protocols import Completion, Request
from ponder.rewards.component import Earned
from ponder.types import Key, Problem, Question, Sample, Step, Trajectory
from tests.models.architectures import ARCHITECTURES, END, WINDOW, make, tokenizer

PROMPTS = {"short": (9, 20, 30), "long": tuple(range(9, 9 + WINDOW + 8))}  # one longer than a sliding window
GROUP = 3


async def _draw(engine: LocalEngine) -> dict[str, list[Completion]]:
    return {
        name: [await engine.generate(Request(prompt, 12 + 9 * i, seed=i, temperature=0.8)) for i in range(GROUP)]
        for name, prompt in PROMPTS.items()
    }


def batch(drawn: dict[str, list[Completion]]) -> Batch:
    """The drawn answers; the first one is right."""
    groups = []
    for name, completions in drawn.items():
        question = Question(name, "toy", name)
        answers = []
        for index, c in enumerate(completions):
            leaf = Step(c.tokens, c.logprobs, "", c.version, c.stop)
            answers.append(Answer(Earned(Trajectory(question, leaf), float(index == 0))))
        groups.append(Answers(Problem(question, Key()), tuple(answers)))
    return Batch(tuple(groups))


def rows(drawn: dict[str, list[Completion]]) -> list[Sample]:
    packed = pack(GRPO().credit(batch(drawn)).credits_PG, lambda question: PROMPTS[question.id])
    assert len(packed.samples) == GROUP * len(PROMPTS)
    return list(packed.samples)


def gap(trainer: PolicyTrainer, samples: list[Sample], half: bool) -> Gap:
    return Gap.between([s.logprobs_T for s in samples], trainer.logprobs(samples), half=half)


def made(lm: PreTrainedModel) -> tuple[LocalEngine, PolicyTrainer]:
    engine = LocalEngine(copy.deepcopy(lm), Codec(tokenizer(), frozenset({END})), dtype=lm.dtype)
    settings = TrainerSettings(learning_rate=1e-2, warmup_steps=0)
    return engine, PolicyTrainer(lm, settings, Clipped(normalisation="sequence"), temperature=0.8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_grpo_step_starts_and_ends_with_engine_and_trainer_of_one_mind(name: str, dtype: torch.dtype):
    half = dtype == torch.bfloat16
    engine, trainer = made(make(name, dtype=dtype))
    samples = rows(run(_draw(engine)))
    before = gap(trainer, samples, half)
    assert before.holds, before
    report = trainer.update(samples)
    assert report.skipped is None and report.steps == 1
    assert abs(report.kl_mismatch or 0.0) < (0.02 if half else 1e-4)
    engine.replace_weights(trainer.weights(), 1)
    again = rows(run(_draw(engine)))
    assert {s.version for s in again} == {1}
    after = gap(trainer, again, half)
    assert after.holds, after
    # The step did something: the same texts have other log-probabilities now.
    moved = Gap.between([s.logprobs_T for s in samples], trainer.logprobs(samples), half=half)
    assert not moved.holds


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_gradient_is_that_of_the_librarys_forward_row_by_row(name: str):
    engine, trainer = made(make(name))
    samples = [replace(s, logprobs_T=tuple(p - 0.1 for p in s.logprobs_T)) for s in rows(run(_draw(engine)))]
    theirs = make(name)
    total = torch.zeros(())
    for s in samples:
        ids = torch.tensor([[*s.prompt, *s.response]])
        logits = theirs(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, len(s.prompt) - 1 : -1] / 0.8
        logprobs = logits.float().log_softmax(-1).gather(1, torch.tensor(s.response)[:, None])[:, 0]
        ratio = (logprobs - torch.tensor(s.logprobs_T)).exp()
        advantages = torch.tensor(s.advantages_T)
        clipped = torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.28) * advantages)
        total = total - clipped.sum() / (len(s.response) * len(samples))
    total.backward()
    trainer.core.settings = trainer.core.settings.model_copy(update={"max_grad_norm": 1e9})
    assert trainer.update(samples).loss == pytest.approx(float(total.detach()), abs=1e-5)
    for (parameter, mine), other in zip(trainer.model.named_parameters(), theirs.parameters(), strict=True):
        if other.grad is None:  # an expert that no token was sent to
            assert mine.grad is None or not mine.grad.any(), parameter
            continue
        assert mine.grad is not None, parameter
        scale = float(other.grad.abs().max()) or 1.0
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-4 * scale, rtol=1e-3, msg=parameter)
