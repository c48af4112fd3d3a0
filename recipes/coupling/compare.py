"""Does the verifier in the reward help the policy, and does the policy's growth help the verifier? See README.md.

    python recipes/coupling/compare.py --out runs/coupling [--arms outcome,both,...] [--seeds 5] [--quick]

Every arm spends the floating-point work of the arm `outcome` of the same seed, labels, scores and searches included. A
finished arm is a file and is not run again. Written: one JSON file an arm and seed, `results.json`, and a table.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from ponder.algorithms import ALGORITHMS
from ponder.api.machine import set_threads
from ponder.api.training.bare import Played, at_work, mean_of, play_until
from ponder.config import load
from ponder.evaluation.audit.calibration import auc
from ponder.evaluation.intervals import mean_interval
from ponder.runlog import environment
from ponder.runlog.files import write_json
from ponder.selfplay.config import Run
from ponder.selfplay.presets.methods import METHODS

ARMS: dict[str, tuple[str, ...]] = {
    "outcome": (),
    "difference": ("coupling.kind=both", "coupling.shape=difference"),
    "score": ("coupling.kind=both", "coupling.shape=score"),
    "minimum": ("coupling.kind=both", "coupling.shape=minimum"),
    "verifier alone": METHODS["process_only"][2],
    "prime": ("algorithm.kind=prime",),
    "rest_mcts": METHODS["rest_mcts"][2],
    "unified": METHODS["unified"][2],
    # The policy stands still, so that what the verifier gains from a growing one can be told apart.
    "frozen policy": ("trainer.learning_rate=1e-12",),
}
SIZES = {"full": (6, 4, 36, 64), "quick": (3, 2, 9, 12)}  # rounds, updates, problems an update, validation problems


def main() -> None:
    options = _options()
    set_threads(options.threads)
    names = [name.strip() for name in options.arms.split(",")] if options.arms else list(ARMS)
    cells: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        reference = _cell("outcome", seed, options, None)
        budget = reference["rows"][-1]["flops"]
        for name in names:
            if name == "prime" and "prime" not in ALGORITHMS.classes:
                continue
            cells.append(reference if name == "outcome" else _cell(name, seed, options, budget))
            arms = table(cells)
            results = {"settings": _settings(options), "machine": environment.machine("cpu"), "arms": arms}
            write_json(options.out / "results.json", results)
            (options.out / "results.md").write_text(said(arms), encoding="utf-8")
    print(said(table(cells)))


def _cell(name: str, seed: int, options: argparse.Namespace, budget: float | None) -> dict[str, Any]:
    """One arm with one seed, played or read."""
    file: Path = options.out / f"{name.replace(' ', '_')}-{seed}.json"
    if file.is_file():
        known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return known
    rounds, updates, problems, ladder = SIZES["quick" if options.quick else "full"]
    # An arm whose rounds are cheap (a frozen policy, a fine-tuning) gets as many as the work of the reference buys.
    config = load(
        Run,
        None,
        [
            f"seed={seed}",
            f"rounds={rounds if budget is None else 4 * rounds}",
            f"updates={updates}",
            f"sampling.problems={problems}",
            f"verifier.groups={problems}",
            f"evaluation.ladder={ladder}",
            *ARMS[name],
        ],
    )
    started = time.monotonic()
    played = play_until(config) if budget is None else play_until(config, flops=budget)
    rows = [{key: row.get(key) for key in ("flops", "validation", "agreement", "entropy")} for row in played.rows]
    found = {
        "arm": name,
        "seed": seed,
        "budget": played.flops if budget is None else budget,
        "rows": rows,
        "first": mean_of(rows[0]),
        "final": at_work(rows, played.flops if budget is None else budget),
        "only_verifier": (rows[-1]["agreement"] or {}).get("only_verifier"),
        "verifier": judged(played),
        "seconds": time.monotonic() - started,
    }
    write_json(file, found)
    print(f"{name} seed {seed}: {found['first']:.3f} -> {found['final']:.3f} in {found['seconds']:.0f} s", flush=True)
    return found


def judged(played: Played) -> dict[str, float | None]:
    """AUC of the final verifier on validation answers of the first policy, of the last, and of all policies of the run.

    The answers were never trained on. A verifier that learned from a policy which grew has seen both kinds.
    """
    parts = {"first": played.ladders[:1], "last": played.ladders[-1:], "all": played.ladders}
    found: dict[str, float | None] = {}
    for name, ladders in parts.items():
        pairs = [pair for groups in ladders for group in groups for pair in group.judged]
        verdicts = played.play.verifier.score([trajectory for trajectory, _ in pairs])
        scores = [verdict.score if verdict.score is not None else 0.5 for verdict in verdicts]
        found[name] = auc(scores, [outcome for _, outcome in pairs])
    return found


def table(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row an arm: the mean over seeds with its interval, and the difference to the arm outcome seed by seed."""
    reference = {cell["seed"]: cell["final"] for cell in cells if cell["arm"] == "outcome"}
    rows = []
    for name in dict.fromkeys(cell["arm"] for cell in cells):
        mine = [cell for cell in cells if cell["arm"] == name]
        gains = [cell["final"] - reference[cell["seed"]] for cell in mine if cell["seed"] in reference]
        verifier = {
            part: _mean([cell["verifier"][part] for cell in mine if cell["verifier"][part] is not None])
            for part in ("first", "last", "all")
        }
        rows.append(
            {
                "arm": name,
                "seeds": len(mine),
                "final": _interval([cell["final"] for cell in mine]),
                "gain": _interval(gains),
                "only_verifier": _mean([c["only_verifier"] for c in mine if c["only_verifier"] is not None]),
                "verifier": verifier,
                "seconds": _mean([cell["seconds"] for cell in mine]),
            }
        )
    return rows


def said(rows: list[dict[str, Any]]) -> str:
    """The table as Markdown."""
    lines = [
        (
            "| arm | seeds | accuracy at equal work | against outcome alone | only the verifier likes | "
            "AUC of its verifier on answers of the first / last / all policies |"
        ),
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        aucs = " / ".join(_shown(row["verifier"][part], "{:.3f}") for part in ("first", "last", "all"))
        cells = [row["arm"], str(row["seeds"]), _range(row["final"]), _range(row["gain"], "{:+.1f}")]
        lines.append("| " + " | ".join([*cells, _shown(row["only_verifier"], "{:.1%}"), aucs]) + " |")
    return "\n".join(lines) + "\n"


def _interval(values: list[float]) -> dict[str, float] | None:
    """The mean over seeds; the interval (95 %, over seeds) only where there are several."""
    if not values:
        return None
    mean = sum(values) / len(values)
    if len(values) == 1:
        return {"y": mean}
    found = mean_interval(values, bounds=(-1.0, 1.0))
    assert found is not None
    return {"y": found.y, "low": found.low, "high": found.high}


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _range(found: dict[str, float] | None, form: str = "{:.1f}") -> str:
    if found is None:
        return "-"
    text = form.format(100 * found["y"])
    return f"{text} ({100 * found['low']:.1f} to {100 * found['high']:.1f})" if "low" in found else text


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if name != "out"}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", default="", help=f"comma-separated, of: {', '.join(ARMS)}")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="3 rounds of 2 updates on 9 problems")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
