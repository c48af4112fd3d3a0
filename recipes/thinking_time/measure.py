"""Thinking time on the embedded model: every strategy at every budget, the planner among them, cell by cell.

A cell is one (policy, seed, strategy, budget) and one file, so a run that is stopped goes on where it was. `--show`
prints the tables of the cells that are there. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ponder.api.machine import set_threads
from ponder.api.policies import load_policy
from ponder.api.problems import ground_truth, load_families
from ponder.api.verifiers.loading import load_verifier
from ponder.evaluation.curves import scaling as curves
from ponder.evaluation.curves.cheapness import cheapness
from ponder.evaluation.curves.doubling import doubling
from ponder.evaluation.curves.envelope import envelope
from ponder.evaluation.planning import fit, tabulate
from ponder.evaluation.pools.drawing import REPLAYABLE, draw_pool, replayable
from ponder.evaluation.pools.pool import Live, Pool
from ponder.evaluation.pools.runs import ProblemRuns, Runs, replay, run_live
from ponder.evaluation.suite import build_suite
from ponder.evaluation.verifier_gain import paired_gain
from ponder.protocols import Family
from ponder.runlog.files import write_json
from ponder.search.planner.table import as_data, read
from ponder.search.registry import make
from ponder.seeds import derive_seed
from ponder.selfplay.measure import first_of_each, harder
from ponder.types import PonderError, Usage

BUDGETS = (64, 160, 400, 1000, 2500, 6400)
MAX_TOKENS = 400
PROBES = 4
ORDERS = 4
FIXED = REPLAYABLE


@dataclass(frozen=True)
class Sizes:
    """What is measured: problems a family and seed, problems a family to fit the plan on, and those searched live."""

    problems: int
    fit: int
    live: int
    seeds: int
    strategies: tuple[str, ...]


@dataclass(frozen=True)
class Arm:
    """A policy with its verifier, on the families at the difficulty that leaves something to gain."""

    name: str
    model: str
    verifier: Path
    families: list[Family]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a finished run: RUN/model and RUN/verifier")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", default="base,trained")
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--fit", type=int, default=100)
    parser.add_argument("--live", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--searches", default="beam", help="strategies that are searched live")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long; run again to go on")
    parser.add_argument("--show", action="store_true", help="only print the tables")
    asked = parser.parse_args()
    if not asked.show:
        searches = tuple(name for name in asked.searches.split(",") if name)
        sizes = Sizes(asked.problems, asked.fit, asked.live, asked.seeds, searches)
        measure(asked, sizes, time.monotonic() + 60 * asked.minutes)
    for name in asked.arms.split(","):
        show(name, asked.out)


def measure(asked: argparse.Namespace, sizes: Sizes, deadline: float) -> None:
    """All cells that are not there yet."""
    if asked.run is None:
        raise SystemExit("--run RUN is needed: the folder of a finished `ponder run`")
    asked.out.mkdir(parents=True, exist_ok=True)
    known = asked.out / "sizes.json"
    if known.exists() and json.loads(known.read_text()) != json.loads(json.dumps(asdict(sizes))):
        raise SystemExit(f"{known} holds other sizes; give the same or another --out")
    if not known.exists():
        write_json(known, asdict(sizes))
    set_threads(asked.threads)
    for arm in arms(asked.run, asked.arms.split(",")):
        with ground_truth(arm.families) as truth:
            policy = load_policy(arm.model)
            live = Live(policy.propose, policy.codec.decode, truth.grade, load_verifier(arm.verifier, policy))
            plan = asked.out / f"plan-{arm.name}.json"
            if not plan.exists():
                write_json(plan, fitted(arm, live, sizes))
                print(f"{arm.name}: plan fitted", flush=True)
            for seed in range(sizes.seeds):
                for cell in cells(arm, live, sizes, seed, plan, asked.out):
                    print(cell, flush=True)
                    if time.monotonic() > deadline:
                        print("time is up; run the same command again to go on", flush=True)
                        return


def arms(run: Path, names: Sequence[str]) -> list[Arm]:
    families = load_families(["arithmetic", "cipher", "countdown"])
    both = {
        "base": Arm("base", "tiny", run / "verifier", families),
        "trained": Arm("trained", str(run / "model"), run / "verifier", harder(families, 1)),
    }
    return [both[name] for name in names]


def fitted(arm: Arm, live: Live, sizes: Sizes) -> dict[str, Any]:
    """The plan of this policy, fitted on validation problems."""
    problems = build_suite(arm.families, sizes.fit, split="validation", seed=0).problems
    pool = asyncio.run(draw_pool(problems, live, budget=max(BUDGETS), max_tokens=MAX_TOKENS, seed=0))
    tables, runs = [], []
    for budget in BUDGETS:
        runs = [asyncio.run(replayed(name, pool, budget, 0)) for name in FIXED]
        tables.append(asyncio.run(tabulate(pool, runs, max_tokens=MAX_TOKENS, probes=PROBES, orders=ORDERS)))
    made = {
        "model": "tiny" if arm.model == "tiny" else "RUN/model",
        "verifier": "RUN/verifier",
        "split": "validation",
        "problems": [f"{family.name}, level {family.level}" for family in arm.families],
        "n": len(problems),
        "command": "python recipes/thinking_time/measure.py",
    }
    questions = {p.id: p.question for p in problems}
    return as_data(fit(tables, runs[0], questions, max_tokens=MAX_TOKENS, probes=PROBES, made=made))


async def replayed(name: str, pool: Pool, budget: int, seed: int, **params: Any) -> Runs:
    return await replay(name, make(name, max_tokens=MAX_TOKENS, **params), pool, budget, orders=ORDERS, seed=seed)


def cells(arm: Arm, live: Live, sizes: Sizes, seed: int, plan: Path, out: Path) -> Iterator[str]:
    """Measure what is missing of one seed. Its pool is drawn again after a stop: the same seed gives the same one."""
    wanted = [
        (name, budget, path)
        for name in (*FIXED, "auto", *sizes.strategies)
        for budget in BUDGETS
        if not (path := out / "cells" / f"{arm.name}-{seed}-{name}-{budget}.json").exists()
    ]
    if not wanted:
        return
    problems = build_suite(arm.families, sizes.problems, split="test", seed=seed).problems
    pool = None
    for name, budget, path in wanted:
        started = time.monotonic()
        if replayable(name, read(str(plan))):
            if pool is None:
                pool = asyncio.run(draw_pool(problems, live, budget=max(BUDGETS), max_tokens=MAX_TOKENS, seed=seed))
                yield f"{arm.name}, seed {seed}: pool, {time.monotonic() - started:.0f} s"
            params = {"plan": str(plan)} if name == "auto" else {}
            found = asyncio.run(replayed(name, pool, budget, derive_seed("recipe", seed), **params))
        else:
            few = first_of_each(problems, sizes.live)
            strategy = make(name, max_tokens=MAX_TOKENS)
            found = asyncio.run(run_live(name, strategy, few, live, budget, seed=derive_seed("recipe", seed)))
        path.parent.mkdir(exist_ok=True)
        write_json(path, {**asdict(found), "wall": time.monotonic() - started})
        yield f"{path.stem}: {time.monotonic() - started:.0f} s"


def known(arm: str, out: Path) -> dict[str, dict[int, list[Runs]]]:
    """Strategy -> seed -> runs, one a budget, of the seeds and strategies whose cells are all there."""
    found: dict[str, dict[int, list[Runs]]] = {}
    for path in sorted((out / "cells").glob(f"{arm}-*.json")):
        _, seed, name, _ = path.stem.split("-")
        found.setdefault(name, {}).setdefault(int(seed), []).append(runs_of(json.loads(path.read_text())))
    whole: dict[str, dict[int, list[Runs]]] = {}
    for name, seeds in found.items():
        kept = {seed: sorted(some, key=lambda r: r.budget) for seed, some in seeds.items() if len(some) == len(BUDGETS)}
        if kept:
            whole[name] = kept
    order = [*FIXED, "auto"]
    return dict(sorted(whole.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def runs_of(data: Mapping[str, Any]) -> Runs:
    problems = tuple(
        ProblemRuns(p["id"], p["family"], tuple(p["outcomes"]), tuple(Usage(**u) for u in p["usages"]))
        for p in data["problems"]
    )
    return Runs(data["strategy"], data["budget"], problems, data["dry"], data["failures"])


def together(seeds: Mapping[int, Sequence[Runs]], family: str | None = None) -> list[Runs]:
    """The problems of all seeds as one, one entry a budget. Seeds draw different problems."""
    merged = []
    for budget in BUDGETS:
        some = [r for runs in seeds.values() for r in runs if r.budget == budget]
        problems = {p.id: p for r in some for p in r.problems if family in (None, p.family)}
        merged.append(Runs(some[0].strategy, budget, tuple(problems.values()), max(r.dry for r in some)))
    return merged


def show(arm: str, out: Path) -> None:
    """The tables that the README quotes."""
    cells = known(arm, out)
    if "vote" not in cells:
        print(f"{arm}: not measured yet")
        return
    runs = {name: together(seeds) for name, seeds in cells.items()}
    n, seeds = len(runs["vote"][0].problems), len(cells["vote"])
    print(f"\n## {arm}: {n} problems, {seeds} seeds, {ORDERS} orders a problem\n")
    families = dict.fromkeys(p.family for p in runs["vote"][0].problems)
    for family in (None, *families):
        table(family, {name: together(seeds, family) for name, seeds in cells.items()})
    claims(cells, list(families))
    plan = out / f"plan-{arm}.json"
    if plan.exists():
        print(f"\n### The plan\n\n{json.dumps(read(str(plan)).made['crossed'])}\n")
        for row in read(str(plan)).table:
            print(f"- {row.budget:g}: {row.fixed if not row.looks else f'{row.cuts} -> {row.choices}'}")


def table(family: str | None, runs: Mapping[str, Sequence[Runs]]) -> None:
    print(f"### {family or 'all families'}: accuracy, 95 % interval over problems, (tokens spent)\n")
    print("| strategy | " + " | ".join(map(str, BUDGETS)) + " | points a doubling |")
    print("|---" * (len(BUDGETS) + 2) + "|")
    for name, some in runs.items():
        line = []
        for one in some:
            found = curves.accuracy_interval(one)
            assert found is not None
            spent = curves.mean_spent(one)
            line.append(f"{100 * found.y:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}] ({spent:.0f})")
        slope = doubling(some)
        told = "-" if slope is None else f"{100 * slope.points.y:+.1f} ({slope.start:.0f} to {slope.end:.0f})"
        print(f"| {name} ({len(some[0].problems)}) | " + " | ".join(line) + f" | {told} |")
    print()


def claims(cells: Mapping[str, Mapping[int, list[Runs]]], families: Sequence[str]) -> None:
    """How cheaply the vote's best accuracy is reached, and the planner beside the fixed strategies."""
    print("### Tokens needed for the vote's best accuracy, as a share of what the vote needs for it (95 % interval)\n")
    for family in (None, *families):
        vote, parts, best = together(cells["vote"], family), [], ""
        for name in cells:
            if name in ("sample", "vote"):
                continue
            found = cheapness(together(cells[name], family), vote)
            if found is None or found.share is None:
                parts.append(f"{name} never")
            else:
                high = "no upper end" if found.high is None else f"{found.high:.2f}"
                parts.append(f"{name} {found.share:.2f} ({found.low or 0.0:.2f} to {high})")
            best = best if found is None else f"vote {100 * found.accuracy:.1f} % at {found.dear:.0f}; "
        print(f"- {family or 'all'}: {best}{', '.join(parts)}")
    if "auto" not in cells:
        return
    fixed = {name: together(cells[name]) for name in cells if name in FIXED}
    auto = together(cells["auto"])
    front = envelope(fixed)
    if front is None:
        return
    print("\n### The planner less the best fixed strategy (chosen on the other half), points\n")
    for one, chosen in zip(auto, front.chosen, strict=True):
        rival = {name: next(r for r in some if r.budget == one.budget) for name, some in fixed.items()}
        shown = " and ".join(dict.fromkeys(chosen))
        parts = [f"{name} {points(paired_gain(rival[name], one))}" for name in dict.fromkeys(chosen)]
        print(f"- {one.budget:g}: best {shown}; planner less {', '.join(parts)}")
    print("\n### The planner less each fixed strategy, mean over all budgets, all families\n")
    for name, some in fixed.items():
        print(f"- {name}: {points(paired_gain(averaged(some), averaged(auto)))}")


def averaged(runs: Sequence[Runs]) -> Runs:
    """All budgets as one: every problem's outcomes at all of them."""
    by_id: dict[str, list[ProblemRuns]] = {}
    for one in runs:
        for problem in one.problems:
            by_id.setdefault(problem.id, []).append(problem)
    problems = tuple(
        ProblemRuns(
            id, some[0].family, tuple(y for p in some for y in p.outcomes), tuple(u for p in some for u in p.usages)
        )
        for id, some in by_id.items()
    )
    return Runs(runs[0].strategy, 0, problems)


def points(gain: Any) -> str:
    return f"{100 * gain.y:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    try:
        main()
    except PonderError as error:
        raise SystemExit(f"error: {error}") from None
