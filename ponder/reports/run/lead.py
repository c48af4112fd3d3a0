"""The one picture that tells a run in ten seconds: who solves how much with one answer, and with thinking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ponder.reports import formatting as say
from ponder.reports.plot_style import HUES, INK, canvas
from ponder.reports.run.narrative import main_row
from ponder.reports.run.summary_reader import Estimate, Summary, curve, estimate, rows, text

TITLE = "Before, after, and with thinking"
CAPTION = (
    "Share of test problems of one kind that were solved, with 95 % intervals over problems. Training and rejection "
    "sampling did the same amount of work. Thinking: the base as it was before training draws many answers to a "
    "question and takes the one with the most votes, weighted by the verifier that the run left behind. The tokens "
    "hold what is discarded and what the verifier reads, but not the training of that verifier."
)


@dataclass(frozen=True)
class Bar:
    """One line of the picture."""

    label: str
    value: Estimate
    colour: str


def bars(summary: Summary) -> list[Bar]:
    """From the base to thinking; what was not measured is left out."""
    return list(_bars(summary))


def _bars(summary: Summary) -> Iterator[Bar]:
    row = main_row(summary)
    if row is None:
        return
    for key, label, colour in (
        ("base", "Base, one answer", HUES["slate"]),
        ("rejection", "Rejection sampling, one answer", HUES["plum"]),
        ("final", "Trained, one answer", HUES["blue"]),
    ):
        found = estimate(row, key)
        if found is not None:
            yield Bar(label, found, colour)
    yield from _thinking(summary)


def _thinking(summary: Summary) -> Iterator[Bar]:
    """The weighted vote of the base (the plain one without a verifier) at its largest budget: chosen by no result."""
    names = {
        text(row, "name"): index for index, row in enumerate(rows(summary, "curves", "before", "test_time", "all"))
    }
    for name in ("weighted_vote", "vote"):
        if name in names:
            line = curve({"line": rows(summary, "curves", "before", "test_time", "all")[names[name]]}, "line")
            if line is not None:
                last = line.points[-1]
                label = f"Base, thinking for {say.count(round(last.x))} tokens"
                yield Bar(label, Estimate(last.y, last.low, last.high), HUES["teal"])
            return


def draw(summary: Summary) -> Figure | None:
    """The picture; None with fewer than two bars."""
    found = bars(summary)
    if len(found) < 2:
        return None
    figure, (axes,) = canvas(width=6.2, height=0.6 + 0.52 * len(found))
    for place, bar in enumerate(reversed(found)):
        y = bar.value.y
        axes.barh(place, y, height=0.5, color=bar.colour, alpha=0.85)
        if bar.value.low is not None and bar.value.high is not None:
            axes.plot([bar.value.low, bar.value.high], [place, place], color=INK, linewidth=1.6)
        end = max(y, bar.value.high or y)
        axes.text(end + 0.015, place, say.percent(y, 0), va="center", ha="left", fontweight="bold", color=INK)
    axes.set_yticks(range(len(found)), [bar.label for bar in reversed(found)])
    axes.set_xlim(0, 1.08)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, 0, "\u00a0%"))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("test problems solved")
    return figure


def in_words(summary: Summary) -> str:
    """The picture for readers who cannot see it."""
    return "; ".join(f"{bar.label}: {say.percent(bar.value.y)}" for bar in bars(summary)) + "."
