"""`metrics.json` of `ponder eval --environment` -> curves.html and curves.png: accuracy by turn and by budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ponder.printable import printable
from ponder.reports import formatting as say
from ponder.reports.plot_style import png, settle, style, svg
from ponder.reports.run import by_turn, plots, tables
from ponder.reports.run.captions import GLOSSARY
from ponder.reports.run.summary_reader import Summary, estimate, number, numbers, rows, text
from ponder.reports.run.tables import Cell, Grid
from ponder.reports.templates import environment
from ponder.reports.thinking.page import Plot, made, read
from ponder.runlog import files
from ponder.types import Curve, CurvePoint

PAGE, PICTURE = "curves.html", "curves.png"
TURNS = (
    "The share of episodes whose answer is right after each turn: the answer of that turn, or the last one where the "
    "episode ended before. Of a strategy, at its largest budget. Bars are 95 % intervals over problems."
)
TOKENS = (
    "The same against the tokens by then, what was read included. The line of plain episodes has a point a turn, that "
    "of a strategy a point a budget. Bands are 95 % intervals over problems."
)
WORDS = ("token-equivalent", "majority vote", "95 % interval")


def render(folder: Path) -> Path:
    """Write the page and the picture into `folder` from its `metrics.json`; returns the page's path."""
    metrics = read(folder / "metrics.json")
    with style():
        drawn = list(_plots(metrics, folder))
    kind = text(metrics, "environment", "kind") or "?"
    n, split = number(metrics, "n"), text(metrics, "split") or ""
    page = (
        environment()
        .get_template("plain.html.j2")
        .render(
            eyebrow="episodes",
            title=f"Episodes of {printable(kind)[:40]} on {say.count(n)} {split} problems",
            told=_told(metrics),
            plots=drawn,
            tables=[found for found in _tables(metrics) if found[2].rows],
            words={term: GLOSSARY[term] for term in WORDS},
            made=made(metrics),
        )
    )
    files.write_text(folder / PAGE, page)
    return folder / PAGE


def _told(metrics: Summary) -> Iterator[str]:
    results = rows(metrics, "results")
    left_out = {kind: 0.0 for row in results for kind in numbers(row, "failures")}
    for row in results:
        for kind, count in numbers(row, "failures").items():
            left_out[kind] += count
    if left_out:
        named = say.joined([f"{say.count(count)} {say.human(kind)}" for kind, count in left_out.items()])
        yield f"Failures, left out of all numbers: {named}."
    lost = sum(number(row, "lost") or 0.0 for row in results)
    if lost:
        yield f"Lost, since the engine did not serve one of their calls, and left out: {say.count(lost)} searches."
    unknown = sum(number(row, "unknown") or 0.0 for row in results)
    if unknown:
        yield f"Not checked after every turn, so not in the numbers by turn: {say.count(unknown)} episodes."


def _plots(metrics: Summary, folder: Path) -> Iterator[Plot]:
    found = [by_turn.line(_name(row), row) for row in _largest(metrics)]
    turns = [one for one in found if one is not None]
    costs = _costs(metrics)
    drawn = [
        ("turns", "Accuracy by turn", TURNS, by_turn.picture(turns), turns),
        ("tokens", "Accuracy against tokens", TOKENS, plots.thinking({"all": costs}), costs),
    ]
    is_first = True
    for name, title, caption, figure, lines in drawn:
        if figure is None:
            continue
        if name == "tokens":
            figure.axes[0].set_xlabel("token-equivalents an episode (logarithmic)")
        settle(figure)
        if is_first:
            png(figure, folder / PICTURE)
        is_first = False
        alt = f"{title}. {plots.in_words(figure)}"
        yield Plot(title, caption, alt, Markup(svg(figure, name)), tables.points(lines))


def _largest(metrics: Summary) -> list[Mapping[str, Any]]:
    """The result of each strategy at its largest budget: all budgets in one picture are too many lines."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in sorted(rows(metrics, "results"), key=lambda row: number(row, "budget") or 0.0):
        found[text(row, "strategy") or "?"] = row
    return list(found.values())


def _costs(metrics: Summary) -> list[Curve]:
    """Accuracy against tokens: by turn for plain episodes, by budget for each strategy."""
    lines: dict[str, list[CurvePoint]] = {}
    for row in rows(metrics, "results"):
        name = text(row, "strategy") or "?"
        plain = number(row, "budget") is None
        for one in rows(row, "turns") if plain else [row]:
            x, y = number(one, "tokens" if plain else "spent"), estimate(one, "accuracy")
            if x is not None and y is not None and y.low is not None and y.high is not None:
                n = int(number(one, "accuracy", "n") or 0)
                lines.setdefault(name, []).append(CurvePoint(x, y.y, y.low, y.high, n))
    return [
        Curve(name, "token-equivalents an episode", "accuracy", tuple(sorted(points, key=lambda point: point.x)))
        for name, points in lines.items()
    ]


def _tables(metrics: Summary) -> Iterator[tuple[str, str, Grid]]:
    """Title, caption and rows."""
    results = rows(metrics, "results")
    yield (
        "Results",
        "Whole episodes, 95 % intervals over problems",
        Grid(("Episodes", "Accuracy", "Spent", "Tokens", "Of them read"), tuple(_result(row) for row in results)),
    )
    yield (
        "Turn by turn",
        "Tokens are means over all episodes, up to the end of the turn",
        Grid(
            ("Episodes", "Right", "Got there", "Tokens", "Of them read"),
            tuple(_turn(row, turn) for row in results for turn in rows(row, "turns")),
        ),
    )


def _result(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    found = estimate(row, "accuracy")
    return (
        Cell(_name(row)),
        Cell(say.percent(found.y if found else None), say.bounds(found)),
        *(Cell(say.plain(number(row, key), 1)) for key in ("spent", "tokens", "read")),
    )


def _turn(row: Mapping[str, Any], turn: Mapping[str, Any]) -> tuple[Cell, ...]:
    found = estimate(turn, "accuracy")
    return (
        Cell(_name(row), f"turn {say.count(number(turn, 'turn'))}"),
        Cell(say.percent(found.y if found else None), say.bounds(found)),
        Cell(say.percent(number(turn, "reached"), 0)),
        *(Cell(say.plain(number(turn, key), 1)) for key in ("tokens", "read")),
    )


def _name(row: Mapping[str, Any]) -> str:
    name, budget = say.human(text(row, "strategy") or "?"), number(row, "budget")
    return name if budget is None else f"{name} at {say.count(budget)}"
