"""What each kind of made-to-order chain teaches, for equally many imitated tokens. See README.md.

    python recipes/factory/measure.py --out build/factory [--limit 120] [--tokens 150000]

Chains are made once by all methods on the same samples; for each method a fresh copy of the model is cloned on its
chains until `--tokens` response tokens were imitated, and answers test problems. Written: `results.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ponder.api import factory
from ponder.api.imitate import imitate
from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import mean_interval
from ponder.factory import parquet
from ponder.factory.work import TURN
from ponder.rollout.collect import collect
from ponder.runlog import environment
from ponder.runlog.files import write_json

ARMS: dict[str, tuple[str, ...]] = {
    "rejection": ("rejection",),
    "pivots": ("pivots",),
    "corrections": ("corrections",),
    "continuations": ("continuations",),
    "roles": ("roles",),
    "rejection + corrections": ("rejection", "corrections"),
    "rejection + pivots": ("rejection", "pivots"),
}


def main() -> None:
    options = _options()
    set_threads(options.threads)
    families = tuple(options.problems.split(","))
    made = options.out / factory.CHAINS
    if not made.exists():
        methods = tuple(dict.fromkeys(name for names in ARMS.values() for name in names))
        request = factory.Request(
            options.model, families, options.out, methods=methods, limit=options.limit, judge=options.judge
        )
        print(json.dumps({k: v for k, v in factory.make(request).items() if k in ("by_method", "tokens", "rounds")}))
    rows = parquet.read(made)
    results: dict[str, Any] = {"none": _accuracy(load_policy(options.model), families, options, turned=False)}
    for name, methods in ARMS.items():
        kept = [row for row in rows if row["method"] in methods]
        if len(kept) < options.least:
            results[name] = {"chains": len(kept)}
            print(name, results[name], flush=True)
            continue
        results[name] = _arm(kept, families, options)
        print(name, results[name], flush=True)
    extra = {"revision": environment.revision(), "machine": environment.machine("cpu")}
    settings = {name: str(value) for name, value in vars(options).items()}
    write_json(options.out / "results.json", {"settings": settings, "arms": results, **extra})
    print(table(results))


def _arm(rows: list[dict[str, Any]], families: tuple[str, ...], options: argparse.Namespace) -> dict[str, Any]:
    """A fresh copy cloned on these chains for the given number of tokens, and what it then can."""
    policy = load_policy(options.model)
    mean = sum(len(policy.codec.encode(row["response"])) + 1 for row in rows) / len(rows)
    steps = max(1, round(options.tokens / (mean * options.batch)))
    shown = factory.endless(parquet.shown(rows), options.seed)
    trainer = imitate(policy, shown, steps=steps, batch=options.batch, learning_rate=options.rate, seed=options.seed)
    policy.engine.replace_weights(trainer.weights(), policy.engine.version)
    found = _accuracy(policy, families, options, turned=True)
    return {"chains": len(rows), "mean_tokens": mean, "steps": steps, **found}


def _accuracy(
    policy: Policy, families: tuple[str, ...], options: argparse.Namespace, *, turned: bool
) -> dict[str, Any]:
    """One answer to each test problem: accuracy with its interval, mean tokens, and how often the answer turned."""
    some = load_families(families)
    problems = draw_problems(some, "test", options.test, 0)
    with ground_truth(some) as truth:
        drawn = collect(problems, policy.propose, truth.grade, group_size=1, max_tokens=400, seed=options.seed)
        groups = run_async(drawn)
    interval = mean_interval([group.solve_rate or 0.0 for group in groups])
    trajectories = [t for group in groups for t in group.trajectories]
    turns = sum(TURN.strip() in t.text for t in trajectories) / len(trajectories)
    return {
        "accuracy": asdict(interval) if interval else None,
        "tokens": sum(map(len, trajectories)) / len(trajectories),
        **({"turned": turns} if turned else {}),
    }


def table(results: dict[str, Any]) -> str:
    """One line an arm."""
    lines = ["| imitated | chains | accuracy | tokens an answer | answers with a turn |", "|---|---|---|---|---|"]
    for name, found in results.items():
        accuracy = found.get("accuracy")
        if accuracy is None:
            lines.append(f"| {name} | {found['chains']} | too few chains | | |")
            continue
        shown = f"{100 * accuracy['y']:.1f} ({100 * accuracy['low']:.1f} to {100 * accuracy['high']:.1f})"
        turned = f"{found['turned']:.1%}" if "turned" in found else "-"
        lines.append(f"| {name} | {found.get('chains', '-')} | {shown} | {found['tokens']:.0f} | {turned} |")
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ablation of chains made to order.")
    parser.add_argument("--out", type=Path, default=Path("build/factory"))
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--problems", default="arithmetic,cipher,countdown")
    parser.add_argument("--judge", default="rollouts")
    parser.add_argument("--limit", type=int, default=120, help="training problems a family")
    parser.add_argument("--tokens", type=int, default=150_000, help="response tokens that each arm imitates")
    parser.add_argument("--least", type=int, default=20, help="chains without which an arm is not run")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--test", type=int, default=100, help="test problems a family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
