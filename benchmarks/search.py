"""Whether tree search keeps the engine as busy as plain sampling: tokens a second of both, and where the rest goes.

    python -m benchmarks.search [--problems 200] [--budget 1000] [--rounds 5] [--strategy mcts]
                                [--judges free head verifier] [--verifier FOLDER] [--threads N] [--profile]
                                [--clock wall|cpu] [--out FILE.json]

Three sides take turns on the same problems with the embedded model. `search`: the strategy on all problems at once,
each with its budget. `sampling`: as many tokens as the search drew, in whole answers, all requests at once. `in turn`:
the same, with one answer a problem under way, which is the batch that the search may fill. Tokens are those that were
drawn. `busy` is the search's tokens a second over those of `sampling`, the harder of the two.

Three judges, a row each. `free` scores by a hash of the text, so that the row shows search and engine alone. `head` is
an untrained head on the policy's own trunk, which reads what the engine has computed. `verifier` is a step verifier of
half the policy's depth with a trunk of its own (untrained unless a folder is given: the work is the same); its seconds
count against the search, and `busy without verifier` leaves them out. All figures are medians of the turns. With
`--clock cpu` rates and ratios are by the processor's time of this process; the parts stay those of the wall clock.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import statistics
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from benchmarks.machine import RESULTS, about, keep
from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import load_families
from ponder.api.verifiers.loading import load_verifier
from ponder.engines.local.engine import LocalEngine
from ponder.engines.local.prefix.reader import reader_of
from ponder.engines.loop import run as run_async
from ponder.models.depth import shallower
from ponder.models.heads import step_verifier
from ponder.models.size import parameters
from ponder.protocols import Price
from ponder.search.registry import make
from ponder.search.session.budget import Budget
from ponder.types import Problem, Question, Trajectory, Verdict
from ponder.verifiers.learned.common.reader import EngineReader, Reader
from ponder.verifiers.learned.process.judge import ProcessVerifier

MAX_TOKENS = 400
JUDGES = ("free", "head", "verifier")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Side = Callable[[], int]  # one turn; returns how many tokens it drew


class Timed(ProcessVerifier):
    """A step verifier that knows how long it took, and in how many batches.

    With a shared trunk it reads the policy's engine, and what it waits there is the engine's time: it has none itself.
    """

    seconds = 0.0
    batches = 0

    async def _verdicts(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        started = time.perf_counter()
        verdicts = await super()._verdicts(trajectories)
        self.seconds += 0.0 if self.shared else time.perf_counter() - started
        self.batches += 1
        return verdicts


class Free:
    """Scores that follow from the text, at no cost: a search of full width and depth, and no second model."""

    seconds = 0.0
    batches = 0

    def price(self, question: Question) -> Price:
        return Price()

    def extra(self, trajectory: Trajectory) -> float:
        return 0.0

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        return [Verdict(score=zlib.crc32(t.text.encode()) / 2**32) for t in trajectories]


@dataclass
class Bench:
    """The problems with the policy and the judge that think about them."""

    policy: Policy
    judge: Timed | Free
    problems: list[Problem]
    strategy: str
    budget: float
    clock: Callable[[], float] = time.perf_counter
    _turn: int = field(default=0, init=False)

    def search(self) -> int:
        """The strategy on all problems at once."""
        strategy = make(self.strategy, max_tokens=MAX_TOKENS)
        self._turn += 1

        async def one(problem: Problem) -> float:
            found = await strategy(
                problem.question, self.policy.propose, self.judge, Budget(self.budget), seed=self._turn
            )
            return found.usage.kept + found.usage.discarded

        return self._drawn(lambda: run_async(_all([one(problem) for problem in self.problems])))

    def sampling(self, tokens: int) -> int:
        """Whole answers of at least `tokens` tokens in all, everything asked for at once."""
        return self._drawn(lambda: run_async(_all([self._answers(p, self._each(tokens)) for p in self.problems])))

    def in_turn(self, tokens: int) -> int:
        """The same answers, one of each problem at a time."""

        async def one(problem: Problem) -> None:
            for _ in range(self._each(tokens)):
                await self._answers(problem, 1)

        return self._drawn(lambda: run_async(_all([one(problem) for problem in self.problems])))

    async def _answers(self, problem: Problem, n: int) -> None:
        self._turn += 1
        await self.policy.propose(problem.question, None, n, until="end", max_tokens=MAX_TOKENS, seed=self._turn)

    def _each(self, tokens: int) -> int:
        return max(1, round(tokens / len(self.problems) / self.length))

    def _drawn(self, work: Callable[[], object]) -> int:
        before = self.policy.engine.tokens_generated
        work()
        return self.policy.engine.tokens_generated - before

    def warm(self) -> None:
        """One turn that is not measured; afterwards `length`, the mean answer in tokens, is known."""
        self.length = 1.0
        self.length = self.sampling(len(self.problems)) / len(self.problems)
        self.search()


async def _all(coroutines: Sequence[Any]) -> None:
    await asyncio.gather(*coroutines)


def turn(bench: Bench, side: Side) -> dict[str, float]:
    """One side's turn: tokens, seconds by purpose, and how full the batches were."""
    engine, judge = bench.policy.engine, bench.judge
    assert isinstance(engine, LocalEngine)
    work, steps, judged, batches = engine.work, engine.steps, judge.seconds, judge.batches
    wall, started = time.perf_counter(), bench.clock()
    drawn = side()
    seconds, wall = bench.clock() - started, time.perf_counter() - wall
    done, decoded = engine.work - work, engine.steps - steps
    return {
        "tokens": drawn,
        "seconds": seconds,
        "wall": wall,
        "tokens_a_second": drawn / seconds,
        "engine_seconds": done.seconds,
        "verifier_seconds": judge.seconds - judged,
        "other_seconds": wall - done.seconds - (judge.seconds - judged),
        "verifier_batches": judge.batches - batches,
        "steps": decoded,
        "requests_a_step": drawn / max(1, decoded),
        "engine_tokens_a_second": drawn / done.seconds,
        "computed": done.tokens,
        "prefilled": done.prefilled,
        "reused": done.reused,
    }


