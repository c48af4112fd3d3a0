"""A sigmoid in log compute, fitted to the head of a training curve and judged on its tail.

ScaleRL (2510.13786): R(C) = R0 + (A - R0) / (1 + (Cmid / C)^B). A is the asymptote, B the exponent, and at C = Cmid
half of the gain is made. How well it fits says little, so what is reported is the error on later points it never saw,
beside that of a forecast without any law: that nothing changes after the last fitted point. A law that foresees no
better than this has foreseen nothing. An asymptote that meets a bound was set by the bound and not by the points: too
few of them lie beyond the bend, and no ceiling was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TAIL_SHARE = 0.25
# Four parameters need a point more than parameters, and a tail of one point could be luck.
FEWEST_HEAD, FEWEST_TAIL = 5, 2
EXPONENTS = (0.1, 10.0)
MARGIN = float(np.log(1000.0))  # how far beyond the computes seen the midpoint may lie
STARTS = 4
TINY = 1e-12
AT_BOUND = 1e-3  # an asymptote so near to 1, or to the start, was set by the bound


@dataclass(frozen=True, slots=True)
class SigmoidFit:
    """The fitted curve. `tail_error` is the mean absolute error (in accuracy) on `tail_points` held-out last points.

    `unchanged_error` is that of the forecast that the last fitted point stays (None: not computed).
    """

    start: float
    asymptote: float
    midpoint: float
    exponent: float
    tail_error: float
    tail_points: int
    unchanged_error: float | None = None

    @property
    def is_at_bound(self) -> bool:
        """Whether the asymptote was set by its bounds, 1 above and the start below, so that it measures no ceiling."""
        return self.asymptote >= 1.0 - AT_BOUND or self.asymptote <= self.start + AT_BOUND

    def at(self, compute: float) -> float:
        """Accuracy at `compute`, in the unit of the points; at 0 it is the start."""
        if compute <= 0:
            return self.start
        share = _share(compute, np.log(self.midpoint), np.asarray(self.exponent))
        return float(self.start + (self.asymptote - self.start) * share)


@dataclass(frozen=True, slots=True)
class NoFit:
    """Why there is no fit."""

    reason: str


def fit_sigmoid(points: Sequence[tuple[float, float]]) -> SigmoidFit | NoFit:
    """Fit (compute, accuracy) points, accuracies in 0..1; the last quarter by compute is held out.

    Least squares with 0 <= R0 <= A <= 1, B in 0.1..10 and Cmid within a thousandth and a thousand times the computes
    seen. A point at compute 0 pins R0.
    """
    computes, accuracies = _sorted(points)
    tail = max(FEWEST_TAIL, round(TAIL_SHARE * len(computes)))
    head = len(computes) - tail
    if head < FEWEST_HEAD:
        return NoFit(f"{len(computes)} points; a fit with a held-out tail needs at least {FEWEST_HEAD + FEWEST_TAIL}")
    if computes[0] < 0 or not np.isfinite([computes, accuracies]).all():
        return NoFit("computes must be finite and not negative, accuracies finite")
    if np.ptp(accuracies[:head]) == 0 or computes[head - 1] <= 0:
        return NoFit("the curve does not move before the held-out tail; no midpoint can be told")
    start, asymptote, log_midpoint, exponent = _least_squares(computes[:head], accuracies[:head])
    fit = SigmoidFit(start, asymptote, float(np.exp(log_midpoint)), exponent, 0.0, tail)
    errors = [abs(fit.at(c) - y) for c, y in zip(computes[head:], accuracies[head:], strict=True)]
    unchanged = float(np.mean(np.abs(accuracies[head:] - accuracies[head - 1])))
    return replace(fit, tail_error=float(np.mean(errors)), unchanged_error=unchanged)


def _sorted(points: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    array = np.asarray(sorted(points), dtype=float).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _share(computes: Floats | float, log_midpoint: Floats, exponent: Floats) -> Floats:
    """Share of the gain made, 1 / (1 + (Cmid / C)^B). In logarithms nothing overflows, and compute 0 gives 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(0.5 * (1 + np.tanh(0.5 * exponent * (np.log(computes) - log_midpoint))))


