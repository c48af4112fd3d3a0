"""Folder of an audit -> audit.html and audit.png: calibration, and the curves that were predicted beside those seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter

from ponder.printable import printable
from ponder.reports import formatting as say
from ponder.reports.plot_style import HUES, PAPER, STRATEGIES, Mark, canvas, legend, png, settle, style, svg
from ponder.reports.run.plots import in_words
from ponder.reports.run.summary_reader import Estimate, Summary, at, estimate, number, rows, text
from ponder.reports.run.tables import Cell, Grid
from ponder.reports.templates import environment
from ponder.runlog import files
from ponder.types import PonderError

NAMES = {"best_of_n": "best of N", "weighted_vote": "weighted vote", "accept_reject": "accept or reject"}
MARKS = {**STRATEGIES, "accept_reject": Mark(HUES["plum"], "s")}
PARTS = {"by_level": "By level", "by_solve_rate": "By how often the policy solves it", "by_length": "By length"}


def render(folder: Path) -> Path:
    """Write the page and the picture into the folder from its `audit.json`; returns the page's path."""
    found = load(folder)
    with style():
        together, (left, right) = canvas(2, width=9.2, height=4.2)
        _calibration(left, found)
        if left.get_legend_handles_labels()[0]:
            left.legend(loc="upper left")
        _curves(right, found)
        legend(together, right, columns=4)
        png(together, folder / "audit.png")
        figures = {
            name: _figure(name, draw, found) for name, draw in (("calibration", _calibration), ("curves", _curves))
        }
    page = (
        environment()
        .get_template("audit/page.html.j2")
        .render(
            headline=text(found, "headline") or text(found, "sentence") or "Not measured.",
            details=_details(found),
            figures=figures,
            rates=_rates(found),
            forecast=_forecast(found),
            parts={title: _parts(found, key) for key, title in PARTS.items() if rows(found, key)},
            facts=facts(found),
            made=_made(found),
        )
    )
    target = folder / "audit.html"
    files.write_text(target, page)
    return target


def _details(found: Summary) -> list[str]:
    told = at(found, "details")
    return [printable(one) for one in told if isinstance(one, str)] if isinstance(told, list) else []


def load(folder: Path) -> Summary:
    """What the audit found. Raises PonderError if the file is missing or no audit."""
    path = folder / "audit.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PonderError(f"{path} cannot be read as an audit ({error}); run `ponder verifier audit` again") from None
    if not isinstance(data, dict) or data.get("schema") != 1:
        raise PonderError(f"{path} is no audit of schema 1; run `ponder verifier audit` again")
    return data


def _figure(name: str, draw: Any, found: Summary) -> dict[str, Any]:
    figure, (axes,) = canvas(height=3.9)
    draw(axes, found)
    legend(figure, axes, columns=1)
    settle(figure)
    return {"drawing": Markup(svg(figure, name)), "alt": _alt(figure)}


def _alt(figure: Figure) -> str:
    return in_words(figure)


def _calibration(axes: Axes, found: Summary) -> None:
    """Share of right samples against the score they got, before and after the temperature."""
    axes.plot([0, 1], [0, 1], color=HUES["slate"], linestyle=":", linewidth=1.2)
    looks = (
        ("bins_before", "as it scores", Mark(HUES["rust"], "^")),
        ("bins_after", "after temperature", Mark(HUES["blue"])),
    )
    for key, label, look in looks:
        points = [(x, e) for row in rows(found, "calibration", key) if (e := _right(row)) and (x := _score(row))]
        if not points:
            continue
        axes.plot([x for x, _ in points], [e.y for _, e in points], **look.line(), label=label)
        for x, e in points:
            if e.low is not None and e.high is not None:
                axes.plot([x, x], [e.low, e.high], color=look.colour, linewidth=1.4, alpha=0.6)
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel="score of the verifier", ylabel="share that is right")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, 0, "\u00a0%"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0, "\u00a0%"))


def _score(row: Mapping[str, Any]) -> float:
    return number(row, "score") or 1e-9


def _right(row: Mapping[str, Any]) -> Estimate | None:
    return estimate(row, "right")


def _curves(axes: Axes, found: Summary) -> None:
    """Predicted (hollow, dashed) and observed (full) accuracy against N, with the intervals of the observed."""
    ticks: list[float] = []
    for shift, (name, label) in zip((0.94, 1.0, 1.06), NAMES.items(), strict=True):
        points = rows(found, "forecast", "curves", name)
        xs = [number(row, "n") or 1.0 for row in points]
        seen = [estimate(row, "observed") for row in points]
        ahead = [estimate(row, "predicted") for row in points]
        look = MARKS[name]
        kept = [(x, e) for x, e in zip(xs, seen, strict=True) if e is not None]
        axes.plot([x for x, _ in kept], [e.y for _, e in kept], **look.line(), label=f"{label}: seen")
        for x, e in kept:  # three bands would hide each other: bars side by side
            if e.low is not None and e.high is not None:
                axes.plot([x * shift] * 2, [e.low, e.high], color=look.colour, linewidth=1.2, alpha=0.6)
        told = [(x, e.y) for x, e in zip(xs, ahead, strict=True) if e is not None]
        hollow = {**look.line(), "linestyle": "--", "markerfacecolor": PAPER, "linewidth": 1.2}
        axes.plot([x for x, _ in told], [y for _, y in told], **hollow, label=f"{label}: predicted")
        ticks = xs
    covered = rows(found, "curves", "pass")
    known = [(number(row, "n") or 1.0, y) for row in covered if (y := number(row, "y")) is not None]
    axes.plot([x for x, _ in known], [y for _, y in known], color=HUES["slate"], linestyle=":", label="any right")
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [say.count(x) for x in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="samples N (logarithmic)", ylabel="accuracy")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0, "\u00a0%"))


