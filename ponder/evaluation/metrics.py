"""What n samples of one problem say about k samples: pass@k, maj@k, best-of-N and the weighted vote.

Every estimate is the mean over subsets drawn without replacement, so all of them equal the mean outcome at k = 1. With
fewer than k samples the estimate does not exist and is None, never a flattering number. Outcomes are 1.0 or 0.0 (or a
score between); samples whose grader broke must be left out by the caller.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from ponder.types import PonderError

SUBSETS = 2000


def pass_at_k(n: int, correct: int, k: int) -> float | None:
    """The chance that k of the n samples hold a right one: 1 - C(n-c, k) / C(n, k) (2107.03374, equation 1).

    The product form never builds a large binomial. None if n < k.
    """
    if not 0 <= correct <= n:
        raise PonderError(f"pass@k: {correct} right of {n} samples; the count of right ones must lie in 0..{n}")
    _check_k(k)
    if n < k:
        return None
    if n - correct < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - correct + 1, n + 1))


def majority_at_k(answers_G: Sequence[str | None], outcomes_G: Sequence[float], k: int) -> float | None:
    """Expected outcome of the commonest answer among k of the samples; exact, by counting subsets.

    `answers_G` are canonical. Tied answers share the win equally, which is what "the first drawn of the tied wins"
    comes to in random order. None answers do not vote; a subset without any answer is wrong. None if n < k.
    """
    _check_lengths(answers_G, outcomes_G)
    _check_k(k)
    n = len(answers_G)
    if n < k:
        return None
    outcomes: dict[str, list[float]] = {}
    for answer, outcome in zip(answers_G, outcomes_G, strict=True):
        if answer is not None:
            outcomes.setdefault(answer, []).append(outcome)
    silent = n - sum(map(len, outcomes.values()))
    total = 0.0
    for answer, mine in outcomes.items():
        if any(mine):  # an answer that is never right adds nothing
            rivals = [len(other) for name, other in outcomes.items() if name != answer]
            total += sum(mine) / len(mine) * _chance_of_most(len(mine), rivals, silent, k)
    return total


def _chance_of_most(own: int, rivals: Sequence[int], silent: int, k: int) -> float:
    """The chance that, of k drawn samples, the answer that `own` of them carry is the commonest (ties shared)."""
    wins = 0.0
    for votes in range(1, min(own, k) + 1):
        ways = {(k - votes, 0): math.comb(own, votes)}  # (samples still to draw, rivals that tie) -> subsets
        for rival in rivals:
            ways = _add_rival(ways, rival, votes)
        wins += sum(math.comb(silent, left) * w / (tied + 1) for (left, tied), w in ways.items())
    return wins / math.comb(own + sum(rivals) + silent, k)


def _add_rival(ways: dict[tuple[int, int], int], rival: int, votes: int) -> dict[tuple[int, int], int]:
    """All ways to draw 0 to `votes` of the `rival` samples on top of each of `ways`."""
    grown: dict[tuple[int, int], int] = {}
    for (left, tied), w in ways.items():
        for drawn in range(min(rival, votes, left) + 1):
            state = (left - drawn, tied + (drawn == votes))
            grown[state] = grown.get(state, 0) + w * math.comb(rival, drawn)
    return grown


def best_of_n(scores_G: Sequence[float], outcomes_G: Sequence[float], best_of: int) -> float | None:
    """Expected outcome of the top-scored of N samples: rank j of n (1 is best) wins with C(n-j, N-1) / C(n, N).

    Samples of equal score stand in random order: each has the mean outcome of its tie. None if n < N.
    """
    _check_lengths(scores_G, outcomes_G)
    _check_k(best_of)
    n = len(scores_G)
    if n < best_of:
        return None
    tied: dict[float, list[float]] = {}
    for score, outcome in zip(scores_G, outcomes_G, strict=True):
        tied.setdefault(score, []).append(outcome)
    means = {score: sum(outcomes) / len(outcomes) for score, outcomes in tied.items()}
    ranked = [means[score] for score in sorted(scores_G, reverse=True)]
    total, chance = 0.0, best_of / n
    for j, y in enumerate(ranked, start=1):
        total += y * chance
        chance *= (n - j - best_of + 1) / max(n - j, 1)  # from rank j to rank j + 1, without large binomials
    return total


def weighted_vote_at_k(
    answers_G: Sequence[str | None], scores_G: Sequence[float], outcomes_G: Sequence[float], k: int, *, seed: int = 0
) -> float | None:
    """Expected outcome of the answer with the largest sum of scores among k of the samples.

    Over all subsets if there are at most 2000, else over 2000 random ones. Ties and None answers as in
    `majority_at_k`, to which this reduces with constant scores. None if n < k.
    """
    _check_lengths(answers_G, outcomes_G)
    _check_lengths(scores_G, outcomes_G)
    _check_k(k)
    if len(answers_G) < k:
        return None
    return _mean_over_subsets(len(answers_G), k, lambda chosen: _vote(chosen, answers_G, scores_G, outcomes_G), seed)


def _vote(
    chosen: Sequence[int], answers_G: Sequence[str | None], scores_G: Sequence[float], outcomes_G: Sequence[float]
) -> float:
    """Mean outcome of the answers that lead; the outcome of an answer is the mean over its chosen samples."""
    members: dict[str, list[int]] = {}
    for i in chosen:
        answer = answers_G[i]
        if answer is not None:
            members.setdefault(answer, []).append(i)
    if not members:
        return 0.0
    weights = {answer: math.fsum(scores_G[i] for i in group) for answer, group in members.items()}
    most = max(weights.values())
    leaders = [members[a] for a, weight in weights.items() if math.isclose(weight, most, rel_tol=1e-12)]
    return sum(sum(outcomes_G[i] for i in group) / len(group) for group in leaders) / len(leaders)


def _mean_over_subsets(n: int, k: int, value: Callable[[Sequence[int]], float], seed: int) -> float:
    def subsets() -> Iterator[Sequence[int]]:
        if math.comb(n, k) <= SUBSETS:
            yield from combinations(range(n), k)
            return
        rng = random.Random(f"subsets/{seed}/{n}/{k}")
        for _ in range(SUBSETS):
            yield rng.sample(range(n), k)

    values = [value(chosen) for chosen in subsets()]
    return sum(values) / len(values)


def verifier_ceiling(solve_rate: float, true_positive_rate: float, false_positive_rate: float) -> float | None:
    """Accuracy of what a binary verifier accepts, however many samples are drawn (2411.17501).

    p TPR / (p TPR + (1-p) FPR). None if nothing is ever accepted.
    """
    right = solve_rate * true_positive_rate
    accepted = right + (1 - solve_rate) * false_positive_rate
    return right / accepted if accepted > 0 else None


def accepted_at_n(solve_rate: float, true_positive_rate: float, false_positive_rate: float, n: int) -> float:
    """Accuracy when the first of n samples that a binary verifier accepts is answered, else any of the refused ones."""
    _check_k(n)
    right = solve_rate * true_positive_rate
    refused = 1 - right - (1 - solve_rate) * false_positive_rate
    all_refused = refused**n
    ceiling = verifier_ceiling(solve_rate, true_positive_rate, false_positive_rate) or 0.0
    among_refused = (solve_rate - right) / refused if refused > 0 else 0.0
    return (1 - all_refused) * ceiling + all_refused * among_refused


def _check_k(k: int) -> None:
    if k < 1:
        raise PonderError(f"k is {k}; at least one sample must be drawn")


def _check_lengths(first: Sequence[object], second: Sequence[object]) -> None:
    if len(first) != len(second):
        raise PonderError(f"one entry a sample is needed in every list, got {len(first)} and {len(second)}")
