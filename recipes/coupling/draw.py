"""Accuracy against work for each arm, and its difference to `outcome`, from the files of `compare`. See README.md.

python -m recipes.coupling.draw runs/coupling --out docs/pictures/coupling.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ponder.api.training.bare import at_work
from ponder.reports.plot_style import canvas, legend, marks, png, style
from recipes import arms
from recipes.coupling.compare import ARMS, Row, table

POINTS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    files = [file for file in sorted(options.folder.glob("*-*.json")) if not file.name.startswith("results")]
    draw([json.loads(file.read_text(encoding="utf-8")) for file in files], options.out)


def draw(cells: list[dict[str, Any]], file: Path) -> None:
    names = [name for name in ARMS if any(cell["arm"] == name for cell in cells)]
    with style():
        figure, (left, right) = canvas(2, width=11.0, height=4.6)
        for name, look in zip(names, marks(names), strict=True):
            xs, ys = curve([cell for cell in cells if cell["arm"] == name])
            left.plot(xs, [100 * y for y in ys], label=name, **look.line())
        left.set_title("validation accuracy, mean over seeds, %")
        left.set_xlabel("work, as a share of the budget")
        found = table(cells)
        rows = [row for name in reversed(names) for row in found if row.arm == name and name != "outcome"]
        bars(right, rows)
        legend(figure, left, columns=5)
        png(figure, file)


def curve(cells: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    """Shares of the budget, and the mean over seeds of the accuracy at that much work."""
    shares = [at / POINTS for at in range(POINTS + 1)]
    means = [arms.mean([at_work(cell["rows"], share * cell["budget"]) for cell in cells]) for share in shares]
    known = [(share, mean) for share, mean in zip(shares, means, strict=True) if mean is not None]
    return [share for share, _ in known], [mean for _, mean in known]


def bars(axes: Any, rows: list[Row]) -> None:
    """Differences to the reference at equal work and after as many rounds, with intervals over seeds."""
    kinds = [("at equal work", "#1f66ad", [row.gain for row in rows])]
    kinds.append(("after as many rounds", "#c2500f", [row.as_many for row in rows]))
    for shift, (label, colour, values) in zip((0.12, -0.12), kinds, strict=True):
        known = [(at + shift, found) for at, found in enumerate(values) if found is not None]
        low = [100 * (found.y - found.low) for _, found in known]
        high = [100 * (found.high - found.y) for _, found in known]
        at, y = [at for at, _ in known], [100 * found.y for _, found in known]
        axes.errorbar(y, at, xerr=[low, high], fmt="o", color=colour, label=label)
    axes.axvline(0, color="#3d3b37", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row.arm for row in rows])
    axes.set_title("points over `outcome`, same seed")
    axes.legend(loc="best")


if __name__ == "__main__":
    main()
