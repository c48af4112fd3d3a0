"""`metrics.json` of `ponder eval` -> curves.html and curves.png: what thinking buys, on one page that works offline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from ponder.printable import printable
from ponder.reports import formatting as say
from ponder.reports.plot_style import png, settle, style, svg
from ponder.reports.run import plots, tables, work
from ponder.reports.run.captions import GLOSSARY
from ponder.reports.run.summary_reader import Summary, at, curve, estimate, number, rows, text
from ponder.reports.run.tables import Cell, Grid
from ponder.reports.templates import environment
from ponder.runlog import files
from ponder.types import Curve, PonderError

PAGE, PICTURE = "curves.html", "curves.png"
CAPTION = (
    "All strategies on the same axes, against what they spend on a question: tokens kept, tokens discarded and the "
    "verifier's passes. Bands are 95 % intervals over problems. Coverage counts a question as solved if any sample was "
    "right: it is the upper envelope of every choice among samples, and no strategy."
)
NATURAL = (
    "Single answers sorted by the length they happened to have. This is selection, not control: easy questions need "
    "few tokens, so it does not show what a longer answer would do."
)
CHEAP = (
    "Tokens needed for what the vote reaches. The vote is charged for the cheapest budget at which it is not "
    "measurably worse than at its largest; the share is of its tokens, with a 95 % interval over problems."
)
DOUBLING = "Points of accuracy for each doubling of the tokens, over all budgets of a strategy."
WORDS = (
    "token-equivalent", "majority vote", "best of n", "weighted vote", "beam", "coverage", "95 % interval", "points",
)  # fmt: skip
STEPS = "Points of accuracy for each doubling, from each budget to the next."


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot in the page, with the words that say what it shows and the table behind it."""

    title: str
    caption: str
    alt: str
    drawing: Markup
    numbers: Grid | None


def render(folder: Path) -> Path:
    """Write the page and the picture into `folder` from its `metrics.json`; returns the page's path."""
    metrics = read(folder / "metrics.json")
    with style():
        drawn = list(_plots(metrics, folder))
    page = (
        environment()
        .get_template("plain.html.j2")
        .render(
            eyebrow="thinking time",
            title=_title(metrics),
            told=_told(metrics),
            plots=drawn,
            tables=[(title, caption, grid) for title, caption, grid in _tables(metrics) if grid.rows],
            words={term: GLOSSARY[term] for term in WORDS},
            made=made(metrics),
        )
    )
    files.write_text(folder / PAGE, page)
    return folder / PAGE


