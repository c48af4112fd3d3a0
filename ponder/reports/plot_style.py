"""Colours and drawing of all plots: one figure becomes an SVG that follows the page's light or dark scheme, and a PNG.

The plots are drawn in the light palette. In the SVG each colour is then replaced by a CSS variable (`--blue` for blue),
which the page sets for both schemes; the PNG keeps the light palette on white. Lines differ in marker and dash as well
as in colour, and the hues are ones that colour-blind readers tell apart.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ponder.runlog import files

INK, GRID, PAPER = "#3d3b37", "#dcd9d2", "#fefefe"
HUES = {
    "blue": "#1f66ad",
    "rust": "#c2500f",
    "teal": "#0b7f68",
    "plum": "#9c4a8b",
    "sky": "#2e8fbf",
    "ochre": "#9a7400",
    "slate": "#6c6a66",
}
COLOURS = {"ink": INK, "grid": GRID, "paper": PAPER, **HUES}
WIDTH, HEIGHT, SMALL = 4.4, 3.3, 3.5  # inches; small, so that type stays readable when a phone shows the plot whole

STYLE: dict[str, Any] = {
    "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "grid.color": GRID, "grid.linewidth": 0.7,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8,
    "axes.grid": True, "axes.axisbelow": True, "axes.titlelocation": "left", "axes.titlesize": 10.5,
    "axes.labelsize": 9.5, "xtick.labelsize": 9.5, "ytick.labelsize": 9.5, "legend.fontsize": 9.5,
    "font.size": 9.5, "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],
    "legend.frameon": False, "legend.handlelength": 2.2, "lines.linewidth": 1.8, "lines.markersize": 5.5,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "svg.fonttype": "none", "text.parse_math": False,  # a model's name may hold a dollar sign
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """How one series is drawn."""

    colour: str
    marker: str = "o"
    dash: str = "-"
    hollow: bool = False

    def line(self) -> dict[str, Any]:
        """Keyword arguments of `Axes.plot`."""
        face = PAPER if self.hollow else self.colour
        return {"color": self.colour, "marker": self.marker, "linestyle": self.dash, "markerfacecolor": face}


STRATEGIES = {
    "sample": Mark(HUES["slate"], "s"),
    "vote": Mark(HUES["blue"], "o"),
    "best_of_n": Mark(HUES["rust"], "^"),
    "weighted_vote": Mark(HUES["teal"], "D"),
    "beam": Mark(HUES["plum"], "v"),
    "mcts": Mark(HUES["ochre"], "P"),
    "auto": Mark(INK, "X", "--", hollow=True),
}
_CYCLE = [Mark(c, m) for c, m in zip(HUES.values(), "o^DvsPX", strict=True)]
_SHAPES = "o^DvsPX<>*hp"


def marks(names: Sequence[str]) -> list[Mark]:
    """A look for each of several series in one plot, no two with the same colour and marker.

    A known strategy has its fixed look, in every plot the same. Any other is dashed and takes the first colour and
    marker that nobody in this plot has: colours that are free before those that are taken.
    """
    fixed = {name: STRATEGIES[name] for name in names if name in STRATEGIES}
    taken = {look.colour for look in fixed.values()}, {look.marker for look in fixed.values()}
    colours = sorted(HUES.values(), key=lambda colour: colour in taken[0])
    shapes = sorted(_SHAPES, key=lambda shape: shape in taken[1])
    found, others = [], 0
    for name in names:
        if name in fixed:
            found.append(fixed[name])
        else:
            found.append(Mark(colours[others % len(colours)], shapes[others % len(shapes)], "--"))
            others += 1
    return found


def cycle(index: int) -> Mark:
    """The look of the index-th of several series that have no fixed one."""
    return _CYCLE[index % len(_CYCLE)]


def style(**more: Any) -> AbstractContextManager[None]:
    """The drawing style of all plots, for the length of a `with`."""
    settings: Any = {**STYLE, **more}
    return rc_context(settings)


def canvas(columns: int = 1, width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, list[Axes]]:
    """An empty figure with `columns` axes side by side. Call it inside `style()`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)
    return figure, list(axes[0])


def legend(figure: Figure, axes: Axes, columns: int = 3) -> None:
    """A legend below the plot, in the order of drawing; none if nothing has a label."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(handles)))


def settle(figure: Figure) -> None:
    """Lay the figure out once, for all formats it will be saved in.

    They are then written by their canvases: `Figure.savefig` draws a figure twice, once for its layout.
    """
    with style(), _glyphs_unchecked():
        if engine := figure.get_layout_engine():
            engine.execute(figure)
    figure.set_layout_engine("none")


def svg(figure: Figure, name: str) -> str:
    """The figure as an <svg> element for an HTML page: no links, no ids but those that it uses itself."""
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with style(**{"svg.hashsalt": name}), _glyphs_unchecked():
        FigureCanvasSVG(figure).print_svg(buffer, metadata=metadata)
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r' xmlns(:xlink)?="[^"]*"', "", drawn).replace("xlink:href=", "href=")
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)
    drawn = re.sub(r'^<svg[^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', drawn)
    for variable, colour in COLOURS.items():
        drawn = drawn.replace(colour, f"var(--{variable})")
    return re.sub(r"\n\s*", "\n", drawn)


def svg_file(figure: Figure, path: Path) -> None:
    """The figure as an SVG file of its own: the light palette on white, text kept as text, no date and no program."""
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with files.replacing(path) as partial, style(**{"svg.hashsalt": path.stem}), _glyphs_unchecked(), _on_white(figure):
        FigureCanvasSVG(figure).print_svg(partial, metadata=metadata)


def png(figure: Figure, path: Path) -> None:
    """The figure as a PNG on white, for slides and READMEs."""
    with files.replacing(path) as partial, style(), _glyphs_unchecked(), _on_white(figure, dpi=160):
        FigureCanvasAgg(figure).print_png(partial)


@contextmanager
def _on_white(figure: Figure, dpi: float | None = None) -> Iterator[None]:
    """Change the background, and the dots an inch, for the length of a `with`."""
    before = figure.get_facecolor(), figure.get_dpi()
    figure.set_facecolor("white")
    figure.set_dpi(dpi or before[1])
    try:
        yield
    finally:
        figure.set_facecolor(before[0])
        figure.set_dpi(before[1])


@contextmanager
def _glyphs_unchecked() -> Iterator[None]:
    """Silence the warning for a glyph that the drawing font lacks: the page has fonts of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
