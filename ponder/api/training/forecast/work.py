"""Time of a run from its floating-point work and the rate of this machine's products, which is measured.

What share of that rate is reached was measured on two models and lies between for sizes between: the embedded one (0.6M
parameters, two threads, `make demo`) and SmolLM2-135M (one thread, `recipes/smollm2`). On a GPU nothing was measured.
What cannot be known before is taken to be in the middle of what those runs showed: answers are `LENGTH` of their limit
long (0.2 to 0.8), of the answers of a group `DISTINCT` of the tokens are computed (0.3 to 0.9: those that begin alike
are computed once), and `TRAINED` of the groups have a gradient (0.3 to 0.8). Expect the truth within a factor of two; a
finished run says in its summary how far the prediction was off.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

from transformers import PretrainedConfig

from ponder.api.training.forecast.memory import PROMPT
from ponder.models.size import flops_per_token, forward_flops, training_flops
from ponder.selfplay.config import Run
from ponder.selfplay.measure import FRESH, SPARE, TEMPERATURES

LENGTH = 0.4
DISTINCT = 0.6
TRAINED = 0.5
OTHER = 1.12  # all of a round over its sampling and learning: new weights to the engine, the parity check, files
# Shares of the product's rate: of 0.6M and of 135M parameters on a CPU, and what is assumed of a GPU.
_SMALL, _LARGE = 0.62e6, 135e6
_SHARES = {"sampling": (0.19, 0.71, 0.27), "update": (0.43, 0.67, 0.45), "verifier": (0.18, 0.65, 0.45)}
_HALF = 25.0  # rows with which sampling reaches half of its share


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


def work(config: Run, model: PretrainedConfig, rate: float, parameters: float, prompt: int = PROMPT) -> Work:
    """Seconds of a run with these settings on a machine of `rate` FLOPs a second; prompts have `prompt` tokens."""
    s, e = config.sampling, config.evaluation
    answers, updates = s.problems * s.group_size, config.rounds * config.updates
    families = len(config.problems)
    reached = {name: rate * by_size(name, parameters, config.device) for name in _SHARES}
    drawn = _Drawn(model, reached, prompt, max(1.0, LENGTH * s.max_tokens))
    # Flops and seconds of everything that training does.
    parts = [
        drawn.sampled(answers * updates, s.problems * updates, rows=answers),
        drawn.sampled((config.rounds + 1) * 2 * e.ladder * families, (config.rounds + 1) * e.ladder * families),
        drawn.learned(round(TRAINED * s.problems), s.group_size, updates),
    ]
    if config.verifier.enabled:
        v = config.verifier
        rows = [prompt + round(drawn.length)] * answers
        flops = v.epochs * v.depth * updates * training_flops(model, rows, heads=0)
        parts.append((flops, flops / reached["verifier"]))
        if config.coupling.labels == "rollouts":  # to learn from, and on the ladder to be measured
            tried = 2 * config.rounds * v.groups * v.most_steps * v.rollouts
            parts.append(drawn.sampled(tried / 2, 0.0))  # half an answer each
    flops, seconds = (OTHER * sum(part) for part in zip(*parts, strict=True))
    # The arms do the same work: cloning all of it as updates, rejection sampling as training does.
    arms = config.control.enabled * flops / reached["update"] + config.control.rejection * seconds
    once, shared = _measured(config, drawn.length)
    _, measuring = drawn.sampled(2 * families * (once + shared), 2 * families * once, alone=once / (once + shared))
    return Work(seconds, arms, measuring, rate, answers)


def by_size(name: str, parameters: float, device: str = "cpu") -> float:
    """The share that sampling, an update or the verifier's update reaches with a model of this size.

    On a CPU between those of the two sizes that were measured, by the logarithm of the size.
    """
    small, large, gpu = _SHARES[name]
    place = log10(parameters / _SMALL) / log10(_LARGE / _SMALL)
    return small + (large - small) * min(1.0, max(0.0, place)) if device == "cpu" else gpu


def with_rows(rows: float) -> float:
    """The part of its share that sampling reaches with so many rows at once."""
    return rows / (rows + _HALF)


@dataclass(frozen=True)
class _Drawn:
    """Prices of one model: `reached` FLOPs a second of each kind, prompts of `prompt` tokens, answers of `length`."""

    model: PretrainedConfig
    reached: dict[str, float]
    prompt: int
    length: float

    def sampled(
        self, answers: float, prompts: float, *, rows: float = 100.0, alone: float = 0.0
    ) -> tuple[float, float]:
        """FLOPs and seconds of so many answers, of which `alone` (a share) have no other to the same prompt."""
        distinct = alone + (1 - alone) * DISTINCT
        token = flops_per_token(self.model, self.prompt + round(self.length / 2))
        flops = answers * distinct * self.length * token + prompts * forward_flops(self.model, self.prompt, heads=1)
        return flops, flops / (self.reached["sampling"] * with_rows(rows))

    def learned(self, groups: float, size: int, updates: int) -> tuple[float, float]:
        """FLOPs and seconds of `updates` on so many groups, whose prompt is computed once."""
        length = round(self.length)
        rows = size * forward_flops(self.model, length, self.prompt, heads=length)
        flops = 3.0 * updates * groups * (rows + forward_flops(self.model, self.prompt, heads=0))
        return flops, flops / self.reached["update"]


def _measured(config: Run, length: float) -> tuple[float, float]:
    """Answers a family to measure one policy: alone, and several to a prompt (`selfplay.measure.arm` and `think`)."""
    e = config.evaluation
    once = 3 * e.problems + (len(TEMPERATURES) + 1) * e.ladder + e.pool_problems
    tries = e.unsolved_problems * FRESH * e.unsolved_tries
    return once, tries + e.pool_problems * max(e.pool_samples, SPARE * max(e.budgets) / length)
