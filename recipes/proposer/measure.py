"""Problems that the policy proposes against problems that a curriculum generates, for equal work. See README.md.

    python recipes/proposer/measure.py --base build/proposer/base --out runs/proposer [--seeds 2] [--rounds 4]

For each seed the curriculum plays `--rounds` rounds; the proposer plays rounds until it has done as many floating-point
operations (its proposals included), so it may end up to one round above. Measured on test problems at the families' own
level, one and two levels up. A finished cell is a file and is not run again. Written: `results.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.policies import load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import paired_interval
from ponder.evaluation.suite import build_suite
from ponder.protocols import Levelled
from ponder.rollout.collect import collect
from ponder.runlog import environment
from ponder.runlog.files import write_json
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from ponder.selfplay.curriculum import Curriculum
from ponder.selfplay.loop import SelfPlay
from ponder.selfplay.proposer.make import source_of
from ponder.selfplay.roles import Generator, Verifier, policy_trainer

FAMILIES = "arithmetic,cipher,countdown"
ARMS = ("curriculum", "proposer")
UP = (0, 1, 2)


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        work = None
        for arm in ARMS:
            cells.append(_cell(arm, seed, work, options))
            work = cells[-1]["flops"] if arm == "curriculum" else work
    results = {
        "settings": {name: str(value) for name, value in vars(options).items()},
        "cells": cells,
        "revision": environment.revision(),
        "machine": environment.machine("cpu"),
    }
    write_json(options.out / "results.json", results)
    print(table(cells))


def _cell(arm: str, seed: int, work: float | None, options: argparse.Namespace) -> dict[str, Any]:
    file = options.out / f"{arm}-seed{seed}.json"
    if not file.exists():
        started = time.monotonic()
        found = _play(arm, seed, work, options)
        write_json(file, {"arm": arm, "seed": seed, "seconds": time.monotonic() - started, **found})
        print(f"{file.name}: {time.monotonic() - started:.0f} s", flush=True)
    cell: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return cell


def _play(arm: str, seed: int, work: float | None, options: argparse.Namespace) -> dict[str, Any]:
    """Rounds of self-play with this source of problems; outcomes on test problems before and after."""
    config = Run.model_validate(
        {
            "model": str(options.base),
            "seed": seed,
            "rounds": options.rounds,
            "updates": options.updates,
            "source": {"kind": arm, **({"share": options.share} if arm == "proposer" else {})},
            "sampling": {"problems": options.problems},
            "verifier": {"groups": 1, "rollouts": 1, "most_steps": 1},  # it has no part in this measurement
        }
    )
    families = load_families(FAMILIES)
    policy = load_policy(str(options.base))
    verifier = Verifier(policy.model, policy.propose, config)
    generator = Generator(policy_trainer(policy.model, config), policy.propose, policy.engine, policy.model)
    rest = Curriculum(families, seed=seed, **config.curriculum.model_dump())
    source = source_of(config.source, families, policy.propose, rest, seed=seed, other=lambda _: policy.propose)
    ladder = build_suite(families, 8, split="validation", seed=seed).problems
    with ground_truth(families) as truth:

        def measured(up: int) -> dict[str, list[float]]:
            some = [f.at_level(f.level + up) for f in families if isinstance(f, Levelled)]
            problems = draw_problems(some, "test", options.test, 0)
            seeded = derive_seed("test", seed, up)
            drawn = collect(problems, policy.propose, truth.grade, group_size=1, max_tokens=400, seed=seeded)
            found: dict[str, list[float]] = {}
            for group in run_async(drawn):
                found.setdefault(group.problem.family, []).append(group.solve_rate or 0.0)
            return found

        base = [measured(up) for up in UP]
        play = SelfPlay(config, generator, verifier, source, truth.grade, ladder, run_async, lambda *_: None)
        rows: list[dict[str, Any]] = []
        while len(rows) < options.rounds if work is None else play.ledger.flops < work:
            rows.append(play.play(len(rows)))
        return {
            "base": base,
            "final": [measured(up) for up in UP],
            "flops": play.ledger.flops,
            "rounds": [{"metrics": row["metrics"], "levels": row["levels"], "flops": row["flops"]} for row in rows],
        }


def table(cells: Sequence[dict[str, Any]]) -> str:
    """Means over families and seeds, and the difference on the same problems with its interval over problems."""
    lines = ["| level | base | curriculum | proposer | proposer less curriculum |", "|---|---|---|---|---|"]
    for at, up in enumerate(UP):
        found = {arm: _pooled([c["final"][at] for c in cells if c["arm"] == arm]) for arm in ARMS}
        base = _mean(_pooled([c["base"][at] for c in cells if c["arm"] == "curriculum"]))
        gap = paired_interval(found["curriculum"], found["proposer"])
        assert gap is not None
        both = " | ".join(f"{100 * _mean(found[arm]):.1f}" for arm in ARMS)
        lines.append(
            f"| +{up} | {100 * base:.1f} | {both} | {100 * gap.y:+.1f} ({100 * gap.low:.1f} to {100 * gap.high:.1f}) |"
        )
    work = {arm: sum(c["flops"] for c in cells if c["arm"] == arm) for arm in ARMS}
    lines.append(f"\nwork of the proposer over the curriculum's: {work['proposer'] / work['curriculum']:.3f}")
    return "\n".join(lines)


def _pooled(found: Sequence[dict[str, list[float]]]) -> list[list[float]]:
    """A list for each test problem: its outcomes over seeds."""
    return [list(ys) for family in found[0] for ys in zip(*(one[family] for one in found), strict=True)]


def _mean(values: Sequence[Sequence[float]]) -> float:
    flat = [value for some in values for value in some]
    return sum(flat) / len(flat)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A proposer against a level curriculum.")
    parser.add_argument("--out", type=Path, default=Path("runs/proposer"))
    parser.add_argument("--base", type=Path, default=Path("build/proposer/base"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--updates", type=int, default=3)
    parser.add_argument("--problems", type=int, default=24)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--test", type=int, default=100, help="test problems a family and level")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
