"""Self-play of two-seat games from a base that knows the rules: how strong it gets. See README.md.

    python recipes/games/measure.py --out runs/games --base build/games/base [--seeds 1] [--rounds 8]

A seed is one `ponder run` with `environment.kind=match`; a finished one is not run again. Written: `results.json`.
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

MEASURED = ("nim/against random", "nim/against perfect", "tictactoe/against random", "tictactoe/against perfect")
POKER = ("kuhn/against random", "kuhn/against perfect", "kuhn/exploitability", "kuhn/value", "kuhn/illegal")


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
    """One run; returns the rows of its rounds."""
    folder: Path = options.out / f"{options.algorithm}-seed{seed}"
    settings = [
        f"model={options.base}",
        f"seed={seed}",
        f"problems={options.games.split(',')}",
        "environment.kind=match",
        f"algorithm.kind={options.algorithm}",
        f"rounds={options.rounds}",
        f"updates={options.updates}",
        f"sampling.problems={options.problems}",
        f"sampling.group_size={options.matches}",
        "sampling.max_tokens=120",
        f"trainer.learning_rate={options.rate}",
        "verifier.groups=4",
        "control.enabled=false",
        "control.rejection=false",
        "keep_policies=false",
        "evaluation.problems=100",
        "evaluation.ladder=60",
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
    return {
        "seed": seed,
        "rounds": [
            {"round": row["round"], "validation": row["validation"], "metrics": row.get("metrics", {})} for row in rows
        ],
    }


def table(runs: list[dict[str, Any]]) -> str:
    """One line a round, means over seeds: perfect moves by game, then what was measured against fixed opponents."""
    names = [name for name in (*MEASURED, *POKER) if name in runs[0]["rounds"][-1]["metrics"]]
    games = [name for name in runs[0]["rounds"][0]["validation"] if name != "mean"]
    lines = ["| round | " + " | ".join([f"{game}: perfect moves" for game in games] + names) + " |"]
    lines.append("|---" * (1 + len(games) + len(names)) + "|")
    for at, row in enumerate(runs[0]["rounds"]):
        rows = [run["rounds"][at] for run in runs]
        cells = [f"{_mean([r['validation'][game] for r in rows]):.3f}" for game in games]
        cells += [f"{_mean([r['metrics'][name] for r in rows]):.3f}" for name in names]
        lines.append("| " + " | ".join([str(row["round"] + 1), *cells]) + " |")
    return "\n".join(lines)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Self-play of two-seat games.")
    parser.add_argument("--out", type=Path, default=Path("runs/games"))
    parser.add_argument("--base", type=Path, default=Path("build/games/base"))
    parser.add_argument("--games", default="nim,tictactoe,kuhn")
    parser.add_argument("--algorithm", default="role_baseline")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--problems", type=int, default=24, help="starts of matches an update")
    parser.add_argument("--matches", type=int, default=4, help="matches from each start")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
