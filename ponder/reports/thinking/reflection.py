"""`reflection.json` of `ponder reflect` -> reflection.png: going back over training, what it did, and over budget."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ponder.reports import formatting as say
from ponder.reports.plot_style import HUES, SMALL, Mark, canvas, cycle, png, settle, style
from ponder.reports.run.summary_reader import Summary, at, estimate, number, rows
from ponder.types import PonderError

DATA, PICTURE = "reflection.json", "reflection.png"
EFFECTS = {
    "useful": Mark(HUES["teal"], "^"),
    "idle": Mark(HUES["slate"], "s"),
    "harmful": Mark(HUES["rust"], "v"),
}
Known = list[tuple[int, Mapping[str, Any]]]  # (round or tokens, counts) of one family


def render(folder: Path) -> Path:
    """Draw `reflection.json` of `folder`; returns the picture's path."""
    path = folder / DATA
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PonderError(f"{path} cannot be read ({error}); make it again with ponder reflect RUN") from None
    with style():
        figure = drawing(data)
    settle(figure)
    png(figure, folder / PICTURE)
    return folder / PICTURE


def families(data: Summary) -> dict[str, Known]:
    """The counts of each family by round."""
    found: dict[str, Known] = {}
    for entry in rows(data, "rounds"):
        for name, counts in (at(entry, "families") or {}).items():
            found.setdefault(name, []).append((int(number(entry, "round") or 0), counts))
    return found


def drawing(data: Summary) -> Figure:
    """Share of steps that go back by round; what going back did; the same share over budget, first and last round."""
    known = families(data)
    reflecting = [name for name, some in known.items() if any(number(one, "reflecting") for _, one in some)]
    panels = 1 + 2 * bool(reflecting)
    figure, axes = canvas(panels, width=SMALL * panels, height=3.5)
    for index, (name, some) in enumerate(known.items()):
        label = say.human(name) + ("" if name in reflecting else " (never)")
        _line(axes[0], some, "share", cycle(index), label)
    _finish(axes[0], "Steps that go back", "round")
    if reflecting:
        _effects(axes[1], known, reflecting)
        looks = {name: cycle(index) for index, name in enumerate(known) if name in reflecting}
        _over_budget(axes[2], rows(data, "rounds"), looks)
    return figure


def _effects(axes: Axes, known: Mapping[str, Known], reflecting: Sequence[str]) -> None:
    """What going back did, of the family that does it most often; the others' are in the file."""
    most = max(reflecting, key=lambda name: sum(number(one, "reflecting") or 0.0 for _, one in known[name]))
    for effect, look in EFFECTS.items():
        _line(axes, known[most], effect, look, effect)
    _finish(axes, f"What it did: {say.human(most)}", "round")


def _over_budget(axes: Axes, entries: Sequence[Mapping[str, Any]], looks: Mapping[str, Mark]) -> None:
    ends = {"first": entries[0], "last": entries[-1]} if len(entries) > 1 else {"first": entries[0]}
    for name, look in looks.items():
        for which, entry in ends.items():
            dashed = Mark(look.colour, look.marker, "--", hollow=True) if which == "first" else look
            found = [(int(number(one, "tokens") or 0), at(one, "families", name)) for one in rows(entry, "budgets")]
            some = [(tokens, counts) for tokens, counts in found if counts is not None]
            _line(axes, some, "share", dashed, f"{say.human(name)}, {which} round")
    axes.set_xscale("log", base=2)
    ticks = [int(number(limit, "tokens") or 0) for limit in rows(entries[0], "budgets")]
    axes.set_xticks(ticks, [say.short(tick) for tick in ticks])
    _finish(axes, "Within the first tokens", "tokens of a response")


def _line(axes: Axes, some: Known, key: str, look: Mark, label: str) -> None:
    """A share with its interval as a band; a round in which it cannot be told is left out."""
    points = [(x, found) for x, counts in some if (found := estimate(counts, "intervals", key)) is not None]
    if not points:
        return
    xs = [x for x, _ in points]
    low = [found.y if found.low is None else found.low for _, found in points]
    high = [found.y if found.high is None else found.high for _, found in points]
    axes.plot(xs, [found.y for _, found in points], **look.line(), label=label)
    axes.fill_between(xs, low, high, color=look.colour, alpha=0.15, linewidth=0)


def _finish(axes: Axes, title: str, x_name: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x_name)
    axes.set_ylim(bottom=-0.02)  # marks of a share of 0 stay whole
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0, "\u00a0%"))
    if x_name == "round":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=1)
