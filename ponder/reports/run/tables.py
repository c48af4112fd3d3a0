"""Tables of a run: plain rows for the page, and the table that `ponder run` prints at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ponder.reports import formatting as say
from ponder.reports.run import alarms, turns
from ponder.reports.run import narrative as sentences
from ponder.reports.run import work as used
from ponder.reports.run.summary_reader import Estimate, Summary, at, curve, estimate, number, numbers, rows, text
from ponder.types import Curve


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and, in smaller type below it, what belongs to it (its interval)."""

    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: `rows` are as long as `columns`; the first cell of a row names it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


MOST_PANELS = 9  # "all" and eight families
FRACTIONS = {"base": "Base", "control": "More cloning", "rejection": "Rejection sampling", "final": "Final"}
DIFFERENCES = {"gain": "Gain"}
CONTROLS = {
    "control_gain": "More cloning",
    "rejection_gain": "Rejection sampling",
    "over_rejection": "Final beyond rejection sampling",
}
ALWAYS = ("base", "control", "final", "gain")  # shown in the main table even where missing
WAYS = {"sampled": "Sampled", "greedy": "Greedy", "best": "Each at its best temperature"}


def accuracy(summary: Summary, key: str = "accuracy") -> Grid | None:
    """The rows of `accuracy`, `greedy` or `harder`; a column that no row has is left out. None without rows."""
    measured = rows(summary, key)
    if not measured:
        return None
    # The main table always shows four columns, so that a missing control is seen to be missing.
    return _by_name(measured, {**FRACTIONS, **DIFFERENCES}, ALWAYS if key == "accuracy" else ())


def controls(summary: Summary) -> Grid | None:
    """What the controls gained over the base, and the final model over the stronger one; None if nobody measured it."""
    found = _by_name(rows(summary, "accuracy"), CONTROLS, ())
    return found if len(found.columns) > 1 else None


def _by_name(measured: Sequence[Mapping[str, Any]], names: Mapping[str, str], shown: Sequence[str]) -> Grid:
    """A column for each of `names` that some row has, or that is to be `shown` anyway."""
    used = [name for name in names if name in shown or any(estimate(row, name) for row in measured)]
    body = tuple((_name(row), *(_estimate(row, name) for name in used)) for row in measured)
    return Grid(("Family", *(names[name] for name in used)), body)


def decoding(summary: Summary) -> Grid | None:
    """The mean over families under each way of drawing an answer."""
    body = tuple(
        (
            Cell(WAYS.get(way, say.human(way)), _temperatures(row)),
            *(_estimate(row, n) for n in ("base", "final", "gain")),
        )
        for row in rows(summary, "decoding")
        if (way := text(row, "way"))
    )
    return Grid(("Answers", "Base", "Final", "Gain"), body) if body else None


def _temperatures(row: Mapping[str, Any]) -> str:
    base, final = (number(row, "temperatures", who) for who in ("base", "final"))
    if base is None or final is None:
        return "temperature not recorded"
    if base == final:
        return f"temperature {say.plain(base, 1)}"
    return f"temperatures {say.plain(base, 1)} and {say.plain(final, 1)}"


def coverage(summary: Summary) -> Grid | None:
    """pass@k of both models on the same problems."""
    body = tuple(
        (
            Cell(f"{say.count(k)} {'try' if k == 1 else 'tries'}"),
            *(_estimate(row, n) for n in ("base", "final", "gain")),
        )
        for row in rows(summary, "coverage")
        if (k := number(row, "k")) is not None
    )
    return Grid(("Tries", "Base", "Final", "Gain"), body) if body else None


def _name(row: Mapping[str, Any]) -> Cell:
    level, n = number(row, "level"), number(row, "n")
    family = text(row, "family") or "family not recorded"
    parts = [f"level {say.count(level)}" if level is not None and family != "mean" else "", _problems(n)]
    return Cell(say.human(family), ", ".join(part for part in parts if part))


def _problems(n: float | None) -> str:
    return "" if n is None else f"{say.count(n)}{say.SPACE}problems"