def compare(bench: Bench, rounds: int) -> dict[str, Any]:
    """The sides in turns; medians of each, and the two ratios with their range."""
    bench.warm()
    turns: list[dict[str, dict[str, float]]] = []
    for _ in range(rounds):
        found = {"search": turn(bench, bench.search)}
        tokens = int(found["search"]["tokens"])
        found["sampling"] = turn(bench, partial(bench.sampling, tokens))
        found["in_turn"] = turn(bench, partial(bench.in_turn, tokens))
        turns.append(found)
    ratios = {
        "busy": [t["search"]["tokens_a_second"] / t["sampling"]["tokens_a_second"] for t in turns],
        "busy_in_turn": [t["search"]["tokens_a_second"] / t["in_turn"]["tokens_a_second"] for t in turns],
        "busy_without_verifier": [_unjudged(t["search"]) / t["sampling"]["tokens_a_second"] for t in turns],
    }
    sides = {side: {key: statistics.median(t[side][key] for t in turns) for key in turns[0][side]} for side in turns[0]}
    spread = {f"{k}_{name}": pick(v) for k, v in ratios.items() for name, pick in (("min", min), ("max", max))}
    return {**{k: statistics.median(v) for k, v in ratios.items()}, **spread, **sides}


def _unjudged(side: dict[str, float]) -> float:
    share = 1 - side["verifier_seconds"] / side["wall"]
    return side["tokens"] / (side["seconds"] * share)


def judge_of(name: str, policy: Policy, folder: Path | None) -> Timed | Free:
    """`free`, `head`, or the step verifier in `folder` (None: an untrained one of half the depth)."""
    if name == "free":
        return Free()
    shared, model = name == "head", step_verifier(policy.model, 0)
    assert isinstance(policy.engine, LocalEngine)
    reader: Reader | None = EngineReader(policy.engine) if shared else None
    if not shared:
        model = shallower(model, 0.5) if folder is None else _stored(folder, policy)
        reader = reader_of(model)
    size = parameters(policy.model)
    return Timed(model, policy.propose.prompts.tokens, policy_parameters=size, shared=shared, reader=reader)


def _stored(folder: Path, policy: Policy) -> PreTrainedModel:
    judge = load_verifier(folder, policy)
    if not isinstance(judge, ProcessVerifier):
        raise SystemExit(f"{folder} is no step verifier; give the verifier folder of a run")
    return judge.model


def profile(bench: Bench, lines: int = 30) -> None:
    """Where one search spends its time, by function; the profiler itself slows Python by some half."""
    bench.warm()
    watch = cProfile.Profile()
    watch.runcall(bench.search)
    pstats.Stats(watch).sort_stats("tottime").print_stats(lines)


def show(judge: str, found: dict[str, Any]) -> None:
    print(
        f"{judge:>10} {'tokens/s':>9} {'s':>7} {'engine s':>9} {'verifier s':>11} {'other s':>8} {'requests/step':>14}"
    )
    for side in ("search", "sampling", "in_turn"):
        s = found[side]
        parts = f"{s['engine_seconds']:>9.2f} {s['verifier_seconds']:>11.2f} {s['other_seconds']:>8.2f}"
        print(f"{side:>10} {s['tokens_a_second']:>9.0f} {s['seconds']:>7.2f} {parts} {s['requests_a_step']:>14.1f}")
    for name in ("busy", "busy_in_turn", "busy_without_verifier"):
        low, high = found[f"{name}_min"], found[f"{name}_max"]
        print(f"{name.replace('_', ' ')}: {found[name]:.0%} ({low:.0%} to {high:.0%})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="tiny, a local folder or a hub id")
    parser.add_argument("--families", default="arithmetic,cipher,countdown")
    parser.add_argument("--problems", type=int, default=200, help="in all, families in turn")
    parser.add_argument("--strategy", default="mcts")
    parser.add_argument("--budget", type=float, default=1000, help="token-equivalents a problem")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--judges", nargs="+", choices=JUDGES, default=list(JUDGES))
    parser.add_argument("--verifier", type=Path, help="folder of a step verifier")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="cpu: where others use the machine too")
    parser.add_argument("--profile", action="store_true", help="profile one search with the first judge and stop")
    parser.add_argument("--out", type=Path, default=RESULTS / "search.json")
    options = parser.parse_args()
    set_threads(options.threads)
    policy = load_policy(options.model)
    families = load_families(options.families.split(","))
    problems = [families[i % len(families)].problem(i // len(families), split="test") for i in range(options.problems)]
    head = {"model": options.model, "strategy": options.strategy, "problems": options.problems}
    head |= {"budget": options.budget, "rounds": options.rounds, "clock": options.clock}
    rows = []
    for name in options.judges:
        judge = judge_of(name, policy, options.verifier)
        bench = Bench(policy, judge, problems, options.strategy, options.budget, CLOCKS[options.clock])
        if options.profile:
            profile(bench)
            return
        found = compare(bench, options.rounds)
        show(name, found)
        rows.append({**head, "judge": name, "trained": options.verifier is not None, **found})
    keep(options.out, {**about(), "threads": torch.get_num_threads(), "rows": rows})


if __name__ == "__main__":
    main()
