"""Length control as the last of three stages: tokens per answer and accuracy before and after each. See README.md.

    python recipes/length/measure.py --out runs/length [--seeds 3] [--quick]

The stages are those of the preset `length_control`: fine-tuning on the policy's own answers that are right and that the
verifier likes at every step, reinforcement learning, then a price on length relative to the group. Numbers are of
validation problems, two answers each at temperature 1, after the last round of each stage.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.training.bare import mean_of, play_until
from ponder.config import load
from ponder.runlog.files import write_json
from ponder.selfplay.config import Run
from ponder.selfplay.presets.methods import METHODS
from ponder.types import Group

SIZES = {"full": (36, 64), "quick": (9, 12)}  # problems an update, validation problems a family


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells = [_cell(seed, options) for seed in range(options.seeds)]
    write_json(options.out / "results.json", {"cells": cells})
    (options.out / "results.md").write_text(said(cells), encoding="utf-8")
    print(said(cells))


def _cell(seed: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The points of one seed, played or read: before training, and after each stage."""
    file: Path = options.out / f"seed-{seed}.json"
    if file.is_file():
        known: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["points"]
        return known
    problems, ladder = SIZES["quick" if options.quick else "full"]
    sizes = [f"sampling.problems={problems}", f"verifier.groups={problems}", f"evaluation.ladder={ladder}"]
    quick = ["updates=2"] if options.quick else []
    config = load(Run, None, [f"seed={seed}", *METHODS["length_control"][2], *sizes, *quick])
    played = play_until(config)
    last = {row["stage_name"]: number for number, row in enumerate(played.rows) if "stage_name" in row}
    points = [
        _point(name, played.rows[number], played.ladders[number])
        for name, number in {"before training": 0, **last}.items()
    ]
    write_json(file, {"points": points})
    print(f"seed {seed}: {points}", flush=True)
    return points


def _point(name: str, row: dict[str, Any], ladder: list[Group]) -> dict[str, Any]:
    """Accuracy and tokens of all answers, and tokens of the right ones."""
    answers = [pair for group in ladder for pair in group.judged]
    right = [len(trajectory) for trajectory, outcome in answers if outcome > 0.5]
    return {
        "stage": name,
        "accuracy": mean_of(row),
        "tokens": sum(len(trajectory) for trajectory, _ in answers) / len(answers),
        "tokens_of_right": sum(right) / len(right) if right else None,
        "flops": row["flops"],
    }


def said(cells: list[list[dict[str, Any]]]) -> str:
    """Means over seeds as Markdown, the seeds in brackets."""
    lines = ["| after | accuracy | tokens an answer | tokens of right answers |", "|---|---|---|---|"]
    for place, point in enumerate(cells[0]):
        mine = [points[place] for points in cells]
        lines.append(
            f"| {point['stage']} | {_cell_text([100 * p['accuracy'] for p in mine])} % | "
            f"{_cell_text([p['tokens'] for p in mine])} | "
            f"{_cell_text([p['tokens_of_right'] for p in mine if p['tokens_of_right'] is not None])} |"
        )
    return "\n".join(lines) + "\n"


def _cell_text(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{sum(values) / len(values):.1f} ({', '.join(f'{value:.1f}' for value in values)})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="2 updates a round on 9 problems")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
