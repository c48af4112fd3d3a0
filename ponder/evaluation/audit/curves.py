"""What choosing among N samples of a pool comes to, in closed form or over random subsets, one value a problem.

    pass            a right sample is among the N                       (what a perfect choice would reach)
    majority        the commonest answer
    best_of_n       the best-scored sample
    weighted_vote   the answer with the largest sum of scores
    accept_reject   a random accepted sample, or a random one if none is accepted

All are means over subsets of N without replacement; the weighted vote over at most 200 of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from ponder.evaluation.audit.calibration import Floats
from ponder.evaluation.metrics import best_of_n, majority_at_k, pass_at_k
from ponder.seeds import derive_seed

SUBSETS = 200
CHOSEN_BY_SCORE = ("best_of_n", "weighted_vote", "accept_reject")
FREE = ("pass", "majority")


@dataclass(frozen=True, slots=True)
class Sampled:
    """One answer: `outcome` by ground truth, `score` by the verifier, both costs in token-equivalents."""

    problem: str
    family: str
    level: int
    outcome: float
    score: float
    answer: str | None
    tokens: int
    cost: float


Pool = Sequence[Sampled]  # of one problem


def chosen(pool: Pool, scores: Sequence[float], n: int, threshold: float) -> dict[str, float]:
    """Expected accuracy of each choice by `scores` (the pool's own, or modelled ones)."""
    outcomes = [one.outcome for one in pool]
    best = best_of_n(scores, outcomes, n)
    assert best is not None  # the caller chose n
    return {
        "best_of_n": best,
        "weighted_vote": weighted_vote(pool, scores, n),
        "accept_reject": accept_reject(scores, outcomes, n, threshold),
    }


def unaided(pool: Pool, n: int) -> dict[str, float]:
    """The same for what needs no verifier."""
    outcomes = [one.outcome for one in pool]
    covered = pass_at_k(len(pool), sum(y > 0 for y in outcomes), n)
    majority = majority_at_k([one.answer for one in pool], outcomes, n)
    assert covered is not None and majority is not None
    return {"pass": covered, "majority": majority}


def accept_reject(scores: Sequence[float], outcomes: Sequence[float], n: int, threshold: float) -> float:
    """A random accepted sample of n; a random one if none is accepted. Exact: only counts matter."""
    accepted = [y for s, y in zip(scores, outcomes, strict=True) if s >= threshold]
    refused = [y for s, y in zip(scores, outcomes, strict=True) if s < threshold]
    none = comb(len(refused), n) / comb(len(scores), n)
    found = (1 - none) * sum(accepted) / len(accepted) if accepted else 0.0
    return found + (none * sum(refused) / len(refused) if refused else 0.0)


def weighted_vote(pool: Pool, scores: Sequence[float], n: int) -> float:
    """Over random subsets, the same for the same problem and n. Ties are shared; no answer, no vote."""
    names = list(dict.fromkeys(one.answer for one in pool if one.answer is not None))
    if not names:
        return 0.0
    member_GA = np.array([[one.answer == name for name in names] for one in pool], dtype=float)
    outcomes_A = (np.array([one.outcome for one in pool]) @ member_GA) / member_GA.sum(axis=0)
    subsets_RG = _subsets(pool[0].problem, len(pool), n)
    weights_RA = subsets_RG @ (np.asarray(scores)[:, None] * member_GA)
    given_RA = subsets_RG @ member_GA > 0  # where all scores are 0, what was answered at all shares the win
    leads_RA = given_RA & np.isclose(weights_RA, weights_RA.max(axis=1, keepdims=True), rtol=1e-12, atol=0.0)
    return float(((leads_RA @ outcomes_A) / np.maximum(1, leads_RA.sum(axis=1))).mean())


def _subsets(problem: str, samples: int, n: int) -> Floats:
    """Membership [SUBSETS, samples] of random subsets of n; all of them the whole if n is."""
    if n == samples:
        return np.ones((1, samples))
    rng = np.random.default_rng(derive_seed("subsets", problem, n))
    ranks = rng.random((SUBSETS, samples)).argsort(axis=1).argsort(axis=1)
    return (ranks < n).astype(float)
