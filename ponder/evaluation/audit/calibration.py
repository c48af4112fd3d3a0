"""How good a verifier is: can it rank, does it find the first error, and do its scores mean what they say.

Scores are in [0, 1]. Targets are in [0, 1] too: a hard label, or the share of rollouts after a step that succeeded.
Where a target must be hard, it is right from `CUT` on, like a score; so a verifier that says the targets is perfect.
What is undefined (one class only, no samples) is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ponder.types import PonderError

Floats = npt.NDArray[np.float64]

CUT = 0.5
NO_ERROR = -1  # the index of the first error of a trajectory without one, as in ProcessBench


@dataclass(frozen=True, slots=True)
class VerifierQuality:
    """Quality on labelled steps. `n` counts steps, `base_rate` is the share of right ones; the rest see below.

    `first_bad_step_f1` is `first_error_f1` against these labels. With labels from a few rollouts a step counts as bad
    if most of them failed, so it is not comparable with ProcessBench, where people marked the first wrong step.
    """

    n: int
    base_rate: float | None
    auc: float | None
    accuracy: float | None
    precision: float | None
    recall: float | None
    ece: float | None
    first_bad_step_f1: float | None


def verifier_quality(
    scores_GS: Sequence[Sequence[float]], targets_GS: Sequence[Sequence[float]], bins: int = 10
) -> VerifierQuality:
    """All measures at once. One list of step scores and one of step targets for each trajectory; lengths must agree."""
    if [len(s) for s in scores_GS] != [len(t) for t in targets_GS]:
        raise PonderError("every step of every trajectory needs one score and one target; their numbers differ")
    scores = [score for row in scores_GS for score in row]
    targets = [target for row in targets_GS for target in row]
    precision, recall = precision_recall(scores, targets)
    return VerifierQuality(
        n=len(scores),
        base_rate=float(np.mean(np.asarray(targets) >= CUT)) if targets else None,
        auc=auc(scores, targets),
        accuracy=accuracy(scores, targets),
        precision=precision,
        recall=recall,
        ece=expected_calibration_error(scores, targets, bins),
        first_bad_step_f1=first_error_f1(
            [first_error(row) for row in scores_GS], [first_error(row) for row in targets_GS]
        ),
    )


def auc(scores: Sequence[float], targets: Sequence[float]) -> float | None:
    """The chance that a right one scores above a wrong one, ties counting half. None with one class only."""
    values, right = _arrays(scores, targets)
    positives = int(right.sum())
    negatives = len(right) - positives
    if not positives or not negatives:
        return None
    # Mean ranks of equal scores make each tie count half (Mann and Whitney's U).
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[which]
    return float((ranks[right].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def accuracy(scores: Sequence[float], targets: Sequence[float]) -> float | None:
    """Share of scores on the same side of `CUT` as their target. Compare it with the base rate."""
    values, right = _arrays(scores, targets)
    return float(np.mean((values >= CUT) == right)) if len(values) else None


def precision_recall(scores: Sequence[float], targets: Sequence[float]) -> tuple[float | None, float | None]:
    """Share of the accepted that are right (None if none is accepted), and of the right that are accepted."""
    values, right = _arrays(scores, targets)
    accepted = values >= CUT
    hits = int((accepted & right).sum())
    return (hits / int(accepted.sum()) if accepted.any() else None, hits / int(right.sum()) if right.any() else None)


def expected_calibration_error(scores: Sequence[float], targets: Sequence[float], bins: int = 10) -> float | None:
    """Mean gap between score and target over `bins` bins of equal mass (equal numbers of samples, by score).

    Equal scores stand for their mean target, so that the order of a tie that spans two bins does not matter.
    """
    if bins < 1:
        raise PonderError(f"{bins} bins; calibration needs at least one")
    values, _ = _arrays(scores, targets)
    if not len(values):
        return None
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    tied = (np.bincount(which, weights=np.asarray(targets, dtype=float)) / counts)[which]
    order = np.argsort(values, kind="stable")
    gaps = np.array_split((values - tied)[order], min(bins, len(values)))
    return float(sum(abs(gap.sum()) for gap in gaps) / len(values))


def first_error(values_S: Sequence[float], cut: float = CUT) -> int:
    """Index of the first step below `cut`; -1 if none is."""
    return next((i for i, value in enumerate(values_S) if value < cut), NO_ERROR)


def fit_temperature(scores: Sequence[float], targets: Sequence[float]) -> float | None:
    """The T between 1/20 and 20 for which sigma(logit(score) / T) has the least cross entropy (1706.04599).

    Fit it on other data than it is then measured on. It never changes an order. None without data.
    """
    _arrays(scores, targets)
    if not len(scores):
        return None
    logits, wanted = _logit(scores), np.asarray(targets, dtype=float)

    def loss(log_t: float) -> float:
        scaled = logits * np.exp(-log_t)
        return float(np.mean(np.logaddexp(0, scaled) - wanted * scaled))

    # The loss is convex in 1/T, so it has one valley in log T as well: golden-section search.
    low, high, part = -np.log(20), np.log(20), (np.sqrt(5) - 1) / 2
    for _ in range(60):
        first, second = high - part * (high - low), low + part * (high - low)
        low, high = (low, second) if loss(first) <= loss(second) else (first, high)
    return float(np.exp((low + high) / 2))


def at_temperature(scores: Sequence[float], temperature: float) -> list[float]:
    """sigma(logit(score) / T) for each score."""
    scaled: list[float] = (1 / (1 + np.exp(-_logit(scores) / temperature))).tolist()
    return scaled


def _logit(scores: Sequence[float]) -> Floats:
    """Log-odds; scores of exactly 0 and 1 count as 1e-7 from there, as far as float32 can tell them apart."""
    values = np.clip(np.asarray(scores, dtype=float), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(values) - np.log1p(-values))


def first_error_f1(predicted: Sequence[int], actual: Sequence[int]) -> float | None:
    """ProcessBench's F1 (2412.06559): harmonic mean of exact-match accuracy on flawed and on flawless trajectories.

    Entries are indices of the first wrong step, -1 for none. Always "no error" gives 0. None unless both kinds occur.
    """
    if len(predicted) != len(actual):
        raise PonderError(f"one prediction a trajectory is needed, got {len(predicted)} for {len(actual)}")
    flawed = [p == a for p, a in zip(predicted, actual, strict=True) if a != NO_ERROR]
    flawless = [p == a for p, a in zip(predicted, actual, strict=True) if a == NO_ERROR]
    if not flawed or not flawless:
        return None
    on_flawed, on_flawless = sum(flawed) / len(flawed), sum(flawless) / len(flawless)
    total = on_flawed + on_flawless
    return 2 * on_flawed * on_flawless / total if total else 0.0


def _arrays(scores: Sequence[float], targets: Sequence[float]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Scores, and whether each target counts as right."""
    if len(scores) != len(targets):
        raise PonderError(f"one score a target is needed, got {len(scores)} scores for {len(targets)} targets")
    values = np.asarray(scores, dtype=float)
    if not np.isfinite(values).all():
        raise PonderError("a verifier's score is not finite; look for an overflow in its head")
    return values, np.asarray(targets, dtype=float) >= CUT
