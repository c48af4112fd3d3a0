"""The same as one page that works offline; while the run goes on it loads itself again, without a script."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ponder.reports import formatting as say
from ponder.reports.follow import terminal
from ponder.reports.follow.curves import CURVES, Watched, families
from ponder.reports.follow.state import State
from ponder.reports.plot_style import SMALL, canvas, cycle, legend, settle, style, svg
from ponder.reports.run.tables import Cell, Grid
from ponder.reports.templates import environment
from ponder.runlog import files

PAGE = "watch.html"
SECONDS = 10  # between two loads of the page of a run that goes on


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of the page; see `reports.run.page.Plot`."""

    title: str
    alt: str
    drawing: Markup
    caption: str = ""
    numbers: Grid | None = None


def write(state: State, path: Path) -> Path:
    """Write the page; the one before stays until the new one is whole."""
    files.write_text(path, page(state))
    return path


def page(state: State) -> str:
    """The page as text."""
    with style():
        plots = [plot for curve in _groups(state) if (plot := _plot(state, *curve)) is not None]
    return (
        environment()
        .get_template("plain.html.j2")
        .render(
            title=terminal.headline(state),
            eyebrow="a run that goes on" if not state.ended else "a run",
            told=terminal.alarms(state),
            plots=plots,
            tables=[("Newest samples", "Samples of the newest round", _samples(state))] if state.said else [],
            words={},
            made={"Run folder": str(state.folder), "Rounds": f"{state.done} of {state.total or 'unknown'}"},
            refresh=0 if state.ended else SECONDS,
        )
    )


def _groups(state: State) -> list[tuple[str, list[Watched]]]:
    """What stands in one picture: curves by themselves, families together."""
    together = [
        (title, [Watched(family, (key, family), share=share) for family in families(state, key)])
        for title, key, share in (
            ("Validation accuracy by family", "validation", True),
            ("Training answers that were right", "solve_rate", True),
            ("Tokens an answer", "tokens", False),
        )
    ]
    return [together[0], *((c.name[0].upper() + c.name[1:], [c]) for c in CURVES[1:]), *together[1:]]


def _plot(state: State, title: str, curves: list[Watched]) -> Plot | None:
    drawn = {curve.name: points for curve in curves if len(points := state.series(*curve.keys)) > 1}
    if not drawn:
        return None
    figure: Figure
    figure, (axes,) = canvas(width=SMALL, height=2.5)
    for index, (name, points) in enumerate(drawn.items()):
        axes.plot([x + 1 for x, _ in points], [y for _, y in points], **cycle(index).line(), label=say.human(name))
    axes.set_xlabel("round (0: before training)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if curves[0].share:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0, "\u00a0%"))
    axes.margins(y=0.12)
    if len(drawn) > 1:
        legend(figure, axes, columns=2)
    settle(figure)
    told = "; ".join(f"{name} from {points[0][1]:.3g} to {points[-1][1]:.3g}" for name, points in drawn.items())
    return Plot(title, f"{title}, by round: {told}.", Markup(svg(figure, f"watch {title}")))


def _samples(state: State) -> Grid:
    body = tuple(
        (
            Cell(say.human(said.family)),
            Cell("not judged" if said.outcome is None else "right" if said.outcome > 0.5 else "wrong"),
            Cell(said.question[:200]),
            Cell("\n".join(step.strip() for step in said.steps)[:800]),
        )
        for said in state.said
    )
    return Grid(("Family", "Verdict", "Question", "Steps"), body)
