"""How sure a policy was of its own words, read off the log-probabilities of the tokens it drew; no verifier is asked.

DeepConf (arXiv 2508.15260) averages a token's confidence over a sliding window (a group) and takes the lowest group of
a chain: one stretch of guessing spoils what follows, and a mean over the whole chain would hide it. There a token's
confidence is the mean of minus the log-probabilities of the k likeliest tokens. Engines here keep the log-probability
of the drawn token alone, whose expectation is minus the entropy of the step: the same order of peaked and flat, with
more noise in a single token, which the window averages out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ponder.search.session.choose import Candidate, filled
from ponder.types import Step, Trajectory


def lowest_group(leaf: Step, window: int) -> float | None:
    """The lowest mean log-probability of `window` drawn tokens in a row, as a probability: exp of it, in (0, 1].

    A chain of fewer tokens is one group. Forced tokens were not drawn and are passed over. None: a log-probability is
    not known, or nothing was drawn.
    """
    known = [p for step in leaf.path if not step.forced for p in step.logprobs]
    if not known or not all(map(math.isfinite, known)):
        return None
    size = min(window, len(known))
    total = lowest = math.fsum(known[:size])
    for new, old in zip(known[size:], known, strict=False):
        total += new - old
        lowest = min(lowest, total)
    return math.exp(min(0.0, lowest / size))


def confidences(trajectories: Sequence[Trajectory], window: int) -> list[float | None]:
    """`lowest_group` of each."""
    return [lowest_group(trajectory.leaf, window) for trajectory in trajectories]


def threshold(known: Sequence[float | None], keep: float) -> float:
    """The confidence that the surest share `keep` of these reaches, at least one of them; 0 if none is known.

    A little lower, for running sums round: of equally sure chains all or none reach it.
    """
    ranked = sorted((c for c in known if c is not None), reverse=True)
    return ranked[max(1, math.ceil(keep * len(ranked) - 1e-9)) - 1] * (1 - 1e-9) if ranked else 0.0


def support(candidates: Sequence[Candidate], window: int) -> dict[str, float]:
    """The summed confidence of each answer, in the order in which the answers first came.

    An unknown confidence counts as the mean of the known ones, so that with none known this is the plain vote.
    """
    weights = filled(confidences([c.trajectory for c in candidates], window))
    found: dict[str, list[float]] = {}
    for candidate, weight in zip(candidates, weights, strict=True):
        if candidate.answer is not None:
            found.setdefault(candidate.answer, []).append(weight)
    return {answer: math.fsum(some) for answer, some in found.items()}


def surest(candidates: Sequence[Candidate], window: int) -> Candidate:
    """The earliest candidate of the answer with the largest summed confidence."""
    found = support(candidates, window)
    if not found:
        return candidates[0]
    winner = max(found, key=lambda answer: found[answer])
    return next(c for c in candidates if c.answer == winner)


def filtered(candidates: Sequence[Candidate], window: int, keep: float) -> list[Candidate]:
    """The surest share `keep` of those that have an answer; all where nothing is known of any."""
    answered = [c for c in candidates if c.answer is not None] or list(candidates)
    known = confidences([c.trajectory for c in answered], window)
    least = threshold(known, keep)
    return [c for c, sure in zip(answered, known, strict=True) if sure is None or sure >= least]
