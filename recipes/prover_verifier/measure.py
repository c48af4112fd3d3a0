"""A prover-verifier game on the embedded model: who wins, and what the verifier learns. See README.md.

    python recipes/prover_verifier/measure.py --out runs/provers [--seeds 1] [--rounds 5] [--reward cgc]

A seed is one `ponder run` with `provers.enabled=true`; a finished one is not run again. Written: `results.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import ponder
from ponder.api.machine import set_threads
from ponder.runlog import environment
from ponder.runlog.files import write_json

SHOWN = ("prover/helpful_right", "prover/sneaky_wrong", "prover/unseen")


def main() -> None:
    options = _options()
    set_threads(options.threads)
    runs = [_run(options, seed) for seed in range(options.seeds)]
    results = {
        "settings": {name: str(value) for name, value in vars(options).items()},
        "runs": runs,
        "revision": environment.revision(),
        "machine": environment.machine("cpu"),
    }
    write_json(options.out / "results.json", results)
    print(table(runs))


def _run(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    folder: Path = options.out / f"{options.reward}-seed{seed}"
    settings = [
        f"seed={seed}",
        f"problems={options.problems.split(',')}",
        "provers.enabled=true",
        f"provers.reward={options.reward}",
        f"rounds={options.rounds}",
        f"updates={options.updates}",
        f"sampling.problems={options.asked}",
        "control.enabled=false",
        "control.rejection=false",
        "keep_policies=false",
        "evaluation.problems=100",
        "evaluation.pool_problems=8",
        "evaluation.pool_samples=4",
        "evaluation.beam_problems=2",
        "evaluation.unsolved_problems=8",
        "evaluation.unsolved_tries=2",
        "evaluation.budgets=[128]",
    ]
    if not (folder / "summary.json").exists():
        begun = (folder / "config.toml").exists()
        ponder.train(out=folder, settings=() if begun else settings, resume=begun)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    kept = [{"validation": row["validation"], "metrics": row["metrics"]} for row in rows if row["round"] >= 0]
    return {"seed": seed, "rounds": kept}


def table(runs: list[dict[str, Any]]) -> str:
    """One line a round, means over seeds; the last columns say how the newest verifier does on each round's provers."""
    rounds = len(runs[0]["rounds"])
    lines = [
        "| round | validation | helpful right | sneaky wrong | unseen provers | newest verifier by provers of round |",
        "|---|---|---|---|---|---|",
    ]
    for at in range(rounds):
        rows = [run["rounds"][at] for run in runs]
        cells = [_mean([row["validation"]["mean"] for row in rows])]
        cells += [_mean([row["metrics"][name] for row in rows if name in row["metrics"]]) for name in SHOWN]
        pairs = [_mean([r["metrics"].get(f"prover/pairs of round {k}") for r in rows]) for k in range(at + 1)]
        lines.append(f"| {at} | {' | '.join(map(_shown, cells))} | {', '.join(map(_shown, pairs))} |")
    return "\n".join(lines)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A prover-verifier game.")
    parser.add_argument("--out", type=Path, default=Path("runs/provers"))
    parser.add_argument("--problems", default="arithmetic,countdown")
    parser.add_argument("--reward", choices=("cgc", "src"), default="cgc")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--asked", type=int, default=24, help="questions an update, both roles together")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
