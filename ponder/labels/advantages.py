"""Step advantages under a prover mu (PAV, arXiv 2410.08146): A_k = Q_mu(s_{k-1}, a_k) - V_mu(s_{k-1}).

Steps are deterministic, so Q_mu(s_{k-1}, a_k) = V_mu(s_k), and the value of the finished response is its outcome: the
advantages of a response sum to r - V_mu(x). Values are rollouts of the prover after each prefix. The prover is another
policy, or a best of K draws of one, whose value is 1 - (1 - V)^K. With mu = pi these are the step advantages of VinePPO
(2410.01679, with the reward at the end and V(end) = 0), which as an extra reward add no new signal; a prover that is
somewhat better or worse than the policy tells steps apart that the policy does not.

With n rollouts of which c end right, V is estimated by c / n and the value of best-of-K by 1 - C(n-c, K) / C(n, K): the
share of all sets of K rollouts that hold a right one. That is unbiased and needs n >= K; 1 - (1 - c/n)^K is too low on
average (V = 0.2, n = K = 4: 0.451 for 0.590), which would credit the last step, whose value is an outcome and exact,
with what the others were denied. For a finished response both forms give its outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from ponder.estimators import best_of_k
from ponder.labels.labelled import Labelled
from ponder.labels.rollouts import Rollouts, tokens_of
from ponder.labels.shepherd import estimates, labelled
from ponder.types import Group, PonderError, Step


async def advantages(group: Group, prover: Rollouts, *, n: int, best_of: int = 1) -> list[Labelled]:
    """Advantages of all judged trajectories of `group` under `prover`, from `n` rollouts a prefix.

    `prover` is a `Rollouts` whose source proposes with the prover; it must speak the policy's tokens. The labels are
    its values V after each step, before best-of-K. A trajectory has no advantages if a value on its way is not known.
    """
    if not 1 <= best_of <= n:
        raise PonderError(
            f"a prover that is the best of {best_of} draws, valued from {n} rollouts; allowed are 1 to {n}: "
            "lower --best-of or raise --rollouts"
        )
    steps: dict[tuple[int, ...], Step | None] = {(): None}
    steps |= {tokens_of(step): step for t, _ in group.judged for step in t.steps[:-1]}
    found = dict(zip(steps, await estimates(list(steps.values()), prover, n), strict=True))
    values = {key: None if one is None else best_of_k(one.judged, best_of) for key, one in found.items()}
    return [
        replace(
            labelled(trajectory, outcome, [found[tokens_of(step)] for step in trajectory.steps[:-1]]),
            advantages_S=_advantages([values[()], *(values[tokens_of(s)] for s in trajectory.steps[:-1]), outcome]),
        )
        for trajectory, outcome in group.judged
    ]


def _advantages(values: Sequence[float | None]) -> tuple[float, ...]:
    known = [value for value in values if value is not None]
    return differences(known) if len(known) == len(values) else ()


def differences(values: Sequence[float]) -> tuple[float, ...]:
    """V(s_0), ..., V(s_K) -> the advantage of each of the K steps; they sum to the last value less the first."""
    return tuple(after - before for before, after in pairwise(values))
