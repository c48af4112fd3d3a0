"""`ponder reflect RUN`: how often steps of a run's samples go back, and what that did -> reflection.html, .json, .png.

It reads what the run kept, so it draws nothing and takes seconds. See `evaluation/reflection/reflection` for the rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from ponder.evaluation.reflection.over_training import over_training
from ponder.evaluation.reflection.reflection import EFFECTS
from ponder.reports import formatting as say
from ponder.reports.run.summary_reader import estimate
from ponder.reports.thinking import reflection as thinking_reflection
from ponder.runlog import read_config
from ponder.runlog.files import write_json
from ponder.types import PonderError

RULE = (
    "a step goes back if it holds a phrase of doubt or, in countdown, if it is a try after the first; useful: wrong "
    "before and right after, harmful: the other way round, idle: the verdict did not change"
)


def reflect(run: Path, out: Path | None = None) -> dict[str, Any]:
    """Count, write reflection.json, .html and .png into `out` (the run folder unless given), return the first."""
    if not (run / "config.toml").is_file():
        raise PonderError(f"{run} is no run folder, it has no config.toml; name the --out of a `ponder run`")
    rounds = over_training(run, int(read_config(run)["sampling"]["max_tokens"]))
    if not rounds:
        raise PonderError(f"{run} keeps no samples in {run / 'trajectories'}; finish a round of the run first")
    data = {"schema": 1, "rule": RULE, "unit": "shares with 95 % intervals over problems", "rounds": rounds}
    folder = out or run
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / thinking_reflection.DATA, data)
    thinking_reflection.render(folder)
    return data


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