def _least_squares(computes: Floats, accuracies: Floats) -> tuple[float, float, float, float]:
    """(R0, A, log Cmid, B) of the least squared error.

    Given midpoint and exponent the curve is linear in R0 and A, whose best values are exact. So only two parameters
    are searched: over a grid of all that is allowed, and then over ever smaller grids round the best few cells.
    """
    logs = np.log(computes[computes > 0])
    low = np.array([logs.min() - MARGIN, np.log(EXPONENTS[0])])
    high = np.array([logs.max() + MARGIN, np.log(EXPONENTS[1])])
    coarse = _grid(low, high, 41)
    errors = _levels(computes, accuracies, coarse)[2]
    found = [
        _refine(computes, accuracies, coarse[i], (high - low) / 10, (low, high)) for i in np.argsort(errors)[:STARTS]
    ]
    best = min(found, key=lambda place: float(_levels(computes, accuracies, place[None])[2][0]))
    start, asymptote, _ = _levels(computes, accuracies, best[None])
    return float(start[0]), float(asymptote[0]), float(best[0]), float(np.exp(best[1]))


def _refine(computes: Floats, accuracies: Floats, best: Floats, width: Floats, box: tuple[Floats, Floats]) -> Floats:
    """Move to the best cell of a grid round `best`, `width` to each side, and shrink; a slow shrink follows valleys."""
    for _ in range(60):
        grid = _grid(np.maximum(best - width, box[0]), np.minimum(best + width, box[1]), 9)
        grid = np.vstack([best, grid])  # so that no move is for the worse
        best = grid[np.argmin(_levels(computes, accuracies, grid)[2])]
        width = width * 0.75
    return best


def _grid(low: Floats, high: Floats, steps: int) -> Floats:
    """[steps * steps, 2]: all pairs of (log Cmid, log B)."""
    axes = np.meshgrid(np.linspace(low[0], high[0], steps), np.linspace(low[1], high[1], steps), indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def _levels(computes: Floats, accuracies: Floats, places: Floats) -> tuple[Floats, Floats, Floats]:
    """Best R0 and A, with 0 <= R0 <= A <= 1, and the squared error, at each place [places, (log Cmid, log B)].

    The optimum of a convex error over that triangle is the free one if it lies inside, else the best of the edges.
    """
    share = _share(computes, places[:, :1], np.exp(places[:, 1:]))
    rest = 1 - share
    rr, rs, ss = (rest * rest).sum(1), (rest * share).sum(1), (share * share).sum(1)
    ry, sy = rest @ accuracies, share @ accuracies
    safe = np.where((det := rr * ss - rs * rs) > TINY, det, np.inf)  # a flat share has no free optimum but its edges
    free = np.stack([(ss * ry - rs * sy) / safe, (rr * sy - rs * ry) / safe])
    zeros, ones = np.zeros_like(rr), np.ones_like(rr)
    flat = np.full_like(rr, np.clip(accuracies.mean(), 0, 1))
    edges = [
        (zeros, np.clip(sy / np.maximum(ss, TINY), 0, 1)),
        (np.clip((ry - rs) / np.maximum(rr, TINY), 0, 1), ones),
        (flat, flat),
    ]
    inside = (free[0] >= 0) & (free[0] <= free[1]) & (free[1] <= 1)
    options = np.stack([np.where(inside, free, np.stack(edges[0])), *map(np.stack, edges)])  # [4, 2, places]
    residuals = options[:, 0, :, None] * rest + options[:, 1, :, None] * share - accuracies
    errors = (residuals**2).sum(-1)
    chosen, at = errors.argmin(0), np.arange(len(places))
    return options[chosen, 0, at], options[chosen, 1, at], errors[chosen, at]
