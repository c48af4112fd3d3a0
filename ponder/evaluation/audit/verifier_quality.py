"""What a verifier is good for, each measure with a 95 % interval by bootstrap over problems.

Finding the first wrong step (F1 as ProcessBench defines it), ranking steps (AUC), meaning what it says (calibration
error, before and after temperature scaling), choosing answers (best-of-N and weighted vote against the majority vote at
equal token-equivalents), seeing through right answers with a wrong step, and a liking for length. Best-of-N alone
hides a verifier that cannot find errors (2501.07301), so all are reported. What is undefined is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ponder.evaluation.audit.calibration import (
    CUT,
    NO_ERROR,
    at_temperature,
    auc,
    expected_calibration_error,
    first_error,
    first_error_f1,
    fit_temperature,
)
from ponder.evaluation.intervals import Interval, mean_interval, paired_interval
from ponder.evaluation.metrics import best_of_n, majority_at_k, weighted_vote_at_k
from ponder.seeds import derive_seed

RESAMPLES = 400
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Judged:
    """One trajectory as a verifier saw it. `truth_S` says of each step whether it is right (None: not known).

    `tokens` were generated, `cost` is what the judgement cost beside `question`, which a verifier that keeps what it
    read takes once for all samples of a problem; all in token-equivalents. `score` is None if the verifier gives steps
    only, `step_scores_S` is empty if it gives none.
    """

    problem: str
    outcome: float
    tokens: int
    cost: float
    answer: str | None = None
    score: float | None = None
    step_scores_S: tuple[float, ...] = ()
    truth_S: tuple[bool, ...] | None = None
    question: float = 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration error of whole-trajectory scores before and after scaling by a temperature fitted elsewhere."""

    temperature: float
    before: Interval
    after: Interval


@dataclass(frozen=True, slots=True)
class Selection:
    """Choosing at the spend of a majority vote of `votes` samples: mean accuracies and paired gains over that vote.

    `samples` is the mean number that the verifier's price leaves.
    """

    votes: int
    samples: float
    majority: float
    best_of_n: float
    weighted_vote: float
    best_of_n_gain: Interval
    weighted_vote_gain: Interval


@dataclass(frozen=True, slots=True)
class FlawedRight:
    """Right answers with a wrong step: their share of right answers, and how often each kind is accepted.

    `auc` is the chance that a right answer without a wrong step scores above one with. A verifier of outcomes has no
    reason to tell them apart (0.5).
    """

    share: Interval
    accepted_flawed: Interval | None
    accepted_clean: Interval | None
    auc: Interval | None


def step_f1(items: Sequence[Judged], *, cut: float = CUT, seed: int = 0) -> Interval | None:
    """F1 of the first step that scores below `cut` against the first wrong one. None without step scores or truth."""
    known = [i for i in items if i.truth_S and i.step_scores_S]
    return over_problems(known, lambda some: _f1(some, cut), seed=seed)


def best_cut(items: Sequence[Judged]) -> float:
    """The cut of the best F1 on these items, among 19 between 0.05 and 0.95; report on others. 0.5 if undefined."""
    known = [i for i in items if i.truth_S and i.step_scores_S]
    ranked = [(f1, cut) for cut in (n / 20 for n in range(1, 20)) if (f1 := _f1(known, cut)) is not None]
    return max(ranked, key=lambda pair: (pair[0], -abs(pair[1] - CUT)))[1] if ranked else CUT


def step_auc(items: Sequence[Judged], *, seed: int = 0) -> Interval | None:
    """The chance that a step of a right prefix scores above one of a wrong prefix.

    From the first wrong step on everything counts as wrong, since step scores are of prefixes.
    """
    pools = by_problem([i for i in items if i.truth_S and i.step_scores_S]).values()
    steps = [[pair for item in pool for pair in _steps(item)] for pool in pools]
    return resampled(steps, lambda some: auc([s for s, _ in some], [y for _, y in some]), seed=seed)


