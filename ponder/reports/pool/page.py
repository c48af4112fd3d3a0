"""Folder of `ponder eval --pool` -> pool.html and pool.png: what choosing among N samples comes to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter

from ponder.reports import formatting as say
from ponder.reports.plot_style import HUES, Mark, canvas, legend, marks, png, settle, style, svg
from ponder.reports.run.captions import GLOSSARY
from ponder.reports.run.plots import band, in_words
from ponder.reports.run.summary_reader import Estimate, Summary, at, estimate, number, rows, text
from ponder.reports.run.tables import Cell, Grid
from ponder.reports.templates import environment
from ponder.reports.thinking.page import Plot
from ponder.runlog import files
from ponder.types import PonderError

PAGE, PICTURE = "pool.html", "pool.png"
# as metrics.json calls it -> name, series in the plot
NAMES = {
    "majority": "majority vote",
    "best_of_n": "best of n",
    "weighted_vote": "weighted vote",
    "pass": "any right (pass@N)",
}
SERIES = {"majority": "vote", "best_of_n": "best_of_n", "weighted_vote": "weighted_vote", "pass": "pass"}
CAPTION = (
    "Expected accuracy of each way to choose one of N samples, over all subsets of the samples given. Bands are 95 % "
    "intervals over problems. With one sample all ways are the same. Any right is what a perfect choice would reach."
)


def render(folder: Path) -> Path:
    """Write the page and the picture into `folder` from its `metrics.json`; returns the page's path."""
    metrics = load(folder / "metrics.json")
    with style():
        plots = list(_plots(metrics, folder))
    page = (
        environment()
        .get_template("plain.html.j2")
        .render(
            eyebrow="samples from a file",
            title=_title(metrics),
            told=list(_told(metrics)),
            plots=plots,
            tables=[("Numbers", "Expected accuracy for each number of samples N", _grid(metrics))],
            words={term: GLOSSARY[term] for term in ("majority vote", "best of n", "weighted vote", "95 % interval")},
            made=_made(metrics),
        )
    )
    files.write_text(folder / PAGE, page)
    return folder / PAGE


def load(path: Path) -> Summary:
    """What was measured. PonderError if the file is missing or of another kind."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PonderError(f"{path} cannot be read ({error}); make it again with ponder eval --pool") from None
    if not isinstance(data, dict) or data.get("schema") != 1 or "pool" not in data:
        raise PonderError(f"{path}: no metrics of ponder eval --pool; make them again")
    return data


def _title(metrics: Summary) -> str:
    """What the largest number of samples buys, with the best measured choice named last."""
    largest = number(metrics, "largest")
    one, vote, any_right = (estimate(metrics, "results", name) for name in ("mean", "majority", "pass"))
    if one is None or vote is None or any_right is None:
        return "These samples could not be measured"
    if largest == 1:
        return f"One sample solves {say.percent(one.y)} of the problems"
    return (
        f"One sample solves {say.percent(one.y)} of the problems, a majority vote of {say.count(largest)} "
        f"{say.percent(vote.y)}; any of them is right for {say.percent(any_right.y)}"
    )


def _told(metrics: Summary) -> Iterator[str]:
    n, dropped = number(metrics, "n"), number(metrics, "dropped")
    yield f"{say.count(n)} problems with at least {say.count(number(metrics, 'largest'))} samples each."
    if dropped:
        yield f"Left out, since none of their samples could be graded: {say.count(dropped)} problems."
    failures = at(metrics, "failures")
    known = {str(k): v for k, v in failures.items() if v} if isinstance(failures, Mapping) else {}
    if known:
        named = say.joined([f"{v:,} {say.human(k)}" for k, v in known.items()])
        yield f"Could not be graded (never counted as wrong): {named}."


def _plots(metrics: Summary, folder: Path) -> Iterator[Plot]:
    figure = _drawing(metrics)
    if figure is not None:
        settle(figure)
        png(figure, folder / PICTURE)
        alt = f"Choosing among samples. {in_words(figure)}"
        yield Plot("Choosing among samples", CAPTION, alt, Markup(svg(figure, "pool")), None)


def _drawing(metrics: Summary) -> Figure | None:
    """A line for each choice; None with a single N, which is no curve."""
    found = {name: _points(metrics, name) for name in NAMES}
    drawn = {name: points for name, points in found.items() if len(points) > 1}
    if not drawn:
        return None
    figure, (axes,) = canvas(height=3.7)
    looks = dict(zip(drawn, marks([SERIES[name] for name in drawn]), strict=True))
    looks["pass"] = Mark(HUES["slate"], "", ":")  # a ceiling and no choice
    for name, points in drawn.items():
        xs = [x for x, _ in points]
        look = {**looks[name].line(), "markersize": 4.0}
        axes.plot(xs, [e.y for _, e in points], **look, label=NAMES[name])
        axes.fill_between(xs, *band([e for _, e in points]), color=looks[name].colour, alpha=0.12, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda x, _: say.short(x))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="samples N (logarithmic)", ylabel="accuracy")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0, "\u00a0%"))
    legend(figure, axes, columns=2)
    return figure


def _points(metrics: Summary, name: str) -> list[tuple[float, Estimate]]:
    found = [(number(row, "N"), estimate(row)) for row in rows(metrics, "curves", name)]
    return [(n, e) for n, e in found if n is not None and e is not None]


def _grid(metrics: Summary) -> Grid:
    names = [name for name in NAMES if rows(metrics, "curves", name)]
    by_n: dict[float, dict[str, Estimate]] = {}
    for name in names:
        for n, found in _points(metrics, name):
            by_n.setdefault(n, {})[name] = found
    body = tuple(
        (Cell(f"N = {say.count(n)}"), *(_cell(known.get(name)) for name in names)) for n, known in sorted(by_n.items())
    )
    return Grid(("Samples", *(NAMES[name][0].upper() + NAMES[name][1:] for name in names)), body)


def _cell(found: Estimate | None) -> Cell:
    return Cell(say.NOT_MEASURED) if found is None else Cell(say.percent(found.y), say.bounds(found))


def _made(metrics: Summary) -> dict[str, Any]:
    estimated = at(metrics, "estimated")
    return {
        "File": text(metrics, "pool") or "not recorded",
        "Step scores": f"as one score by {text(metrics, 'aggregation') or 'a rule that was not recorded'}",
        "Seed": say.count(number(metrics, "seed")),
        "Exact": "all but the weighted vote, which is over 2,000 random subsets" if estimated else "all",
        "Revision": text(metrics, "revision") or "not recorded",
    }