def _estimate(row: Mapping[str, Any], name: str) -> Cell:
    found = estimate(row, name)
    if found is None:
        return Cell(say.NOT_MEASURED)
    if name in DIFFERENCES or name in CONTROLS:
        return Cell(say.points(found.y), say.points_range(found))
    return Cell(say.percent(found.y), say.bounds(found))


def rounds(summary: Summary) -> Grid | None:
    """Every round in one row: pace, curriculum, verifier and what went wrong."""
    found = rows(summary, "rounds")
    if not found:
        return None
    columns = (
        "Round", "Time", "FLOPs so far", "Validation", "Level", "Solve rate", "Tokens", "Verifier AUC",
        "Verifier accuracy", "First bad step, F1", "Calibration error", "Labelled steps", "Updates", "Skipped",
        "Dead groups", "Sampler mismatch", "Entropy", "Rollout MFU", "Update MFU", "Failures",
    )  # fmt: skip
    return Grid(columns, tuple(_round(i, row) for i, row in enumerate(found)))


def _round(index: int, row: Mapping[str, Any]) -> tuple[Cell, ...]:
    quality = [Cell(say.plain(number(row, "verifier", key))) for key in ("auc", "accuracy", "first_bad_step_f1", "ece")]
    share = number(row, "verifier", "base_rate")
    steps = Cell(say.count(number(row, "verifier", "n")), "" if share is None else f"{say.percent(share, 0)} right")
    mismatch = number(row, "kl_mismatch")
    return (
        Cell(say.count(number(row, "round") if number(row, "round") is not None else index)),
        Cell(say.duration(number(row, "seconds"))),
        Cell(say.power(number(row, "flops"))),
        _by_family(numbers(row, "validation"), lambda x: say.percent(x, 0)),
        _by_family(numbers(row, "levels"), say.count),
        _by_family(numbers(row, "solve_rate"), lambda x: say.percent(x, 0)),
        _by_family(numbers(row, "tokens"), lambda x: say.plain(x, 0)),
        *quality,
        steps,
        Cell(say.count(number(row, "updates"))),
        Cell(say.count(number(row, "skipped"))),
        Cell(say.percent(number(row, "dead_groups"), 0)),
        Cell(say.power(mismatch)),
        Cell(say.plain(number(row, "entropy"))),
        *(Cell(say.percent(number(row, "work", name, "mfu"))) for name in ("rollout", "update")),
        _failures(row),
    )


def _by_family(found: Mapping[str, float], show: Any) -> Cell:
    if not found:
        return Cell(say.NOT_MEASURED)
    return Cell("\n".join(f"{say.human(name)}{say.SPACE}{show(x)}" for name, x in sorted(found.items())))


def _failures(row: Mapping[str, Any]) -> Cell:
    if not isinstance(at(row, "failures"), Mapping):
        return Cell(say.NOT_MEASURED)
    found = {name: x for name, x in numbers(row, "failures").items() if x}
    return _by_family(found, say.count) if found else Cell("none")


def work(summary: Summary) -> Grid | None:
    """One row a purpose; the rounds as a whole by the clock on the wall. None if nothing was recorded."""
    body = [_purpose(name, at(summary, "work", "parts", key)) for key, name in used.PARTS.items()]
    body.append(_purpose("All rounds, by the clock", at(summary, "work", "rounds")))
    body += [_purpose(name, at(summary, "work", "after", key)) for key, name in used.AFTER.items()]
    known = tuple(row for row in body if row is not None)
    return Grid(("Work", "FLOPs", "Time", "FLOPs a second", "MFU"), known) if known else None


def _purpose(name: str, part: Any) -> tuple[Cell, ...] | None:
    flops, seconds = number(part, "flops"), number(part, "seconds")
    if flops is None:
        return None
    speed = flops / seconds if seconds else None
    return (
        Cell(name),
        Cell(say.power(flops)),
        Cell(say.duration(seconds)),
        Cell(say.power(speed)),
        Cell(say.percent(number(part, "mfu"))),
    )