def _rates(found: Summary) -> Grid:
    names = {"true_accepts": "True accepts", "false_accepts": "False accepts", "ceiling": "Ceiling of accepting"}
    body = [
        (Cell(say.plain(number(row, "threshold"))), *(_share(row, name) for name in names))
        for row in rows(found, "rates")
    ]
    return Grid(("Accepts from", *names.values()), tuple(body))


def _forecast(found: Summary) -> Grid:
    """Predicted and observed, and the sharper paired difference, for each N."""
    body = []
    for name, label in NAMES.items():
        for row in rows(found, "forecast", "curves", name):
            paired = estimate(row, "paired")
            body.append(
                (
                    Cell(label, f"N = {say.count(number(row, 'n'))}"),
                    _share(row, "predicted"),
                    _share(row, "observed"),
                    Cell("yes" if at(row, "agrees") else "NO"),
                    Cell(say.points(paired.y if paired else None), say.points_range(paired)),
                )
            )
    columns = ("Choice", "Predicted", "Seen", "Within intervals", "Same outcomes: predicted less seen")
    return Grid(columns, tuple(body))


def _parts(found: Summary, key: str) -> Grid:
    names = {
        "solve_rate": "Solve rate",
        "true_accepts": "True accepts",
        "false_accepts": "False accepts",
    }
    body = tuple(
        (
            Cell(say.human(text(row, "name") or "?"), f"{say.count(number(row, 'n'))} samples"),
            *(_share(row, name) for name in names),
            _auc(row, "auc"),
        )
        for row in rows(found, key)
    )
    return Grid(("Part", *names.values(), "AUC"), body)


def _share(row: Any, name: str) -> Cell:
    found = estimate(row, name)
    return Cell(say.NOT_MEASURED) if found is None else Cell(say.percent(found.y), say.bounds(found))


def _auc(row: Any, *keys: str) -> Cell:
    found = estimate(row, *keys)
    if found is None:
        return Cell(say.NOT_MEASURED)
    return Cell(say.plain(found.y, 3), f"{say.plain(found.low, 3)} to {say.plain(found.high, 3)}")


def facts(found: Summary) -> list[str]:
    """The findings that are no table, each in a sentence."""
    agree, paired, points = (number(found, "forecast", key) for key in ("agree", "agree_paired", "points"))
    overall, within = _auc(found, "auc"), _auc(found, "auc_within")
    before, after = (_auc(found, "calibration", key) for key in ("before", "after"))
    temperature = say.plain(number(found, "calibration", "temperature"))
    ranking = (
        f"AUC {overall.value} ({overall.detail}) over all samples, {within.value} ({within.detail}) inside problems, "
        "where difficulty cannot help."
    )
    meaning = (
        f"Calibration error {before.value} ({before.detail}); {after.value} ({after.detail}) after temperature "
        f"{temperature}, fitted on the other half of the problems."
    )
    predicting = (
        f"Prediction: {say.count(agree)} of {say.count(points)} points of the forecast agree with the other half "
        f"within their intervals; with that half's own outcomes, {say.count(paired)} of {say.count(points)}."
    )
    return [ranking, meaning, predicting, _pressure(found)]


def _pressure(found: Summary) -> str:
    if not isinstance(at(found, "over_optimisation"), Mapping):
        return "Over-optimisation: not measured, too few samples."
    fall, best = estimate(found, "over_optimisation", "fall"), number(found, "over_optimisation", "best_n")
    largest, peak = number(found, "over_optimisation", "largest_n"), number(found, "over_optimisation", "peak_n")
    verdict = "accuracy falls" if at(found, "over_optimisation", "falls") else "no fall is measured"
    top = "with no peak in reach" if peak is None else f"with its peak at N = {say.count(peak)}"
    change = "" if fall is None else f" ({say.points(fall.y)}, {say.points_range(fall)})"
    a, b = (say.plain(number(found, "over_optimisation", name), 3) for name in ("a", "b"))
    return (
        f"Over-optimisation: from N = {say.count(best)} (best on one half) to N = {say.count(largest)} {verdict} on "
        f"the other half{change}; the fitted law is d (a - b d) with a {a}, b {b}, {top}."
    )


def _made(found: Summary) -> list[tuple[str, str]]:
    noise = at(found, "noise")
    rates = [number(noise, "false_accept") or 0.0, number(noise, "false_reject") or 0.0]
    problems = at(found, "problems")
    named = ", ".join(str(p) for p in problems) if isinstance(problems, list) else "not recorded"
    return [
        ("Verifier", text(found, "verifier") or "not recorded"),
        ("Model", text(found, "model") or "not recorded"),
        ("Problems", f"{named}, {text(found, 'split') or ''}"),
        ("Samples", f"{say.count(number(found, 'n_samples'))} of {say.count(number(found, 'n_problems'))} problems"),
        ("Seed", say.count(number(found, "seed"))),
        ("Noise dial", f"false accepts {say.percent(rates[0])}, false rejects {say.percent(rates[1])}"),
        ("Tokens a sample", say.count(number(found, "cost", "tokens"))),
        ("Token-equivalents a judgement", say.count(number(found, "cost", "judgement"))),
        ("Revision", text(found, "revision") or "not recorded"),
    ]
