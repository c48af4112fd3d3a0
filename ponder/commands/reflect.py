"""What `ponder reflect` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from ponder.evaluation.reflection.reflection import EFFECTS
from ponder.reports import formatting as say
from ponder.reports.run.summary_reader import estimate
from ponder.reports.thinking import reflection as thinking_reflection


def shown(data: dict[str, Any]) -> RenderableType:
    """A table of the rounds for each family that ever goes back, a sentence for each that never does."""
    families = thinking_reflection.families(data)
    never = [name for name, rounds in families.items() if not any(one["reflecting"] for _, one in rounds)]
    tables: list[RenderableType] = [_table(name, rounds) for name, rounds in families.items() if name not in never]
    return Group(*tables, *(_never(name, [one for _, one in families[name]]) for name in never))


def _table(family: str, rounds: thinking_reflection.Known) -> Table:
    title = f"{say.human(family)}: steps that go back, and what going back did"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("round", "level", "go back", "95 %", *EFFECTS, "unknown"):
        table.add_column(column, justify="right", no_wrap=True)
    for number, one in rounds:
        table.add_row(str(number), f"{one['level']:.1f}", *_shares(one), f"{one['unknown']:,}")
    return table


def _shares(one: Mapping[str, Any]) -> Iterator[str]:
    share = estimate(one, "intervals", "share")
    yield say.percent(share.y if share else None)
    yield say.bounds(share)
    for effect in EFFECTS:
        found = estimate(one, "intervals", effect)
        yield "-" if found is None else say.percent(found.y, 0)


def _never(name: str, rounds: Sequence[Mapping[str, Any]]) -> str:
    steps = sum(one["steps"] for one in rounds)
    return f"{say.human(name)}: none of {steps:,} steps in {len(rounds)} rounds goes back"
