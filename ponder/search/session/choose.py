"""The rules that choose among finished candidates: by votes, by summed scores, by the best score.

Every rule takes candidates in the order in which they were drawn, which the seed fixes. That order matters in one case
alone: of equally good choices the one whose earliest supporter was drawn first wins. Candidates without an answer
never win against one with an answer.

A score of None means that the judge failed on this candidate. It then counts as the mean of the known scores, neither
for nor against its answer; if no score is known the weighted vote is the plain vote, and so is the best score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ponder.types import Trajectory


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finished trajectory, its canonical answer (None: it has none) and its score (None: not scored).

    `visits` are those of the tree's nodes on its path from the root, where a tree search counted them.
    """

    trajectory: Trajectory
    answer: str | None
    score: float | None = None
    visits: tuple[int, ...] = ()


Rule = Callable[[Sequence[Candidate]], Candidate]


def majority(candidates: Sequence[Candidate]) -> Candidate:
    """The earliest candidate with the most frequent answer."""
    return _heaviest(candidates, [1.0] * len(candidates))


def weighted(candidates: Sequence[Candidate]) -> Candidate:
    """The best-scored candidate of the answer with the largest sum of scores (equal scores: `majority`)."""
    winner = _heaviest(candidates, filled([c.score for c in candidates]))
    return _best([c for c in candidates if c.answer == winner.answer])


def best(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate with the highest score; `majority` if nothing could be scored."""
    answered = [c for c in candidates if c.answer is not None] or candidates
    scored = [c for c in answered if c.score is not None]
    return _best(scored) if scored else majority(candidates)


def last(candidates: Sequence[Candidate]) -> Candidate:
    """The latest candidate that has an answer."""
    return next((c for c in reversed(candidates) if c.answer is not None), candidates[-1])


def most_visited(candidates: Sequence[Candidate]) -> Candidate:
    """Where one comes to who follows the most visited child from the root (equal visits: the better score)."""
    answered = [c for c in candidates if c.answer is not None] or candidates
    return max(answered, key=lambda c: (c.visits, -math.inf if c.score is None else c.score))


def unforced(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Those whose thinking came to its own end, if there are any: an answer that was forced is a guess."""
    return [c for c in candidates if not any(step.forced for step in c.trajectory.steps)] or candidates


def votes(candidates: Sequence[Candidate]) -> dict[str, int]:
    """How many candidates support each answer, in the order in which the answers first came."""
    counts: dict[str, int] = {}
    for candidate in candidates:
        if candidate.answer is not None:
            counts[candidate.answer] = counts.get(candidate.answer, 0) + 1
    return counts


def decided(candidates: Sequence[Candidate], more: int) -> bool:
    """Whether `more` further votes cannot change the majority's answer."""
    ranked = sorted(votes(candidates).values(), reverse=True)
    return bool(ranked) and ranked[0] - (ranked[1] if len(ranked) > 1 else 0) > more


def filled(scores: Sequence[float | None]) -> list[float]:
    """`scores` with the mean of the known ones in place of None (1.0 if none is known)."""
    known = [s for s in scores if s is not None]
    middle = math.fsum(known) / len(known) if known else 1.0
    return [middle if s is None else s for s in scores]


def _heaviest(candidates: Sequence[Candidate], weights: Sequence[float]) -> Candidate:
    """The earliest candidate of the answer with the largest total weight.

    `fsum` rounds once, so a total does not depend on the order of its parts.
    """
    support: dict[str, list[float]] = {}
    for candidate, weight in zip(candidates, weights, strict=True):
        if candidate.answer is not None:
            support.setdefault(candidate.answer, []).append(weight)
    if not support:
        return candidates[0]
    winner = max(support, key=lambda answer: math.fsum(support[answer]))
    return next(c for c in candidates if c.answer == winner)


def _best(candidates: Sequence[Candidate]) -> Candidate:
    return max(candidates, key=lambda c: -math.inf if c.score is None else c.score)
