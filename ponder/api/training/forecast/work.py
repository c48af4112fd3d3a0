"""Time of a run from its floating-point work and the rate of this machine's products, which is measured.

What share of that rate is reached is an assumption, from measurements on two CPU cores with models of 0.6M to 135M
parameters (`benchmarks/results`): sampling reaches more the more rows decode together, an update about 0.45. On a GPU
neither was measured. Answers are taken to be `LENGTH` of their limit long. Expect the truth within a factor of two; a
finished run says in its summary how far the prediction was off.
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PretrainedConfig

from ponder.api.training.forecast.memory import PROMPT
from ponder.models.size import flops_per_token, forward_flops, training_flops
from ponder.selfplay.config import Run
from ponder.selfplay.measure import FRESH, SPARE, TEMPERATURES

LENGTH = 0.6  # mean length of an answer, as a share of sampling.max_tokens
TRAINED = 0.7  # share of groups that hold right and wrong answers, and so are learned from
_UPDATE = 0.45  # share of the product's rate that an update reaches
_SAMPLING, _HALF = 0.27, 25.0  # share with many rows, and the rows with which half of it is reached


@dataclass(frozen=True)
class Work:
    """Seconds of each stage, at `rate` operations a second; `answers` are those of one update."""

    training: float
    control: float
    measuring: float
    rate: float
    answers: int

    @property
    def total(self) -> float:
        return self.training + self.control + self.measuring


def work(config: Run, model: PretrainedConfig, rate: float) -> Work:
    """Seconds of a run with these settings on a machine of `rate` FLOPs a second."""
    s = config.sampling
    answers, length = s.problems * s.group_size, max(1.0, LENGTH * s.max_tokens)
    updates = config.rounds * config.updates
    sampling = answers * _answer(model, length) + s.problems * forward_flops(model, PROMPT, heads=1)
    rows = [round(length)] * round(TRAINED * answers) + [PROMPT] * round(TRAINED * s.problems)
    learning = training_flops(model, rows, heads=round(TRAINED * answers * length))
    steps = updates * (sampling / (rate * share(answers)) + learning / (rate * _UPDATE))
    families = len(config.problems)
    ladders = (config.rounds + 1) * 2 * config.evaluation.ladder * families * _answer(model, length)
    training = steps + ladders / (rate * share(2 * config.evaluation.ladder * families))
    if config.verifier.enabled:  # labels are as much sampling again, the verifier's passes a part of the policy's
        training *= 1.0 + config.verifier.depth
    measured = 2 * _measured(config, length) * families * _answer(model, length) / (rate * share(64))
    arms = (config.control.enabled + config.control.rejection) * training
    return Work(training, arms, measured, rate, answers)


def share(rows: float) -> float:
    """The share of the machine's rate that sampling reaches with so many rows at once."""
    return _SAMPLING * rows / (rows + _HALF)


def _answer(model: PretrainedConfig, length: float) -> float:
    return length * flops_per_token(model, PROMPT + round(length / 2))


def _measured(config: Run, length: float) -> float:
    """Answers a family that are drawn to measure one policy (see `selfplay.measure.arm` and `think`)."""
    e = config.evaluation
    once = 3 * e.problems + (len(TEMPERATURES) + 1) * e.ladder + e.pool_problems
    tries = e.unsolved_problems * FRESH * e.unsolved_tries
    pool = e.pool_problems * max(e.pool_samples, SPARE * max(e.budgets) / length)
    return once + tries + pool