def points(lines: list[Curve]) -> Grid:
    """The numbers behind a plot of curves."""
    body = [
        (
            Cell(say.human(line.name)),
            Cell(say.power(p.x) if p.x >= 1e7 else say.count(p.x)),
            Cell(say.percent(p.y), say.bounds(_known(p.low, p.high, p.y))),
            Cell(say.count(p.n) if p.n else "not recorded"),
        )
        for line in lines
        for p in line.points
    ]
    return Grid(("Curve", "Cost", "Accuracy", "Problems"), tuple(body))


def _known(low: float, high: float, y: float) -> Estimate | None:
    return Estimate(y, low, high) if low == low and high == high else None  # NaN differs from itself


def disagreements(summary: Summary) -> Grid | None:
    """The first answers that only one check accepted; None if there is none."""
    found = rows(summary, "watch", "examples")
    if not found:
        return None
    body = tuple(
        (
            Cell(say.human(text(row, "family") or "?"), f"round {say.count((number(row, 'round') or 0) + 1)}"),
            Cell(text(row, "question") or "not recorded"),
            Cell(text(row, "key") or "none"),
            Cell(text(row, "answer") or "none"),
            Cell(_said(number(row, "first"))),
            Cell(_said(number(row, "second")), text(row, "check") or ""),
        )
        for row in found
    )
    return Grid(("Family", "Question", "Key", "Answer", "First check", "Second check"), body)


def _said(outcome: float | None) -> str:
    return say.NOT_MEASURED if outcome is None else "right" if outcome > 0.5 else "wrong"


def console(summary: Summary) -> Group:
    """What `ponder run` prints at its end; give it to `rich.console.Console.print`."""
    first = [sentences.headline(summary), sentences.breath(summary)]
    parts: list[Any] = [*(Text(line, style="bold") for line in first if line), ""]
    grids = {
        "Test accuracy": accuracy(summary),
        "Gains of the controls": controls(summary),
        "Ways of drawing an answer": decoding(summary),
        "Harder levels": accuracy(summary, "harder"),
    }
    for title, grid in grids.items():
        if grid is not None:
            parts += [_rich(grid, title), ""]
    lines = [
        sentences.control(summary),
        f"Final model: {sentences.verifier_gain(summary)}",
        *([f"Base: {sentences.verifier_gain_before(summary)}"] if at(summary, "verifier_gain_before") else []),
        sentences.unsolved(summary),
        sentences.coverage(summary),
        *(alarms.sentences(summary) if at(summary, "watch") else []),
        *alarms.health(summary),
        *turns.sentences(summary),
        _cost(summary),
        *([told] if (told := used.sentence(summary)) else []),
    ]
    parts += [Text(line) for line in lines]
    return Group(*parts)


def _rich(grid: Grid, title: str) -> Table:
    table = Table(title=f"{title} (95{say.SPACE}% intervals below)", title_justify="left", title_style="")
    for i, column in enumerate(grid.columns):
        table.add_column(Text(column), justify="left" if i == 0 else "right")
    for row in grid.rows:
        table.add_row(*(Text.assemble(c.value, ("\n" + c.detail if c.detail else "", "dim")) for c in row))
    return table


def _cost(summary: Summary) -> str:
    spent = number(summary, "token_equivalents", "training")
    return (
        f"Time {say.duration(number(summary, 'seconds', 'total'))}, peak memory "
        f"{say.memory(number(summary, 'peak_memory_bytes'))}, training {say.count(spent)} token-equivalents "
        f"({say.power(number(summary, 'flops', 'training'))} FLOPs)."
    )


def strategies(summary: Summary, *where: str) -> dict[str, list[Curve]]:
    """The measured test-time curves by family, "all" first; of the final model, or those `where` in the curves."""
    source = at(summary, "curves", *where, "test_time")
    if not isinstance(source, Mapping):
        return {}
    found = {str(name): [c for item in rows(source, name) if (c := curve(item)) is not None] for name in source}
    ordered = sorted(found, key=lambda name: (name != "all", name))
    return {name: found[name] for name in ordered[:MOST_PANELS] if found[name]}
