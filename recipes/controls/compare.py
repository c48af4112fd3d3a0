"""What a true reward is worth: the same run with rewards that know nothing, and with no reinforcement learning at all.

    python recipes/controls/compare.py --out runs/controls [--arms outcome,random,...] [--seeds 5] [--quick]

Every arm spends the floating-point work of the arm `outcome` of the same seed, sampling included. A finished arm is a
file and is not run again. Accuracy is of test problems, one answer each at temperature 1; `base, best temperature`
chooses on validation problems. pass@k is of the same test problems for the base and for every trained arm in `--pass`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.api.training.bare import play_until
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import mean_interval
from ponder.evaluation.metrics import pass_at_k
from ponder.learning.policy import PolicyTrainer
from ponder.losses.cloning import Cloning
from ponder.protocols import Family
from ponder.rollout.collect import collect
from ponder.runlog import environment
from ponder.runlog.files import write_json
from ponder.seeds import derive_seed
from ponder.selfplay import control
from ponder.selfplay.config import Run
from ponder.selfplay.measure import TEMPERATURES
from ponder.types import Problem

ARMS: dict[str, tuple[str, ...]] = {
    "outcome": (),
    "random reward": ("rewards=[{kind='random'}]",),
    "majority vote": ("rewards=[{kind='majority'}]",),
    "format alone": ("rewards=[{kind='format', weight=1.0}]",),
    "rejection sampling": ("algorithm.kind=rejection", "loss.kind=cloning"),
    "cloning": (),
    "base": (),
    "base, best temperature": (),
}
KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# Rounds, updates, problems an update, test problems a family, problems a family for pass@k.
SIZES = {"full": (6, 4, 36, 300, 30), "quick": (3, 2, 9, 40, 4)}


def main() -> None:
    options = _options()
    set_threads(options.threads)
    names = [name.strip() for name in options.arms.split(",")] if options.arms else list(ARMS)
    cells: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        budget = _cell("outcome", seed, options, None)["flops"]
        for name in names:
            cells.append(_cell(name, seed, options, budget))
            write_json(options.out / "results.json", {"machine": environment.machine("cpu"), "arms": table(cells)})
            (options.out / "results.md").write_text(said(table(cells)), encoding="utf-8")
    print(said(table(cells)))


def _cell(name: str, seed: int, options: argparse.Namespace, budget: float | None) -> dict[str, Any]:
    """One arm with one seed, played or read."""
    file: Path = options.out / f"{name.replace(' ', '_').replace(',', '')}-{seed}.json"
    if file.is_file():
        known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return known
    started = time.monotonic()
    config = _config(name, seed, options, longer=budget is not None)
    families = load_families(config.problems)
    found: dict[str, Any] = {"arm": name, "seed": seed}
    if name.startswith("base"):
        policy = load_policy(config.model)
        found |= {"flops": 0.0}
    elif name == "cloning":
        policy, flops = _cloned(config, families, budget or 0.0)
        found |= {"flops": flops}
    else:
        played = play_until(config) if budget is None else play_until(config, flops=budget)
        policy = played.start.policy
        found |= {"flops": played.flops, "rewards": [_paid(row) for row in played.rows[1:]]}
    found |= _measured(policy, families, name, seed, options)
    found["seconds"] = time.monotonic() - started
    write_json(file, found)
    print(f"{name} seed {seed}: {sum(found['test']) / len(found['test']):.3f} in {found['seconds']:.0f} s", flush=True)
    return found


def _config(name: str, seed: int, options: argparse.Namespace, *, longer: bool) -> Run:
    rounds, updates, problems, _, _ = SIZES["quick" if options.quick else "full"]
    sizes = [f"rounds={rounds * (4 if longer else 1)}", f"updates={updates}", f"sampling.problems={problems}"]
    # The verifier has no part here: one group of labels a round keeps it cheap.
    quiet = ["verifier.groups=1", "verifier.rollouts=1", "verifier.most_steps=1", "evaluation.ladder=2"]
    return load(Run, None, [f"seed={seed}", *sizes, *quiet, *ARMS[name]])


def _paid(row: dict[str, Any]) -> dict[str, float]:
    """Solve rate and mean reward of a round: a vote that rises alone is the trap."""
    rates = list(row["solve_rate"].values())
    paid = {name: value for name, value in row["metrics"].items() if name.startswith("reward/")}
    return {"solve_rate": sum(rates) / len(rates) if rates else 0.0, **paid}


def _cloned(config: Run, families: Sequence[Family], flops: float) -> tuple[Policy, float]:
    """The base, taught by careful demonstrations for this much work."""
    policy = load_policy(config.model)
    settings = config.trainer.model_copy(update={"learning_rate": config.control.learning_rate})
    trainer = PolicyTrainer(policy.model, settings, Cloning(), seed=config.seed)
    report = control.clone(
        trainer,
        policy.codec,
        families,
        flops=flops,
        settings=config.control,
        seed=derive_seed("control", config.seed) % 2**31,
        tell=lambda *_: None,
    )
    policy.engine.replace_weights(trainer.weights(), policy.engine.version + 1)
    return policy, report.flops


def _measured(
    policy: Policy, families: Sequence[Family], name: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Test outcomes one by one; for arms in `--pass` the number of right ones among 256 answers a problem."""
    *_, test, few = SIZES["quick" if options.quick else "full"]
    temperature = 1.0
    with ground_truth(families) as truth:

        def outcomes(problems: list[Problem], size: int, at: float, draw: str) -> list[list[float]]:
            groups = run_async(
                collect(
                    problems,
                    policy.at(at),
                    truth.grade,
                    group_size=size,
                    max_tokens=400,
                    seed=derive_seed(draw, seed),
                )
            )
            return [[outcome for _, outcome in group.judged] for group in groups]

        if name == "base, best temperature":
            tried = draw_problems(families, "validation", max(8, test // 5), 0)
            scores = {t: _mean(_flat(outcomes(tried, 1, t, "tune"))) for t in (*TEMPERATURES, 1.0)}
            temperature = max(scores, key=lambda t: scores[t])
        problems = draw_problems(families, "test", test, 0)
        found: dict[str, Any] = {
            "temperature": temperature,
            "test": _flat(outcomes(problems, 1, temperature, "test")),
        }
        if name in [part.strip() for part in options.passes.split(",")]:
            pool = outcomes(draw_problems(families, "test", few, 1), max(KS), 1.0, "pass")
            found["right_of_256"] = [[sum(tries), len(tries)] for tries in pool]
    return found


def table(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row an arm: accuracy with its interval over test problems (all seeds), and pass@k."""
    rows = []
    for name in dict.fromkeys(cell["arm"] for cell in cells):
        mine = [cell for cell in cells if cell["arm"] == name]
        found = mean_interval([list(ys) for ys in zip(*(cell["test"] for cell in mine), strict=True)])
        assert found is not None
        counts = [pair for cell in mine for pair in cell.get("right_of_256", [])]
        rows.append(
            {
                "arm": name,
                "seeds": [_mean(cell["test"]) for cell in mine],
                "accuracy": {"y": found.y, "low": found.low, "high": found.high},
                "temperature": mine[0]["temperature"],
                "pass_at_k": {k: _mean([pass_at_k(n, int(c), k) or 0.0 for c, n in counts]) for k in KS if counts},
                "rewards": mine[-1].get("rewards"),
            }
        )
    return rows


def said(rows: list[dict[str, Any]]) -> str:
    """Both tables as Markdown."""
    lines = ["| arm | test accuracy (95 % over problems) | seeds | reward, first to last round |", "|---|---|---|---|"]
    for row in rows:
        y = row["accuracy"]
        text = f"{100 * y['y']:.1f} ({100 * y['low']:.1f} to {100 * y['high']:.1f})"
        paid = row["rewards"] or []
        kind = next((name for name in (paid[0] if paid else {}) if name.startswith("reward/")), "")
        shown = f"{paid[0][kind]:.2f} to {paid[-1][kind]:.2f}" if kind else "-"
        seeds = ", ".join(f"{100 * seed:.1f}" for seed in row["seeds"])
        lines.append(f"| {row['arm']} (T {row['temperature']:g}) | {text} | {seeds} | {shown} |")
    known = [row for row in rows if row["pass_at_k"]]
    if known:
        lines += ["", "| pass@k | " + " | ".join(str(k) for k in KS) + " |", "|---" * (1 + len(KS)) + "|"]
        for row in known:
            lines.append(f"| {row['arm']} | " + " | ".join(f"{100 * row['pass_at_k'][k]:.1f}" for k in KS) + " |")
    return "\n".join(lines) + "\n"


def _flat(tries: Sequence[Sequence[float]]) -> list[float]:
    return [outcome for some in tries for outcome in some]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", default="", help=f"comma-separated, of: {'; '.join(ARMS)}")
    parser.add_argument("--pass", dest="passes", default="base,outcome", help="arms whose pass@k to 256 is measured")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="3 rounds of 2 updates on 9 problems, 40 test problems")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
