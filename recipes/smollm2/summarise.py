"""The seeds of this recipe in one table: every gain, their mean, and its 95 % interval over seeds (Student's t).

    python recipes/smollm2/summarise.py --out runs/smollm2 [--run sums]

Two means of the test problems: of the levels (each counts alike, as `ponder run` reports) and of all problems alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ponder.types import PonderError

# Quantiles of Student's t at 97.5 % for two to ten seeds.
_T = dict(enumerate((12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262), start=2))
_KINDS = {"greedy": "greedy", "accuracy": "temperature 1"}
_ARMS = ("base", "final", "rejection")


def found(out: Path, run: str = "sums") -> list[dict[str, Any]]:
    """The summaries of all finished seeds in `out`, by seed. PonderError if there is none."""
    files = sorted(out.glob(f"{run}-*/summary.json"))
    if not files:
        raise PonderError(f"{out}: no finished run {run}-SEED/summary.json; run recipes/smollm2/train.py first")
    return sorted((json.loads(file.read_text(encoding="utf-8")) for file in files), key=lambda s: int(s["seed"]))


def means(summary: dict[str, Any], kind: str) -> dict[str, dict[str, float]]:
    """Share of right answers of each arm by kind of mean: of the levels, and of all problems alike."""
    rows = summary[kind]
    levels = [row for row in rows if row["level"] is not None]
    overall = next((row for row in rows if row["level"] is None), levels[0])
    arms = [arm for arm in _ARMS if overall.get(arm)]
    count = sum(row["n"] for row in levels)
    return {
        "mean of the levels": {arm: overall[arm]["y"] for arm in arms},
        "all problems alike": {arm: sum(row["n"] * row[arm]["y"] for row in levels) / count for arm in arms},
    }


def over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """The mean and half of its 95 % interval (Student's t); infinite for one seed."""
    mean = statistics.fmean(values)
    if len(values) not in _T:
        return mean, float("inf")
    return mean, _T[len(values)] * statistics.stdev(values) / len(values) ** 0.5


def table(summaries: Sequence[dict[str, Any]]) -> list[str]:
    """Markdown: a column a seed, base to trained, and the mean gain over seeds."""
    seeds = [str(s["seed"]) for s in summaries]
    lines = [
        "| one answer to each test problem | "
        + " | ".join(f"seed {seed}" for seed in seeds)
        + " | gain, mean of seeds |",
        "|---|" + "---|" * (len(seeds) + 1),
    ]
    for kind, name in _KINDS.items():
        for mean in ("mean of the levels", "all problems alike"):
            arms = [means(s, kind)[mean] for s in summaries]
            gains = [arm["final"] - arm["base"] for arm in arms]
            centre, half = over_seeds(gains)
            cells = [
                f"{100 * a['base']:.1f} to {100 * a['final']:.1f} ({100 * g:+.1f})"
                for a, g in zip(arms, gains, strict=True)
            ]
            lines.append(
                f"| {name}, {mean} | " + " | ".join(cells) + f" | **{100 * centre:+.1f}** ± {100 * half:.1f} |"
            )
            kept = [(a["rejection"] - a["base"]) for a in arms if "rejection" in a]
            if kept:
                cells = [f"{100 * a['rejection']:.1f}" if "rejection" in a else "" for a in arms]
                centre, _ = over_seeds(kept)
                lines.append(
                    f"| {name}, {mean}, rejection sampling | " + " | ".join(cells) + f" | {100 * centre:+.1f} |"
                )
    minutes = [f"{s['seconds']['train'] / 60:.1f}" for s in summaries]
    lines.append("| minutes of training | " + " | ".join(minutes) + " | |")
    memory = [f"{s['peak_memory_bytes'] / 1e9:.1f}" for s in summaries]
    return [*lines, "| peak memory, GB | " + " | ".join(memory) + " | |"]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/smollm2"), help="the folder of train.py")
    parser.add_argument("--run", default="sums", help="sums or words")
    options = parser.parse_args(arguments)
    print("\n".join(table(found(options.out, options.run))))


if __name__ == "__main__":
    main()