def outcome_auc(items: Sequence[Judged], *, seed: int = 0) -> Interval | None:
    """The chance that a right trajectory scores above a wrong one."""
    return over_problems(_scored(items), lambda some: auc(_scores(some), [i.outcome for i in some]), seed=seed)


def calibration(items: Sequence[Judged], *, seed: int = 0) -> Calibration | None:
    """The temperature is fitted on one half of the problems, both errors are measured on the other."""
    fit, held = halves(_scored(items), seed)
    temperature = fit_temperature(_scores(fit), [i.outcome for i in fit])
    if temperature is None or not held:
        return None

    def error(some: Sequence[Judged], t: float) -> float | None:
        return expected_calibration_error(at_temperature(_scores(some), t), [i.outcome for i in some])

    before = over_problems(held, lambda some: error(some, 1.0), seed=seed)
    after = over_problems(held, lambda some: error(some, temperature), seed=seed)
    return None if before is None or after is None else Calibration(temperature, before, after)


def selection(items: Sequence[Judged], votes: int, *, seed: int = 0) -> Selection | None:
    """Closed forms on a pool of samples; problems with fewer than `votes` of them are left out. None if all are."""
    pools = [pool for pool in by_problem(_scored(items)).values() if len(pool) >= votes]
    if not pools:
        return None
    rows = [_selected(pool, votes, seed) for pool in pools]
    majority, best, weighted = ([row[column] for row in rows] for column in (1, 2, 3))
    best_gain = paired_interval(majority, best, seed=seed)
    weighted_gain = paired_interval(majority, weighted, seed=seed)
    assert best_gain is not None and weighted_gain is not None  # there is at least one problem
    return Selection(
        votes=votes,
        samples=float(np.mean([row[0] for row in rows])),
        majority=float(np.mean(majority)),
        best_of_n=float(np.mean(best)),
        weighted_vote=float(np.mean(weighted)),
        best_of_n_gain=best_gain,
        weighted_vote_gain=weighted_gain,
    )


def affordable(votes: int, tokens: float, cost: float, question: float = 0.0) -> int:
    """How many samples of `tokens` each can be drawn and judged for what `votes` cost unjudged; at least 1.

    A judgement costs `cost`, and reading the question costs `question` once.
    """
    return max(1, math.floor((votes * tokens - question) / (tokens + cost) + 1e-9))


def flawed_right(items: Sequence[Judged], *, seed: int = 0) -> FlawedRight | None:
    """How the verifier takes right answers that hold a wrong step. None if no right answer's truth is known."""
    right = [i for i in _scored(items) if i.outcome >= CUT and i.truth_S]
    flawed, clean = ([i for i in right if (False in (i.truth_S or ())) is kind] for kind in (True, False))
    share = over_problems(right, lambda some: _share(some, lambda i: False in (i.truth_S or ())), seed=seed)
    if share is None:
        return None
    accepted = [
        over_problems(some, lambda s: _share(s, lambda i: (i.score or 0.0) >= CUT), seed=seed)
        for some in (flawed, clean)
    ]
    ranked = over_problems(
        right, lambda some: auc(_scores(some), [float(all(i.truth_S or ())) for i in some]), seed=seed
    )
    return FlawedRight(share, accepted[0], accepted[1], ranked)


def length_sensitivity(items: Sequence[Judged], *, seed: int = 0) -> Interval | None:
    """Mean over problems of the rank correlation (Spearman) of score and length within one problem and one outcome.

    0: no liking; -1: the shorter always scores higher. Right and wrong apart, since wrong ones may simply be longer.
    """
    found = [_length(pool) for pool in by_problem(_scored(items)).values()]
    return mean_interval([value for value in found if value is not None], seed=seed, bounds=(-1.0, 1.0))


