"""The curves that a long run is watched by, round by round, with rollbacks and alarms marked. See README.md.

python recipes/long_run/draw.py RUN --out long_run.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ponder.reports.plot_style import canvas, cycle, png, style
from ponder.runlog import read_metrics

# What is drawn: the reading, its label.
SHOWN = (
    ("validation", "validation accuracy"),
    ("entropy", "entropy, nats a token"),
    ("length", "tokens an answer"),
    ("live", "groups with a gradient"),
    ("only_verifier", "only the verifier likes"),
    ("repetition", "share that repeats itself"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = [row for row in read_metrics(options.run) if "health" in row]
    if not rows:
        raise SystemExit(f"{options.run}: no round with readings of the monitors")
    draw(rows, options.out)
    print(said(rows))


def draw(rows: Sequence[dict[str, Any]], file: Path) -> None:
    with style():
        figure, axes = canvas(len(SHOWN), width=14.0, height=3.0)
        for number, (axis, (reading, label)) in enumerate(zip(axes, SHOWN, strict=True)):
            points = [(row["round"] + 1, row["health"]["readings"][reading]) for row in rows]
            known = [(x, y) for x, y in points if y is not None]
            axis.plot([x for x, _ in known], [y for _, y in known], color=cycle(number).colour)
            axis.set_title(label)
            axis.set_xlabel("round")
            axis.set_ylim(bottom=0)
            for back in rows[-1]["health"]["rolled_back"]:
                axis.axvline(back["round"] + 1, color=cycle(1).colour, linestyle=":")
        png(figure, file)


def said(rows: Sequence[dict[str, Any]]) -> str:
    """What happened, in a sentence."""
    values = [row["health"]["readings"]["validation"] for row in rows]
    known = [value for value in values if value is not None]
    alarms = sorted({alarm["signal"] for row in rows for alarm in row["health"]["alarms"]})
    last = known[-10:]
    return (
        f"{len(rows)} rounds, {sum(row['updates'] for row in rows)} updates: validation accuracy at best "
        f"{max(known):.3f}, mean of the last {len(last)} rounds {sum(last) / len(last):.3f}; alarms: "
        f"{', '.join(alarms) or 'none'}; rollbacks: {len(rows[-1]['health']['rolled_back'])}."
    )


if __name__ == "__main__":
    main()
