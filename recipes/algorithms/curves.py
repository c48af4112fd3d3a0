"""Accuracy against FLOPs and against seconds, with the sigmoid of ScaleRL, from the files of `compare`. See README.md.

    python -m recipes.algorithms.curves runs/algorithms --out docs/pictures/algorithms.png

The curve of each seed is fitted by itself, its last quarter held out; asymptote and midpoint are means over seeds with
their intervals. The error on the held-out points stands beside that of "nothing changes from here on".
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ponder.evaluation.curves.fits import SigmoidFit, fit_sigmoid
from ponder.reports.plot_style import canvas, legend, marks, png, style
from recipes import arms

HEADER = ["asymptote, %", "half of the gain at, GFLOPs", "error on the tail", "error of no change"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = json.loads((options.folder / "results.json").read_text(encoding="utf-8"))["arms"]
    draw({name: arm["runs"] for name, arm in found.items() if arm["runs"]}, options.out)
    print(arms.markdown(["arm", *HEADER], [[name, *fitted(arm["runs"])] for name, arm in found.items()]))


def points(run: dict[str, Any], against: str = "flops") -> list[tuple[float, float]]:
    """(work, mean validation accuracy over families) after each round of one training."""
    return [(row[against], mean_of(row["ladder"])) for row in run["rows"] if row["ladder"]]


def mean_of(ladder: dict[str, list[float]]) -> float:
    """The mean over families of the mean over problems."""
    return arms.mean([arms.mean(some) for some in ladder.values() if some]) or 0.0


def fitted(runs: Sequence[dict[str, Any]]) -> list[str]:
    """What `HEADER` names, over the seeds whose curve has a fit. A ceiling at its bound is not measured: no number."""
    fits = [fit for fit in (fit_sigmoid(points(run)) for run in runs) if isinstance(fit, SigmoidFit)]
    inner = [fit for fit in fits if not fit.is_at_bound]
    ceilings = arms.over_seeds([fit.asymptote for fit in inner])
    middle = arms.over_seeds([math.log(fit.midpoint) for fit in inner])
    bound = f"; {len(fits) - len(inner)} of {len(fits)} at the bound" if len(inner) < len(fits) else ""
    return [
        arms.percent(ceilings) + bound,
        "-" if middle is None else _span(*(math.exp(value) / 1e9 for value in (middle.y, middle.low, middle.high))),
        arms.percent(arms.over_seeds([fit.tail_error for fit in fits])),
        arms.percent(arms.over_seeds([fit.unchanged_error for fit in fits])),
    ]


def _span(middle: float, low: float, high: float) -> str:
    return f"{middle:.3g}" if low == high else f"{middle:.3g} ({low:.3g} to {high:.3g})"


def draw(found: dict[str, Sequence[dict[str, Any]]], file: Path) -> None:
    """The mean over seeds round by round."""
    with style():
        figure, (left, right) = canvas(2, width=11.0, height=4.4)
        for name, look in zip(found, marks(list(found)), strict=True):
            for axes, against, unit in ((left, "flops", 1e9), (right, "seconds", 1.0)):
                known = [points(run, against) for run in found[name]]
                rounds = list(zip(*known, strict=False))  # an arm that ends sooner on one seed is drawn so far
                xs = [(arms.mean([x for x, _ in some]) or 0.0) / unit for some in rounds]
                ys = [100 * (arms.mean([y for _, y in some]) or 0.0) for some in rounds]
                axes.plot(xs, ys, **{**look.line(), "markersize": 3.5}, label=name if axes is left else None)
        left.set(xlabel="GFLOPs of training, all of it", ylabel="right on validation problems, %", title="for work")
        right.set(xlabel="seconds of training, one thread", title="for time")
        legend(figure, left, columns=5)
        png(figure, file)


if __name__ == "__main__":
    main()
