"""Step advantages under a prover mu (PAV, arXiv 2410.08146): A_k = Q_mu(s_{k-1}, a_k) - V_mu(s_{k-1}).

Steps are deterministic, so Q_mu(s_{k-1}, a_k) = V_mu(s_k), and the value of the finished response is its outcome: the
advantages of a response sum to r - V_mu(x). Values are rollouts of the prover after each prefix. The prover is another
policy, or a best of K draws of one, whose value is 1 - (1 - V)^K. With mu = pi these are the step advantages of VinePPO
(2410.01679, with the reward at the end and V(end) = 0), which as an extra reward add no new signal; a prover that is
somewhat better or worse than the policy tells steps apart that the policy does not.

The value of best-of-K is computed from the estimate of V, not from K-tuples of rollouts: cheap, and biased upwards a
little where V is small and rollouts are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ponder.labels.rollouts import Rollouts, tokens_of
from ponder.labels.shepherd import estimates, labelled
from ponder.rollout.step_labels import Labelled
from ponder.types import Group, PonderError, Step


@dataclass(frozen=True, slots=True)
class Advantages:
    """A response, the prover's value of the question, and the advantage of each step (empty if one is not known)."""

    labelled: Labelled
    start: float | None
    advantages_S: tuple[float, ...]


async def advantages(group: Group, prover: Rollouts, *, n: int, best_of: int = 1) -> list[Advantages]:
    """Advantages of all judged trajectories of `group` under `prover`, from `n` rollouts a prefix.

    `prover` is a `Rollouts` whose source proposes with the prover; it must speak the policy's tokens. The labels are
    its values V after each step, before best-of-K.
    """
    if best_of < 1:
        raise PonderError(f"best of {best_of}: a prover draws at least once")
    steps: dict[tuple[int, ...], Step | None] = {(): None}
    steps |= {tokens_of(step): step for t, _ in group.judged for step in t.steps[:-1]}
    found = dict(zip(steps, await estimates(list(steps.values()), prover, n), strict=True))
    root = found[()]
    start = None if root is None or root.value is None else best_of_k(root.value, best_of)
    out = []
    for trajectory, outcome in group.judged:
        item = labelled(group, trajectory, outcome, [found[tokens_of(step)] for step in trajectory.steps[:-1]])
        out.append(Advantages(item, start, _advantages(item, start, best_of)))
    return out


def _advantages(item: Labelled, start: float | None, best_of: int) -> tuple[float, ...]:
    if start is None or len(item.labels) < len(item.trajectory.steps):
        return ()
    *inner, end = (label.value for label in item.labels)
    return differences([start, *(best_of_k(value, best_of) for value in inner), end])


def differences(values: Sequence[float]) -> tuple[float, ...]:
    """V(s_0), ..., V(s_K) -> the advantage of each of the K steps; they sum to the last value less the first."""
    return tuple(after - before for before, after in pairwise(values))


def best_of_k(value: float, k: int) -> float:
    """The chance that at least one of `k` draws is right."""
    return 1.0 - (1.0 - value) ** k


def first_pit(values_S: Sequence[float]) -> int:
    """The first step with the lowest value (arXiv 2406.14532); raises ValueError for no steps."""
    return values_S.index(min(values_S)) if values_S else _no_steps()


def has_interior_pit(values_S: Sequence[float]) -> bool:
    """Whether values fall to the first pit and rise after it. Where they only fall or only rise they have none."""
    pit = first_pit(values_S)
    lowest = values_S[pit]
    return pit > 0 and any(value > lowest for value in values_S[pit:])


def _no_steps() -> int:
    raise ValueError("a response without steps has no pit")
