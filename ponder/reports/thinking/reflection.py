"""`reflection.json` of `ponder reflect` -> reflection.html and .png: steps that go back, and what they did."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ponder.reports import formatting as say
from ponder.reports.plot_style import HUES, SMALL, Mark, canvas, cycle, png, settle, style, svg
from ponder.reports.run.plots import in_words
from ponder.reports.run.summary_reader import Summary, at, estimate, number, rows, text
from ponder.reports.run.tables import Cell, Grid
from ponder.reports.templates import environment
from ponder.reports.thinking.page import Plot
from ponder.runlog import files
from ponder.types import PonderError

DATA, PAGE, PICTURE = "reflection.json", "reflection.html", "reflection.png"
CAPTION = "Shares of every round, 95 % intervals over problems"
EFFECTS = {
    "useful": Mark(HUES["teal"], "^"),
    "idle": Mark(HUES["slate"], "s"),
    "harmful": Mark(HUES["rust"], "v"),
}
Known = list[tuple[int, Mapping[str, Any]]]  # (round or tokens, counts) of one family


def render(folder: Path) -> Path:
    """Write the page and the picture of `reflection.json` into `folder`; returns the page's path."""
    path = folder / DATA
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PonderError(f"{path} cannot be read ({error}); make it again with ponder reflect RUN") from None
    with style():
        figure = drawing(data)
        settle(figure)
        png(figure, folder / PICTURE)
        plots = list(_plots(data))
    known = families(data)
    page = (
        environment()
        .get_template("plain.html.j2")
        .render(
            eyebrow="reflection",
            title=_title(known),
            told=[f"What counts: {text(data, 'rule') or 'not recorded'}.", *_never(known)],
            plots=plots,
            tables=[(say.human(name), CAPTION, _grid(some)) for name, some in known.items() if _goes_back(some)],
            words={},
            made={"Samples": "those that the run kept in its folder trajectories"},
        )
    )
    files.write_text(folder / PAGE, page)
    return folder / PAGE


def _title(known: Mapping[str, Known]) -> str:
    """Who goes back, from the first round to the last."""
    said = []
    for name, some in known.items():
        shares = [estimate(one, "intervals", "share") for _, one in some]
        ends = [found.y for found in shares if found is not None]
        if ends and any(ends):
            said.append(f"{say.human(name)} {say.percent(ends[0], 0)} to {say.percent(ends[-1], 0)}")
    if not said:
        return "No step of any sample goes back"
    return f"Steps that go back, from the first round to the last: {say.joined(said)}"


def _goes_back(some: Known) -> bool:
    return any(number(one, "reflecting") for _, one in some)


def _never(known: Mapping[str, Known]) -> list[str]:
    never = [say.human(name) for name, some in known.items() if not _goes_back(some)]
    return [f"Never goes back, in any round: {say.joined(never)}."] if never else []


def _plots(data: Summary) -> Iterator[Plot]:
    """The panels of the picture as plots of their own, so that they stack on a phone."""
    captions = (
        "Share of all steps of a round's samples. Bands are 95 % intervals over problems.",
        "Of the family that goes back most: what stood before a step that goes back, and what stands at its end.",
        "The same share in the first tokens of each response alone: what a chain with that limit would have held.",
    )
    for index, draw in enumerate(panels(data)):
        figure, (axes,) = canvas(height=3.9)
        draw(axes)
        title = axes.get_title(loc="left")
        axes.set_title("")  # the page says it
        alt = f"{title}. {in_words(figure)}"
        settle(figure)
        yield Plot(title, captions[index], alt, Markup(svg(figure, f"reflection-{index}")), None)


def _grid(some: Known) -> Grid:
    def cell(one: Mapping[str, Any], key: str) -> Cell:
        found = estimate(one, "intervals", key)
        return Cell("none" if found is None else say.percent(found.y), "" if found is None else say.bounds(found))

    body = tuple(
        (
            Cell(f"Round {place}", f"level {say.plain(number(one, 'level'), 1)}"),
            cell(one, "share"),
            *(cell(one, effect) for effect in EFFECTS),
        )
        for place, one in some
    )
    return Grid(("Round", "Go back", *(effect.capitalize() for effect in EFFECTS)), body)


def families(data: Summary) -> dict[str, Known]:
    """The counts of each family by round."""
    found: dict[str, Known] = {}
    for entry in rows(data, "rounds"):
        for name, counts in (at(entry, "families") or {}).items():
            found.setdefault(name, []).append((int(number(entry, "round") or 0), counts))
    return found


def drawing(data: Summary) -> Figure:
    """Share of steps that go back by round; what going back did; the same share over budget, first and last round."""
    draws = panels(data)
    figure, axes = canvas(len(draws), width=SMALL * len(draws), height=3.5)
    for one, draw in zip(axes, draws, strict=True):
        draw(one)
    return figure


def panels(data: Summary) -> list[Callable[[Axes], None]]:
    """What draws each panel: one where nothing ever goes back, else three."""
    known = families(data)
    reflecting = [name for name, some in known.items() if _goes_back(some)]

    def share(axes: Axes) -> None:
        for index, (name, some) in enumerate(known.items()):
            label = say.human(name) + ("" if name in reflecting else " (never)")
            _line(axes, some, "share", cycle(index), label)
        _finish(axes, "Steps that go back", "round")

    def effects(axes: Axes) -> None:
        _effects(axes, known, reflecting)

    def budget(axes: Axes) -> None:
        looks = {name: cycle(index) for index, name in enumerate(known) if name in reflecting}
        _over_budget(axes, rows(data, "rounds"), looks)

    return [share, effects, budget] if reflecting else [share]


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
