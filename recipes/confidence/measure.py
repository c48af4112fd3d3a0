"""Confidence-filtered voting against the plain vote, points per doubling, and accuracy by natural length.

One file a policy and seed, so a run that is stopped goes on where it was. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ponder.api.machine import set_threads
from ponder.api.policies import load_policy
from ponder.api.problems import ground_truth, load_families
from ponder.api.verifiers.loading import load_verifier
from ponder.evaluation.curves import scaling as curves
from ponder.evaluation.curves.doubling import doubling, steps
from ponder.evaluation.intervals import Interval, ratio_interval
from ponder.evaluation.pools.drawing import draw_pool
from ponder.evaluation.pools.pool import Live, Pool
from ponder.evaluation.pools.runs import ProblemRuns, Runs, replay, run_live
from ponder.evaluation.suite import build_suite
from ponder.evaluation.verifier_gain import paired_gain
from ponder.runlog.files import write_json
from ponder.search.registry import make
from ponder.seeds import derive_seed
from ponder.selfplay.measure import first_of_each, harder
from ponder.types import PonderError, Usage

BUDGETS = (160, 400, 1000, 2500)
MAX_TOKENS = 400
REPLAYED: dict[str, tuple[str, dict[str, Any]]] = {
    "vote": ("vote", {}),
    "confidence-weighted, all kept": ("deepconf", {"keep": 1.0}),
    "surest 90 %": ("deepconf", {"keep": 0.9}),
    "surest 50 %": ("deepconf", {"keep": 0.5}),
    "surest 10 %": ("deepconf", {"keep": 0.1}),
    "weighted vote (verifier)": ("weighted_vote", {}),
}
ONLINE: dict[str, tuple[str, dict[str, Any]]] = {
    "vote, live": ("vote", {}),
    "online, 90 %": ("deepconf_online", {"keep": 0.9, "warm": 8, "every": 8}),
    "online, 10 %": ("deepconf_online", {"keep": 0.1, "warm": 8, "every": 8}),
}
BUCKETS = 6


@dataclass(frozen=True)
class Sizes:
    """Problems a family and seed, how many of them are run live, and seeds."""

    problems: int
    live: int
    seeds: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a finished run: RUN/model and RUN/verifier")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", default="base,trained")
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--live", type=int, default=20, help="problems a family on which chains are stopped early")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args()
    set_threads(asked.threads)
    sizes = Sizes(asked.problems, asked.live, asked.seeds)
    for arm in asked.arms.split(","):
        for seed in range(sizes.seeds):
            path = asked.out / f"{arm}-{seed}.json"
            if not path.exists():
                started = time.monotonic()
                write_json(path, {**measured(arm, asked.run, sizes, seed), "seconds": time.monotonic() - started})
                print(f"{path.name}: {time.monotonic() - started:.0f} s", flush=True)
        show(arm, [json.loads(p.read_text()) for p in sorted(asked.out.glob(f"{arm}-*.json"))])


def measured(arm: str, run: Path, sizes: Sizes, seed: int) -> dict[str, Any]:
    """All runs of one policy and seed, and its samples by length."""
    families = load_families(["arithmetic", "cipher", "countdown"])
    families = harder(families, 1) if arm == "trained" else families
    with ground_truth(families) as truth:
        policy = load_policy("tiny" if arm == "base" else str(run / "model"))
        live = Live(policy.propose, policy.codec.decode, truth.grade, load_verifier(run / "verifier", policy))
        problems = build_suite(families, sizes.problems, split="test", seed=seed).problems
        pool = asyncio.run(draw_pool(problems, live, budget=max(BUDGETS), max_tokens=MAX_TOKENS, seed=seed))
        found: dict[str, list[Any]] = {}
        for budget in BUDGETS:
            for label, (name, params) in REPLAYED.items():
                made = make(name, max_tokens=MAX_TOKENS, **params)
                found.setdefault(label, []).append(
                    asdict(asyncio.run(replay(label, made, pool, budget, seed=derive_seed("confidence", seed))))
                )
            few = first_of_each(problems, sizes.live)
            for label, (name, params) in ONLINE.items():
                made = make(name, max_tokens=MAX_TOKENS, **params)
                lived = run_live(label, made, few, live, budget, seed=derive_seed("online", seed))
                found.setdefault(label, []).append(asdict(asyncio.run(lived)))
    return {"sizes": asdict(sizes), "runs": found, "samples": samples(pool)}


def samples(pool: Pool) -> list[dict[str, Any]]:
    """Every sample's length and outcome, by problem."""
    return [
        {"family": e.problem.family, "samples": [[len(d.trajectory), d.outcome or 0.0] for d in e.draws]}
        for e in pool.entries
    ]


