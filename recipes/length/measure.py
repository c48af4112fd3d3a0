"""Length control as the last of three stages: tokens per answer and accuracy before and after each. See README.md.

    python -m recipes.length.measure --out runs/length [--seeds 3] [--size quick]

The stages are those of the preset `length_control`: fine-tuning on the policy's own answers that are right and that the
verifier likes at every step, reinforcement learning, then a price on length relative to the group. Numbers are of
validation problems, two answers each at temperature 1, after the last round of each stage.
"""

from __future__ import annotations

import argparse
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.training.bare import mean_of, play_until
from ponder.config import load
from ponder.selfplay.config import Run
from ponder.selfplay.presets.methods import METHODS
from ponder.types import Group
from recipes import arms

# What the third stage is paid for: the preset's price on length, or the outcome alone, as in the stage before.
ARMS: dict[str, tuple[str, ...]] = {"priced": (), "unpriced": ("rewards=[{kind='outcome'}]",)}
SIZES = {"full": (36, 64), "quick": (9, 12)}  # problems an update, validation problems a family


def main() -> None:
    options = _options()
    set_threads(options.threads)
    found = {name: [_cell(name, seed, options)["points"] for seed in arms.seeds(options)] for name in options.names}
    text = "".join(f"{name}:\n\n{said(cells)}\n" for name, cells in found.items())
    arms.leave(options, text, cells=found)
    print(text)


def _cell(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """The points of one seed, played or read: before training, and after each stage."""

    def work() -> dict[str, Any]:
        problems, ladder = SIZES[options.size]
        sizes = [f"sampling.problems={problems}", f"verifier.groups={problems}", f"evaluation.ladder={ladder}"]
        quick = ["updates=2"] if options.size == "quick" else []
        config = _paid(name, load(Run, None, [f"seed={seed}", *METHODS["length_control"][2], *sizes, *quick]))
        played = play_until(config)
        last = {row["stage_name"]: number for number, row in enumerate(played.rows) if "stage_name" in row}
        places = {"before training": 0, **last}
        return {"points": [_point(name, played.rows[at], played.ladders[at]) for name, at in places.items()]}

    return arms.once(
        options.out / f"{name}-{seed}.json", work, lambda found: f"{found['points'][-1]['tokens']:.0f} tokens"
    )


def _paid(name: str, config: Run) -> Run:
    """The run with the last stage of this arm."""
    *before, last = config.stages
    return config.model_copy(update={"stages": (*before, last.model_copy(update={"set": ARMS[name] or last.set}))})


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
    """Means over seeds with their intervals, as Markdown."""
    rows = []
    for place, point in enumerate(cells[0]):
        mine = [points[place] for points in cells]
        tokens = [arms.over_seeds([p[key] for p in mine]) for key in ("tokens", "tokens_of_right")]
        rows.append(
            [point["stage"], arms.percent(arms.over_seeds([p["accuracy"] for p in mine])), *map(_shown, tokens)]
        )
    return arms.markdown(["after", "accuracy, %", "tokens an answer", "tokens of right answers"], rows)


def _shown(found: arms.Mean | None) -> str:
    if found is None:
        return "-"
    return f"{found.y:.1f}" if found.n == 1 else f"{found.y:.1f} ({found.low:.1f} to {found.high:.1f})"


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, seeds=3)
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--arms", default="", help=f"comma-separated, of: {', '.join(ARMS)}")
    options = parser.parse_args()
    options.names = arms.chosen(options.arms, list(ARMS))
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
