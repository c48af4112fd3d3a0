"""The plots of a report. Each takes what was measured and returns a figure, or None if there is nothing to draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from ponder.reports import formatting as say
from ponder.reports.plot_style import HUES, INK, PAPER, SMALL, WIDTH, Mark, canvas, cycle, legend, marks
from ponder.reports.run.summary_reader import Estimate, Summary, at, curve, estimate, number, numbers, rows, text
from ponder.types import Curve

WHO = {
    "base": Mark(HUES["slate"], "s", hollow=True),
    "control": Mark(HUES["rust"], "D"),
    "rejection": Mark(HUES["plum"], "v"),
    "final": Mark(HUES["blue"], "o"),
}
COVERAGE = Mark(HUES["slate"], "", ":")
NATURAL = Mark(HUES["sky"], "o", "--", hollow=True)
QUALITY = {"auc": "AUC", "accuracy": "accuracy", "first_bad_step_f1": "first bad step, F1", "ece": "calibration error"}
MOST_LINES = 8
NAMED = {"control": "more cloning", "rejection": "rejection sampling"}  # as a legend says it; the others as they are


def accuracy(summary: Summary) -> Figure | None:
    """Base, controls and final accuracy by family: a dot each, with its interval."""
    measured = [row for row in rows(summary, "accuracy") if any(estimate(row, who) for who in WHO)]
    if not measured:
        return None
    shown = {who: look for who, look in WHO.items() if any(estimate(row, who) for row in measured)}
    figure, (axes,) = canvas(height=1.3 + (0.25 + 0.12 * len(shown)) * len(measured))
    for place, (who, look) in enumerate(shown.items()):
        shift = 0.6 * (0.5 - (place + 0.5) / len(shown))
        found = [(i, e) for i, row in enumerate(reversed(measured)) if (e := estimate(row, who))]
        if not found:
            continue
        at_y = [i + shift for i, _ in found]
        axes.plot(
            [e.y for _, e in found], at_y, **{**look.line(), "linestyle": ""}, label=NAMED.get(who, who), clip_on=False
        )
        for y, (_, e) in zip(at_y, found, strict=True):
            if e.low is not None and e.high is not None:
                axes.plot([e.low, e.high], [y, y], color=look.colour, linewidth=2.2, zorder=1.8)
    names = [say.human(text(row, "family") or "?") for row in reversed(measured)]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlim(0, 1)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, 0, "\u00a0%"))
    axes.set_xlabel("accuracy on test problems")
    legend(figure, axes, columns=2)
    return figure


def coverage(summary: Summary) -> Figure | None:
    """pass@k of base and final model on the same problems."""
    found = rows(summary, "coverage")
    figure, (axes,) = canvas()
    for who in ("base", "final"):
        points = [(k, e) for row in found if (k := number(row, "k")) and (e := estimate(row, who))]
        if len(points) < 2:
            return None
        xs = [k for k, _ in points]
        axes.plot(xs, [e.y for _, e in points], **WHO[who].line(), label=who)
        axes.fill_between(xs, *band([e for _, e in points]), color=WHO[who].colour, alpha=0.14, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks(xs, [say.count(x) for x in xs])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("tries a problem (logarithmic)")
    accuracy_axis(axes)
    axes.set_ylabel("problems solved at least once")
    legend(figure, axes)
    return figure


def band(found: Sequence[Estimate]) -> tuple[list[float], list[float]]:
    """Lower and upper ends of the intervals; the value itself where there is no interval."""
    return [e.y if e.low is None else e.low for e in found], [e.y if e.high is None else e.high for e in found]


def training(summary: Summary) -> Figure | None:
    """Accuracy against training FLOPs: the run, the control, the fitted law and the points held out from the fit."""
    source = at(summary, "curves", "train_time")
    ours, control, rejection = (curve(source, name) for name in ("curve", "control", "rejection"))
    if ours is None:
        return None
    figure, (axes,) = canvas()
    held_out = int(number(source, "fit", "tail_points") or 0)
    fitted = _law(axes, ours, at(source, "fit"))
    _line(axes, ours, replace(WHO["final"], dash="" if fitted else "-"), "self-play", hollow_tail=held_out)
    if control is not None:
        _line(axes, control, WHO["control"], NAMED["control"])
    if rejection is not None:
        _line(axes, rejection, WHO["rejection"], NAMED["rejection"])
    start = [p.y for one in (ours, control, rejection) if one is not None for p in one.points if p.x <= 0]
    if start:
        axes.axhline(start[0], color=HUES["slate"], linestyle=":", linewidth=1.2, label="base (no training)")
    _log_axis(axes, ours.x_name or "training FLOPs", flops=True)
    accuracy_axis(axes)
    legend(figure, axes, columns=2)
    return figure


def _law(axes: Axes, ours: Curve, fit: Any) -> bool:
    """Draw R(C) = start + (asymptote - start) / (1 + (midpoint / C) ^ exponent); False if there is no fit to draw."""
    start, top, midpoint, exponent = (number(fit, k) for k in ("start", "asymptote", "midpoint", "exponent"))
    xs = [p.x for p in ours.points if p.x > 0]
    if start is None or top is None or midpoint is None or exponent is None or midpoint <= 0 or not xs:
        return False
    low, high = math.log(xs[0]), math.log(xs[-1])
    grid = [math.exp(low + (high - low) * i / 100) for i in range(101)]
    # The power is taken of a logarithm cut at 50, so that a wild exponent cannot overflow.
    ratio = [math.exp(max(-50.0, min(50.0, exponent * math.log(midpoint / x)))) for x in grid]
    axes.plot(grid, [start + (top - start) / (1 + r) for r in ratio], color=INK, linewidth=1.3, label="fitted sigmoid")
    return True


def thinking(
    panels: Mapping[str, Sequence[Curve]], coverage: Curve | None = None, *, key: bool = True
) -> Figure | None:
    """Accuracy against token-equivalents a question, one panel a family, one line a strategy.

    Each panel may also hold `coverage` (the ceiling of any choice among the samples). Natural samples have a plot of
    their own (`natural`): they reach further down than all strategies and would press these together.
    """
    panels = {name: curves for name, curves in panels.items() if curves}
    if not panels:
        return None
    wide = len(panels) > 1
    width = SMALL * len(panels) if wide or not key else WIDTH
    figure, all_axes = canvas(len(panels), width=width, height=3.7 if key else 2.6)
    for axes, (name, curves) in zip(all_axes, panels.items(), strict=True):
        shown = curves[:MOST_LINES]
        for one, look in zip(shown, marks([one.name for one in shown]), strict=True):
            _line(axes, one, look, say.human(one.name))
        if coverage is not None:
            _line(axes, coverage, COVERAGE, "coverage: any sample right")
        _log_axis(axes, "token-equivalents a question")
        accuracy_axis(axes)
        if wide:
            axes.set_title(say.human(name))
    if key:
        legend(figure, all_axes[0], columns=4 if wide else 2)
    return figure


def natural(found: Curve | None) -> Figure | None:
    """Accuracy of single samples by the length that they happened to have; None if there is nothing to draw."""
    if found is None:
        return None
    figure, (axes,) = canvas()
    _line(axes, found, NATURAL, "single samples")
    _log_axis(axes, "tokens of the sample")
    accuracy_axis(axes)
    return figure


def verifier(summary: Summary) -> Figure | None:
    """Quality of the learned verifier on fresh labelled steps, by round."""
    series = {
        label: [(r, x) for r, row in _rounds(summary) if (x := number(row, "verifier", key)) is not None]
        for key, label in QUALITY.items()
    }
    figure = _by_round(series, "from 0 to 1", WIDTH)
    if figure is not None:
        figure.axes[0].set_ylim(-0.02, 1.02)
    return figure


def by_round(summary: Summary, key: str, y_name: str) -> Figure | None:
    """A measure that every family has, by round: `levels`, `tokens`, `solve_rate` or `validation`."""
    series: dict[str, list[tuple[float, float]]] = {}
    for index, row in _rounds(summary):
        for family, value in numbers(row, key).items():
            series.setdefault(family, []).append((index, value))
    figure = _by_round({name: series[name] for name in sorted(series)[:MOST_LINES]}, y_name, SMALL)
    if figure is not None and key == "levels":
        figure.axes[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    if figure is not None and key in ("solve_rate", "validation"):
        _percentages(figure.axes[0])
    return figure


def _by_round(series: Mapping[str, list[tuple[float, float]]], y_name: str, width: float) -> Figure | None:
    drawn = {name: points for name, points in series.items() if points}
    if not drawn:
        return None
    figure, (axes,) = canvas(width=width, height=0.5 * width + 0.8)
    for index, (name, points) in enumerate(drawn.items()):
        look = cycle(index).line()
        axes.plot([x for x, _ in points], [y for _, y in points], **look, label=say.human(name))
    axes.set_xlabel("round")
    axes.set_ylabel(y_name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.12)
    legend(figure, axes, columns=2)
    return figure


def _rounds(summary: Summary) -> list[tuple[float, Mapping[str, Any]]]:
    """The rounds with their number; a round without one takes its place in the list."""
    known = [(number(row, "round"), row) for row in rows(summary, "rounds")]
    return [(float(i) if r is None else r, row) for i, (r, row) in enumerate(known)]


def _line(axes: Axes, one: Curve, look: Mark, label: str, hollow_tail: int = 0) -> None:
    """A curve with its interval as a band. Points at x <= 0 have no place on a logarithmic axis."""
    points = [p for p in one.points if p.x > 0]
    if not points:
        return
    xs = [p.x for p in points]
    axes.plot(xs, [p.y for p in points], **look.line(), label=label)
    axes.fill_between(xs, [p.low for p in points], [p.high for p in points], color=look.colour, alpha=0.14, linewidth=0)
    if len(points) == 1:  # a band needs two points; a single one gets a bar
        axes.plot(xs * 2, [points[0].low, points[0].high], color=look.colour, linewidth=1.6)
    tail = points[max(0, len(points) - hollow_tail) :] if hollow_tail else []
    if tail:
        style = {**look.line(), "linestyle": "", "markerfacecolor": PAPER}
        axes.plot([p.x for p in tail], [p.y for p in tail], **style, label="held out from the fit")


def _log_axis(axes: Axes, name: str, flops: bool = False) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    decades = math.log10(high) - math.log10(low) if low > 0 else 9.0
    subs = (1.0,) if decades > 2.5 else (1.0, 3.0) if flops and decades > 1.5 else (1.0, 2.0, 5.0)
    # Below half a decade there may be no such round number at all.
    is_narrow = decades < 0.5
    axes.xaxis.set_major_locator(MaxNLocator(4) if is_narrow else LogLocator(subs=subs))
    digits = 3 if is_narrow else 1
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: say.power(x, digits) if flops else say.short(x)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"{name} (logarithmic)")


def accuracy_axis(axes: Axes) -> None:
    """Percentages that never run beyond what an accuracy can be."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.02), min(high, 1.02)) if low < 1.0 and high > 0.0 else None
    _percentages(axes)
    axes.set_ylabel("accuracy")


def _percentages(axes: Axes) -> None:
    low, high = axes.get_ylim()
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0 if high - low > 0.05 else 1, "\u00a0%"))


def in_words(figure: Figure) -> str:
    """What each line of the first panel does from its first to its last point, for readers who cannot see it."""
    axes = figure.axes[0]
    is_share = isinstance(axes.yaxis.get_major_formatter(), PercentFormatter)
    parts = []
    for line in axes.get_lines():
        label, ys = str(line.get_label()), np.asarray(line.get_ydata(), dtype=float)
        if not label.startswith("_") and len(ys):
            first, last = (say.percent(y) if is_share else say.plain(y) for y in (ys[0], ys[-1]))
            parts.append(f"{label}: {first} to {last}" if len(ys) > 1 else f"{label}: {first}")
    return "; ".join(parts) + "." if parts else ""
