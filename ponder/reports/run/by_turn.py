"""Episodes of several turns in pictures and tables: what was right after each turn, and the tokens by then.

Reads the summaries of `ponder.evaluation.episodes` as JSON holds them, so both the report of a run and the page of an
evaluation draw from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ponder.reports import formatting as say
from ponder.reports.plot_style import Mark, canvas, cycle, legend
from ponder.reports.run.plots import WHO, accuracy_axis
from ponder.reports.run.summary_reader import Summary, at, estimate, number, numbers, rows
from ponder.reports.run.tables import Cell, Grid
from ponder.types import Curve, CurvePoint

ARMS = {"base": "Base", "final": "Final"}
MOST_LINES = 8


def line(name: str, found: Mapping[str, Any]) -> Curve | None:
    """The share of right answers after each turn, with its interval; None for one turn or where none was checked."""
    points = []
    for row in rows(found, "turns"):
        turn, right = number(row, "turn"), estimate(row, "accuracy")
        if turn is not None and right is not None and right.low is not None and right.high is not None:
            n = number(row, "accuracy", "n") or 0
            points.append(CurvePoint(turn, right.y, right.low, right.high, int(n)))
    return Curve(name, "turn", "right after the turn", tuple(points)) if len(points) > 1 else None


def picture(curves: Sequence[Curve], looks: Sequence[Mark] | None = None) -> Figure | None:
    """One line an arm, its intervals as bars: turns are few and whole."""
    shown = list(curves)[:MOST_LINES]
    if not shown:
        return None
    figure, (axes,) = canvas()
    for place, one in enumerate(shown):
        look = cycle(place) if looks is None else looks[place]
        shift = 0.06 * (place - (len(shown) - 1) / 2)  # bars of two arms in one place would hide each other
        xs = [point.x + shift for point in one.points]
        axes.plot(xs, [point.y for point in one.points], **look.line(), label=say.human(one.name))
        axes.vlines(xs, [p.low for p in one.points], [p.high for p in one.points], color=look.colour, linewidth=1.4)
    axes.set_xlabel("turn")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.08, y=0.1)
    accuracy_axis(axes)
    axes.set_ylabel("right after the turn")
    legend(figure, axes, columns=2)
    return figure


def curves(summary: Summary) -> list[Curve]:
    """Of the base and of the final model of a run; none for a run of single answers."""
    found = [line(name, at(summary, "episodes", name) or {}) for name in ARMS]
    return [one for one in found if one is not None]


def run_picture(summary: Summary) -> Figure | None:
    """The same as a picture."""
    shown = curves(summary)
    return picture(shown, [WHO[one.name] for one in shown])


def table(summary: Summary) -> Grid | None:
    """A row a turn and arm: what was right after it, who got there, and the tokens of that turn alone."""
    arms = {name: rows(summary, "episodes", name, "turns") for name in ARMS}
    most = max(map(len, arms.values()))
    if most < 2:
        return None
    body = [_turn(turns, place, ARMS[name]) for place in range(most) for name, turns in arms.items()]
    columns = ("Turn", "Right", "Got there", "Tokens said", "Tokens read")
    return Grid(columns, tuple(row for row in body if row))


def _turn(turns: Sequence[Mapping[str, Any]], place: int, arm: str) -> tuple[Cell, ...]:
    """One arm in one turn. The summary counts tokens up to a turn; the table shows what the turn itself took."""
    if place >= len(turns):
        return ()
    row, before = turns[place], turns[place - 1] if place else {}
    right, said, read = estimate(row, "accuracy"), _own(row, before, "tokens"), _own(row, before, "read")
    return (
        Cell(f"Turn {place + 1}", arm.lower()),
        Cell(say.percent(right.y if right else None), say.bounds(right) if right else ""),
        Cell(say.percent(number(row, "reached"), 0)),
        Cell(say.plain(None if said is None or read is None else said - read, 1)),
        Cell(say.plain(read, 1)),
    )


def _own(row: Mapping[str, Any], before: Mapping[str, Any], key: str) -> float | None:
    now, then = number(row, key), number(before, key) if before else 0.0
    return None if now is None or then is None else now - then


def failures(summary: Summary) -> Grid | None:
    """Episodes that could not be judged, by type; None for a run whose episodes have one turn."""
    counts = {name: numbers(summary, "episodes", name, "failures") for name in ARMS}
    if table(summary) is None:
        return None
    kinds = sorted({kind for found in counts.values() for kind in found}) or ["failures"]
    body = [(Cell(say.human(kind)), *(Cell(say.count(counts[name].get(kind, 0.0))) for name in ARMS)) for kind in kinds]
    played = [number(summary, "episodes", name, "episodes") for name in ARMS]
    body.append((Cell("episodes played"), *(Cell(say.count(count)) for count in played)))
    return Grid(("Not judged", *ARMS.values()), tuple(body))


def calls(summary: Summary) -> Grid | None:
    """How tools were used on validation problems before and after training; None for a run without tools."""
    known = [row for row in rows(summary, "rounds") if at(row, "calls")]
    if not known:
        return None
    arms = {"Base": known[0], "Final": known[-1]}
    body = tuple(
        (
            Cell(label, f"{say.count(number(row, 'calls', 'answers'))} answers"),
            Cell(say.percent(number(row, "calls", "share"))),
            Cell(say.plain(number(row, "calls", "per_answer"))),
            *(Cell(_right(row, key)) for key in ("right_with", "right_without")),
        )
        for label, row in arms.items()
    )
    return Grid(("Validation", "With a call", "Calls an answer", "Right with a call", "Right without"), body)


def _right(row: Mapping[str, Any], key: str) -> str:
    value = number(row, "calls", key)
    return "none" if value is None else say.percent(value)
