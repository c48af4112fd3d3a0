"""`grid.json` of `ponder eval --grid` -> grid.png: accuracy against all work, for few and for many questions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from ponder.reports import formatting as say
from ponder.reports.plot_style import INK, SMALL, canvas, cycle, legend, png, settle, style
from ponder.reports.run.summary_reader import Summary, number, rows, text
from ponder.types import PonderError

PICTURE = "grid.png"
PANELS = 3  # numbers of questions that are drawn: the fewest, the middle one and the most


def render(folder: Path) -> Path:
    """Draw `grid.json` of `folder`; returns the picture's path. PonderError if it holds nothing to draw."""
    path = folder / "grid.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PonderError(f"{path} cannot be read ({error}); make it again with ponder eval --grid") from None
    with style():
        figure = drawing(data)
    if figure is None:
        raise PonderError(f"{path} holds no cell that could be measured; look at the grader's failures")
    settle(figure)
    png(figure, folder / PICTURE)
    return folder / PICTURE


def drawing(data: Summary) -> Figure | None:
    """A panel for each of a few numbers of questions: a line for each member, and the best of all.

    Every point is shown on other problems than those that chose it (`evaluation/curves/grid`).
    """
    levels = rows(data, "by_questions")
    cells = rows(data, "cells")
    if not levels or not cells:
        return None
    chosen = [levels[i] for i in sorted({0, len(levels) // 2, len(levels) - 1})][:PANELS]
    members = list(dict.fromkeys(text(cell, "member") or "?" for cell in cells))
    figure, all_axes = canvas(len(chosen), width=SMALL * len(chosen), height=3.7)
    for axes, level in zip(all_axes, chosen, strict=True):
        for index, name in enumerate(members):
            xs, ys = _points(rows(level, "members", name))
            axes.plot(xs, ys, **cycle(index).line(), label=say.human(name))
        xs, ys = _points(rows(level, "frontier"))
        axes.plot(xs, ys, color=INK, linestyle=":", label="best of all")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: say.power(x, 1)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0, "\u00a0%"))
        axes.set_xlabel("training and thinking FLOPs")
        axes.set_title(f"{say.count(number(level, 'questions'))} questions")
    all_axes[0].set_ylabel("accuracy")
    legend(figure, all_axes[0], columns=4)
    return figure


def _points(found: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    """Total work and accuracy of points on a line."""
    pairs = [(number(point, "total_flops"), number(point, "accuracy", "y")) for point in found]
    known = [(x, y) for x, y in pairs if x and y is not None]
    return [x for x, _ in known], [y for _, y in known]
