"""Tables as CSV and pictures as SVG files, for papers and slides."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from matplotlib.figure import Figure

from ponder.reports.plot_style import svg_file
from ponder.reports.run.tables import Grid
from ponder.runlog import files


def table(grid: Grid, path: Path) -> Path:
    """A table as CSV (UTF-8, RFC 4180): a cell's detail, its interval for example, in a column of its own.

    Minus signs are those of a keyboard and spaces plain, so that programs read the numbers.
    """
    detailed = [any(row[place].detail for row in grid.rows) for place in range(len(grid.columns))]
    head: list[str] = []
    for name, has in zip(grid.columns, detailed, strict=True):
        head += [name, f"{name}, detail"] if has else [name]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(map(_plain, head))
    for row in grid.rows:
        cells: list[str] = []
        for cell, has in zip(row, detailed, strict=True):
            cells += [cell.value, cell.detail] if has else [cell.value]
        writer.writerow(map(_plain, cells))
    files.write_text(path, out.getvalue())
    return path


def picture(figure: Figure, path: Path) -> Path:
    """A picture as an SVG file of its own, in the light palette on white, with text as text."""
    svg_file(figure, path)
    return path


def _plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("−", "-")
