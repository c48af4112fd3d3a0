"""A prover-verifier game on the embedded model: who wins, and what the verifier learns. See README.md.

    python -m recipes.prover_verifier.measure --out runs/provers [--seeds 5] [--rounds 5] [--reward cgc]

A seed is a training with `provers.enabled=true`; a finished one is a file and is not run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.training.bare import play_until
from ponder.config import load
from ponder.selfplay.config import Run
from recipes import arms

SHOWN = ("prover/helpful_right", "prover/sneaky_wrong", "prover/unseen")


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells = [_cell(seed, options) for seed in arms.seeds(options)]
    arms.leave(options, said(cells), cells=cells)
    print(said(cells))


def _cell(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One seed, played or read."""

    def work() -> dict[str, Any]:
        families = ", ".join(f"'{family}'" for family in options.problems.split(","))
        settings = [
            f"seed={seed}",
            f"problems=[{families}]",
            "provers.enabled=true",
            f"provers.reward={options.reward}",
            f"rounds={options.rounds}",
            f"updates={options.updates}",
            f"sampling.problems={options.asked}",
            f"trainer.learning_rate={options.rate}",
            "verifier.groups=1",
            "verifier.rollouts=1",
            "verifier.most_steps=1",
            f"evaluation.ladder={options.ladder}",
            "parity.every=0",
            *options.set,
        ]
        played = play_until(load(Run, None, settings))
        rows = [{"validation": row["validation"], "metrics": row["metrics"]} for row in played.rows]
        return {"seed": seed, "rows": rows, "flops": played.flops}

    return arms.once(
        options.out / f"{options.reward}-{seed}.json", work, lambda found: str(found["rows"][-1]["validation"])
    )


def said(cells: Sequence[dict[str, Any]]) -> str:
    """One line a round, means over seeds; the last column says how the newest verifier does on each round's provers."""
    rounds, rows = len(cells[0]["rows"]), []
    for at in range(rounds):
        here = [cell["rows"][at] for cell in cells]
        right = [arms.mean([y for name, y in row["validation"].items() if name != "mean"]) for row in here]
        shares = [[row["metrics"].get(name) for row in here] for name in SHOWN]
        cells_of = [arms.percent(arms.over_seeds(some)) for some in (right, *shares)]
        pairs = [arms.mean([row["metrics"].get(f"prover/pairs of round {k}") for row in here]) for k in range(at)]
        rows.append([str(at), *cells_of, ", ".join(map(arms.percent, pairs))])
    header = [
        "after round",
        "validation, %",
        "helpful right, %",
        "sneaky wrong, %",
        "unseen provers, %",
        "newest verifier by provers of round, %",
    ]
    return arms.markdown(header, rows)


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, out="runs/provers", seeds=5)
    arms.settable(parser)
    parser.add_argument("--problems", default="arithmetic,countdown")
    parser.add_argument("--reward", choices=("cgc", "src"), default="cgc")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--asked", type=int, default=24, help="questions an update, both roles together")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--ladder", type=int, default=64, help="validation problems a family")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