def read(path: Path) -> Summary:
    """`metrics.json` as data. Raises PonderError for what is none of this version."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PonderError(f"{path} cannot be read ({error}); make it again with ponder eval") from None
    if not isinstance(data, dict) or data.get("schema") != 1:
        raise PonderError(f"{path}: no metrics of this version of Ponder; make them again with ponder eval")
    return data


def _title(metrics: Summary) -> str:
    """What was measured, short enough for a phone: of a path only its end; the whole one stands in how it was made."""
    n, split = number(metrics, "n"), text(metrics, "split")
    parts = (text(metrics, "model") or "a model").rstrip("/").split("/")
    model = "/".join(parts[-2:] if parts[-1] == "model" else parts[-1:])  # a run calls its model "model"
    problems = f"{say.count(n)} {split} problems" if split else f"{say.count(n)} problems"
    return f"Thinking time of {printable(model)[-40:]} on {problems}"


def _told(metrics: Summary) -> list[str]:
    """What was replayed, what the curves were judged by, and how cheaply the vote is reached."""
    results = rows(metrics, "results")
    replayed = list(dict.fromkeys(text(row, "strategy") or "?" for row in results if row.get("replayed")))
    fresh = list(dict.fromkeys(text(row, "strategy") or "?" for row in results if not row.get("replayed")))
    lines = []
    if replayed:
        names = say.joined([say.human(name) for name in replayed])
        lines.append(f"Replayed on samples drawn once ({say.count(number(metrics, 'samples'))}): {names}.")
    if fresh:
        lines.append(f"Run again at every budget: {say.joined([say.human(name) for name in fresh])}.")
    lost = sum(number(row, "lost", "runs") or 0.0 for row in results)
    if lost:
        lines.append(f"Lost, since the engine did not serve one of their calls, and left out: {say.count(lost)} runs.")
    judge = text(metrics, "verifier")
    if judge == "self-check":
        lines.append("Judged by self-check: the problem itself says whether an answer is right. No learned verifier.")
    elif judge:
        lines.append("Judged by a learned verifier.")
    return lines


def _plots(metrics: Summary, folder: Path) -> Iterator[Plot]:
    panels = tables.strategies(metrics)
    lines = panels.get("all", [])
    ceiling, natural = (curve(metrics, "curves", name) for name in ("coverage", "natural"))
    together = plots.thinking({"all": lines}, ceiling)
    if together is not None:
        settle(together)
        png(together, folder / PICTURE)
        yield _plot("all", "Accuracy against thinking", CAPTION, together, [*lines, *([ceiling] if ceiling else [])])
    single = plots.natural(natural)
    if single is not None and natural is not None:
        yield _plot("natural", "Long and short answers", NATURAL, single, [natural])
    for name, some in panels.items():
        figure = plots.thinking({name: some}) if name != "all" else None
        if figure is not None:
            yield _plot(f"family-{name}", say.human(name), "", figure, some)
    best = curve(metrics, "curves", "envelope", "curve")
    if best is not None and len(lines) > 1:
        figure = plots.thinking({"all": [best, *(line for line in lines if line.name == "vote")]})
        if figure is not None:
            caption = f"{best.note[0].upper()}{best.note[1:]}." if best.note else ""
            yield _plot("envelope", "The compute-optimal envelope", caption, figure, [best])
    yield from _seconds(metrics)


def _seconds(metrics: Summary) -> Iterator[Plot]:
    found = [c for item in rows(metrics, "curves", "seconds") if (c := curve(item)) is not None]
    figure = plots.thinking({"all": found})
    if figure is not None:
        figure.axes[0].set_xlabel("seconds a question, all at once (logarithmic)")
        caption = (
            "Wall-clock time of the strategies that were run afresh; replayed points have no seconds of their own."
        )
        yield _plot("seconds", "Accuracy against seconds", caption, figure, found)


def _plot(name: str, title: str, caption: str, figure: Figure, lines: list[Curve]) -> Plot:
    settle(figure)
    alt = f"{title}. {plots.in_words(figure)}"
    return Plot(title, caption, alt, Markup(svg(figure, name)), tables.points(lines))


def _tables(metrics: Summary) -> Iterator[tuple[str, str, Grid]]:
    """Title, caption and rows."""
    yield (
        "Results",
        "Every strategy at every budget, 95 % intervals over problems",
        Grid(
            ("Strategy", "Budget", "Accuracy", "Spent", "Seconds"),
            tuple(_result(row) for row in rows(metrics, "results")),
        ),
    )
    slopes = at(metrics, "curves", "doubling")
    if isinstance(slopes, Mapping):
        whole = {name: [at(found, "whole")] for name, found in slopes.items()}
        # With two budgets the one step is the whole range: said once.
        between = {name: some for name, found in slopes.items() if len(some := rows(found, "steps")) > 1}
        yield "What a doubling buys", DOUBLING, Grid(("Strategy", "Tokens", "Points"), tuple(_slopes(whole)))
        yield "What each doubling buys", STEPS, Grid(("Strategy", "Tokens", "Points"), tuple(_slopes(between)))
    cheap = rows(metrics, "curves", "cheapness")
    yield (
        "How cheaply the vote is reached",
        CHEAP,
        Grid(("Strategy", "Vote", "Needed", "Share"), tuple(_cheap(row) for row in cheap)),
    )
    yield (
        "Going back",
        "Steps that go back or correct, within the first tokens of a sample",
        Grid(("Family", "Tokens", "Steps that go back", "Useful"), tuple(_reflections(metrics))),
    )


def _result(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    found = estimate(row, "accuracy")
    seconds = "replayed" if row.get("replayed") else say.duration(number(row, "seconds"))
    return (
        Cell(say.human(text(row, "strategy") or "?")),
        Cell(say.count(number(row, "budget"))),
        Cell(say.percent(found.y if found else None), say.bounds(found)),
        Cell(say.count(number(row, "spent"))),
        Cell(seconds),
    )


def _slopes(slopes: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Cell, ...]]:
    for name, found in slopes.items():
        for one in found:
            start, end, slope = number(one, "start"), number(one, "end"), estimate(one, "points")
            if start is not None and end is not None and slope is not None:
                between = f"{say.count(round(start))} to {say.count(round(end))}"
                yield Cell(say.human(str(name))), Cell(between), Cell(say.points(slope.y), say.points_range(slope))


def _cheap(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    cheap, share = number(row, "cheap"), number(row, "share")
    low, high = number(row, "low"), number(row, "high")
    vote = f"{say.percent(number(row, 'accuracy'))} for {say.count(round(number(row, 'dear') or 0))}"
    ends = (
        ""
        if low is None
        else f"{say.plain(100 * low, 0)} to " + ("no upper end" if high is None else say.percent(high, 0))
    )
    return (
        Cell(say.human(text(row, "strategy") or "?")),
        Cell(vote),
        Cell("never" if cheap is None else say.count(round(cheap))),
        Cell("never", ends) if share is None else Cell(say.percent(share, 0), ends),
    )


def _reflections(metrics: Summary) -> Iterator[tuple[Cell, ...]]:
    for limit in rows(metrics, "reflection"):
        families = at(limit, "families")
        for name in families if isinstance(families, Mapping) else ():
            share, useful = (number(families, name, key) for key in ("share", "useful_share"))
            yield (
                Cell(say.human(str(name))),
                Cell(say.count(number(limit, "tokens"))),
                Cell(say.percent(share)),
                Cell("none" if useful is None else say.percent(useful)),
            )


def made(metrics: Summary) -> dict[str, str]:
    """How it was made, for the end of the page."""
    names = {
        "model": "Model",
        "verifier": "Verifier",
        "problems": "Problems",
        "seed": "Seed",
        "temperature": "Temperature",
        "max_tokens": "Longest answer",
    }
    found = {label: metrics.get(key) for key, label in names.items()}
    shown = {
        label: ", ".join(map(str, v)) if isinstance(v, list) else "none" if v is None else str(v)
        for label, v in found.items()
    }
    told = work.thinking(metrics)
    return {**shown, **({"Work": told} if told else {}), "Revision": str(metrics.get("revision") or "not recorded")}