def over_problems(
    items: Sequence[Judged], statistic: Callable[[Sequence[Judged]], float | None], *, seed: int = 0
) -> Interval | None:
    """Any statistic with its percentile interval, problems drawn again with all their trajectories.

    Resamples in which it is undefined are left out. None if it is undefined on the whole.
    """
    return resampled(list(by_problem(items).values()), statistic, seed=seed)


def resampled(
    pools: Sequence[Sequence[T]], statistic: Callable[[list[T]], float | None], *, seed: int = 0
) -> Interval | None:
    """`over_problems` for anything: each pool holds what belongs to one problem."""
    y = statistic([item for pool in pools for item in pool]) if pools else None
    if y is None:
        return None
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(len(pools), size=len(pools)) for _ in range(RESAMPLES))
    values = [v for some in drawn if (v := statistic([i for p in some for i in pools[p]])) is not None]
    low, high = np.percentile(values or [y], [2.5, 97.5])
    return Interval(y, min(float(low), y), max(float(high), y), len(pools))


def by_problem(items: Sequence[Judged]) -> dict[str, list[Judged]]:
    """Trajectories by problem, in order of first appearance."""
    found: dict[str, list[Judged]] = {}
    for item in items:
        found.setdefault(item.problem, []).append(item)
    return found


def halves(items: Sequence[Judged], seed: int) -> tuple[list[Judged], list[Judged]]:
    """Two halves of the problems, by a hash of their names."""
    first = {p for i, p in enumerate(sorted(by_problem(items), key=lambda p: derive_seed("half", seed, p))) if i % 2}
    return [i for i in items if i.problem in first], [i for i in items if i.problem not in first]


def _f1(items: Sequence[Judged], cut: float) -> float | None:
    actual = [i.truth_S.index(False) if i.truth_S and False in i.truth_S else NO_ERROR for i in items]
    return first_error_f1([first_error(i.step_scores_S, cut) for i in items], actual)


def _steps(item: Judged) -> list[tuple[float, float]]:
    """(score, 1 right or 0 wrong) of each step."""
    sound = True
    found = []
    for score, truth in zip(item.step_scores_S, item.truth_S or (), strict=True):
        sound = sound and truth
        found.append((score, float(sound)))
    return found


def _selected(pool: Sequence[Judged], votes: int, seed: int) -> tuple[int, float, float, float]:
    """Samples afforded, majority at `votes`, best-of-N and weighted vote at what is afforded."""
    answers, outcomes, scores = [i.answer for i in pool], [i.outcome for i in pool], _scores(pool)
    tokens, cost, question = np.mean([(i.tokens, i.cost, i.question) for i in pool], axis=0).tolist()
    n = affordable(votes, tokens, cost, question)
    majority = majority_at_k(answers, outcomes, votes)
    best = best_of_n(scores, outcomes, n)
    weighted = weighted_vote_at_k(answers, scores, outcomes, n, seed=seed)
    assert majority is not None and best is not None and weighted is not None  # the pool holds at least `votes`
    return n, majority, best, weighted


def _length(items: Sequence[Judged]) -> float | None:
    strata: dict[tuple[str, float], list[Judged]] = {}
    for item in items:
        strata.setdefault((item.problem, item.outcome), []).append(item)
    found = [_spearman([float(i.tokens) for i in some], _scores(some)) for some in strata.values()]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def _spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Rank correlation with mean ranks for ties; None for fewer than 3 or if one side is constant."""
    if len(first) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Sequence[float]) -> list[float]:
    _, which, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ranks: list[float] = (np.cumsum(counts) - (counts - 1) / 2)[which].tolist()
    return ranks


def _share(items: Sequence[Judged], holds: Callable[[Judged], bool]) -> float | None:
    return sum(map(holds, items)) / len(items) if items else None


def _scored(items: Sequence[Judged]) -> list[Judged]:
    return [item for item in items if item.score is not None]


def _scores(items: Sequence[Judged]) -> list[float]:
    return [item.score for item in items if item.score is not None]
