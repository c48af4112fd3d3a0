"""A comparison as one page that works offline, with the curves of all runs in the same pictures."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from ponder.reports import formatting as say
from ponder.reports.compare.runs import Comparison, Run
from ponder.reports.follow.page import Plot
from ponder.reports.plot_style import SMALL, canvas, cycle, legend, settle, style, svg
from ponder.reports.run.summary_reader import number
from ponder.reports.templates import environment

Points = list[tuple[float, float]]
MOST = 7  # lines in a picture: as many as there are colours


def figures(found: Comparison) -> dict[str, tuple[str, Figure]]:
    """Title and picture by name; a picture needs two points of some run."""
    wanted: tuple[tuple[str, str, str, Callable[[Run], Points], bool], ...] = (
        ("by_work", "Validation accuracy against training work", "training FLOPs", _by_work, True),
        ("by_round", "Validation accuracy by round", "round (0: before training)", _rounds("validation", "mean"), True),
        ("verifier", "Verifier AUC by round", "round (0: before training)", _rounds("verifier", "auc"), False),
        ("entropy", "Entropy by round, nats a token", "round (0: before training)", _rounds("entropy"), False),
    )
    drawn = {}
    with style():
        for name, title, x_name, points, is_share in wanted:
            figure = _drawn(found.runs[:MOST], points, x_name, is_share)
            if figure is not None:
                settle(figure)
                drawn[name] = (title, figure)
    return drawn


def page(found: Comparison, drawn: dict[str, tuple[str, Figure]]) -> str:
    """The page as text."""
    plots = [
        Plot(
            title,
            f"{title}: {', '.join(run.name for run in found.runs[:MOST])}.",
            Markup(svg(figure, f"compare {name}")),
        )
        for name, (title, figure) in drawn.items()
    ]
    tables = [("What was reached, and what it cost", "A column a run; 95 % intervals below", found.reached)]
    if found.settings is not None:
        tables.append(("Settings that differ", "All other settings are the same", found.settings))
    more = len(found.runs) - MOST
    return (
        environment()
        .get_template("plain.html.j2")
        .render(
            title=say.joined([run.name for run in found.runs]),
            eyebrow="runs side by side",
            told=[f"The pictures show the first {MOST} runs; {more} more are in the tables."] if more > 0 else [],
            plots=plots,
            tables=tables,
            words={},
            made={run.name: str(run.state.folder) for run in found.runs},
        )
    )


def _rounds(*keys: str) -> Callable[[Run], Points]:
    return lambda run: [(x + 1, y) for x, y in run.state.series(*keys)]


def _by_work(run: Run) -> Points:
    return [
        (flops, y)
        for row in run.state.rows
        if (flops := number(row, "flops")) is not None and (y := number(row, "validation", "mean")) is not None
    ]


def _drawn(runs: tuple[Run, ...], points: Callable[[Run], Points], x_name: str, is_share: bool) -> Figure | None:
    lines = {run.name: some for run in runs if len(some := points(run)) > 1}
    if not lines:
        return None
    figure, (axes,) = canvas(width=SMALL, height=2.9)
    for index, (name, some) in enumerate(lines.items()):
        axes.plot([x for x, _ in some], [y for _, y in some], **cycle(index).line(), label=say.human(name))
    axes.set_xlabel(x_name)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=x_name.startswith("round")))
    if not x_name.startswith("round"):
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: say.power(x, 2)))
    if is_share:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0, "\u00a0%"))
    axes.margins(y=0.12)
    legend(figure, axes, columns=2)
    return figure
