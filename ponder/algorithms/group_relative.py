"""What the group-relative rules share: centring, and how rewards at step ends reach tokens.

A reward at the end of an answer is centred on the group and stands on all of its tokens. A reward at the end of step k
belongs to the tokens up to that end: each token carries the sum of the step rewards that are still to come
(return-to-go, DeepSeekMath, arXiv 2402.03300, section 4.1.3), each less the mean step reward of the group, so that a
chain gains nothing by having more steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import fsum

from ponder.algorithms.algorithm import Answers
from ponder.types import Trajectory

Scale = Callable[[Sequence[float]], float]  # from centred rewards to the factor on them


def centred(rewards_G: Sequence[float]) -> list[float]:
    """Rewards less their mean. Equal rewards (and a single one) give exact zeros, so that a dead group is seen."""
    if len(set(rewards_G)) <= 1:
        return [0.0] * len(rewards_G)
    mean = fsum(rewards_G) / len(rewards_G)
    return [reward - mean for reward in rewards_G]


def on_tokens(trajectory: Trajectory, value: float) -> tuple[float, ...]:
    """The same number on each token."""
    return (value,) * len(trajectory)


def unscaled(_centred: Sequence[float]) -> float:
    """No scaling: the factor 1."""
    return 1.0


def relative(group: Answers, scale: Scale) -> list[tuple[float, ...]]:
    """Advantages of each token of each answer: end rewards and step rewards, each centred and scaled."""
    ends = centred([answer.earned.reward for answer in group.answers_G])
    factor = scale(ends)
    # A zero stays a zero even where the factor is not finite.
    ends = [end * factor if end else 0.0 for end in ends]
    steps = [answer.earned.steps_S for answer in group.answers_G]
    everything = centred([reward for steps_S in steps for reward in steps_S])
    if not any(everything):
        return [on_tokens(answer.trajectory, end) for answer, end in zip(group.answers_G, ends, strict=True)]
    step_factor, rest = scale(everything), iter(everything)
    advantages = []
    for answer, end, steps_S in zip(group.answers_G, ends, steps, strict=True):
        own_S = [next(rest) * step_factor for _ in steps_S]
        advantages.append(tuple(end + later for later in to_go(answer.trajectory, own_S)))
    return advantages


def to_go(trajectory: Trajectory, rewards_S: Sequence[float]) -> list[float]:
    """For each token the sum of the step rewards from its own step on; zeros if there are no step rewards."""
    if not rewards_S:
        return [0.0] * len(trajectory)
    later_S = list(accumulate(reversed(rewards_S)))[::-1]
    return [later for step, later in zip(trajectory.steps, later_S, strict=True) for _ in step.tokens]
