"""A run in a terminal of 80 columns or more, or as plain lines where there is no terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ponder.reports import formatting as say
from ponder.reports.follow.curves import CURVES, Watched, families, shown, spark
from ponder.reports.follow.state import STALE_SECONDS, Said, State

MOST_ALARMS, MOST_STEPS = 6, 6


def frame(state: State, width: int) -> Group:
    """Everything: how far, curves, alarms, and the newest samples."""
    parts: list[RenderableType] = [Text(headline(state), "bold"), _bar(state, min(width, 60)), _curves(state, width)]
    parts += [Text(line, "bold red" if state.alarms else "dim") for line in alarms(state)]
    for said in state.said:
        parts += _sample(said, width)
    return Group(*parts)


def headline(state: State) -> str:
    """How far the run is, in a sentence."""
    of = f" of {state.total}" if state.total else ""
    took = f"{say.duration(state.seconds)} of training"
    if state.ended:
        return f"{state.folder.name}: ended after {state.done} rounds, {took}"
    left = f", about {say.duration(state.left)} left" if state.left else ""
    silent = f"; nothing was written for {say.duration(state.silent)}" if state.silent > STALE_SECONDS else ""
    measuring = "; measuring" if state.total and state.done >= state.total else ""
    return f"{state.folder.name}: round {state.done}{of}, {took}{left}{measuring}{silent}"


def alarms(state: State) -> list[str]:
    """The last alarms, or that there was none."""
    if not state.alarms:
        return ["No alarm."]
    earlier = len(state.alarms) - MOST_ALARMS
    first = [f"{earlier} earlier alarms"] if earlier > 0 else []
    return [*first, *(f"ALARM, {alarm}" for alarm in state.alarms[-MOST_ALARMS:])]


def line(state: State) -> str:
    """One plain line for a log file: the newest value of every curve."""
    values = [f"{c.name} {shown(points[-1][1], c)}" for c in CURVES if (points := state.series(*c.keys))]
    return "; ".join([headline(state), *values, *alarms(state)[-1:]])


def _bar(state: State, columns: int) -> Text:
    full = round(columns * min(1.0, state.done / state.total)) if state.total else 0
    return Text.assemble(("█" * full, "blue"), ("·" * (columns - full), "dim"))


def _curves(state: State, width: int) -> Table:
    """A line a curve: its name, bars, first and newest value. Families have accuracy, solve rate and length."""
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=True, header_style="dim")
    table.add_column("by round", no_wrap=True)
    room = max(8, min(40, width - 48))
    for name in ("", "first", "now"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for curve in (*CURVES, *_of_families(state)):
        values = [value for _, value in state.series(*curve.keys)]
        if values:
            table.add_row(
                Text(curve.name), Text(spark(values, room), "blue"), shown(values[0], curve), shown(values[-1], curve)
            )
    return table


def _of_families(state: State) -> list[Watched]:
    return [
        Watched(f"{family[:14]} {name}", (key, family), share=share, digits=3)
        for key, name, share in (("validation", "right", True), ("tokens", "tokens", False))
        for family in families(state, key)
    ]


def _sample(said: Said, width: int) -> list[RenderableType]:
    judged = "not judged" if said.outcome is None else "right" if said.outcome > 0.5 else "wrong"
    style = "dim" if said.outcome is None else "green" if said.outcome > 0.5 else "red"
    lines: list[RenderableType] = [
        Text.assemble(("\n" + say.human(said.family) + ", ", "dim"), (judged, style), (f": {_flat(said.question)}", ""))
    ]
    kept = said.steps if len(said.steps) <= MOST_STEPS else (*said.steps[: MOST_STEPS - 2], "…", said.steps[-1])
    for step in kept:
        text = Text(f"  {_flat(step)}")
        text.truncate(width, overflow="ellipsis")
        lines.append(text)
    return lines


def _flat(text: str) -> str:
    return " ".join(text.split())