def show(arm: str, seeds: Sequence[Mapping[str, Any]]) -> None:
    """The tables that the README quotes; the problems of all seeds together."""
    runs = {label: joined([s["runs"][label] for s in seeds]) for label in seeds[0]["runs"]}
    print(f"\n## {arm}: {len(runs['vote'][0].problems)} problems, {len(seeds)} seeds\n")
    print("| | " + " | ".join(map(str, BUDGETS)) + " |\n" + "|---" * (len(BUDGETS) + 1) + "|")
    for label, some in runs.items():
        against = runs["vote, live" if label in ONLINE else "vote"]
        cells = []
        for one, vote in zip(some, against, strict=True):
            accuracy = curves.accuracy_interval(one)
            gain = paired_gain(vote, one)
            assert accuracy is not None and gain is not None
            beside = "" if one.strategy.startswith("vote") else f", {points(gain)}"
            cells.append(f"{100 * accuracy.y:.1f} ({curves.mean_spent(one):.0f}){beside}")
        print(f"| {label} | " + " | ".join(cells) + " |")
    for label in ("vote", "surest 50 %", "weighted vote (verifier)"):
        whole, parts = doubling(runs[label]), steps(runs[label])
        told = "; ".join(f"{p.start:.0f} to {p.end:.0f}: {points(p.points)}" for p in [whole, *parts] if p)
        print(f"- points per doubling, {label}: {told}")
    for family, line in natural([row for s in seeds for row in s["samples"]]).items():
        shown = ", ".join(f"{x:.0f} tokens {100 * i.y:.1f} ({100 * i.low:.1f} to {100 * i.high:.1f})" for x, i in line)
        print(f"- single samples by length, {family}: {shown}")


def joined(seeds: Sequence[Sequence[Mapping[str, Any]]]) -> list[Runs]:
    """One entry a budget with the problems of all seeds, which differ."""
    merged = []
    for place in range(len(BUDGETS)):
        some = [runs_of(runs[place], f"{seed}/") for seed, runs in enumerate(seeds)]
        merged.append(Runs(some[0].strategy, some[0].budget, tuple(p for one in some for p in one.problems)))
    return merged


def runs_of(data: Mapping[str, Any], prefix: str) -> Runs:
    problems = tuple(
        ProblemRuns(prefix + p["id"], p["family"], tuple(p["outcomes"]), tuple(Usage(**u) for u in p["usages"]))
        for p in data["problems"]
    )
    return Runs(data["strategy"], data["budget"], problems)


def natural(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, Interval]]]:
    """Accuracy by length in buckets of equally many samples, of each family and of all: nobody chose the length."""
    found = {}
    for family in (*dict.fromkeys(row["family"] for row in rows), "all"):
        chosen = [row["samples"] for row in rows if family in ("all", row["family"])]
        flat = sorted((length, problem, y) for problem, some in enumerate(chosen) for length, y in some)
        line = []
        for part in range(BUCKETS):
            some = flat[part * len(flat) // BUCKETS : (part + 1) * len(flat) // BUCKETS]
            sums, counts = [0.0] * len(chosen), [0.0] * len(chosen)
            for _, problem, y in some:
                sums[problem] += y
                counts[problem] += 1
            interval = ratio_interval(sums, counts)
            if interval is not None:
                line.append((sum(length for length, _, _ in some) / len(some), interval))
        found[family] = line
    return found


def points(gain: Interval) -> str:
    return f"{100 * gain.y:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    try:
        main()
    except PonderError as error:
        raise SystemExit(f"error: {error}") from None
