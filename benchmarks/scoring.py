"""Tokens a second of scoring with a verifier's head: reading through the prefix tree against whole padded forwards.

    python -m benchmarks.scoring [--models tiny 3m] [--rounds 5] [--threads N] [--out FILE.json]

Two kinds of asking, of random tokens. `samples`: 16 samples of 10 steps for each of 32 questions at once, as a best of
n asks. `prefixes`: 64 searches ask for every prefix of a trajectory of 10 steps one after the other, all searches at
once, as beams and tree searches do. A question has 64 tokens and a step 12. `tokens` are those of all that was asked,
question and response of each; both sides are shown as these tokens a second, so that their ratio is that of their
times. `computed/distinct` is what went through the trunk over the different tokens there are (1.00: none twice), tree
and padded. The two sides take turns in one process with the same threads, and each turn starts with an empty memory.
The figures are medians of the turns; `apart` is the largest difference of a score between the sides.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import RESULTS, about, keep
from benchmarks.models import build
from ponder.engines.local.prefix.reader import TrunkReader
from ponder.engines.loop import run as run_async
from ponder.models.heads import step_verifier
from ponder.models.size import parameters
from ponder.types import Question, Step, StopReason, Trajectory
from ponder.verifiers.learned.process.judge import ProcessVerifier

PROMPT, STEPS, STEP = 64, 10, 12
QUESTIONS, SAMPLES, SEARCHES = 32, 16, 64
Wave = Sequence[Sequence[Trajectory]]  # what is asked at the same time, a call a question


class Bench:
    """Questions of random tokens, trajectories of random steps, and a verifier that scores them on either side."""

    def __init__(self, name: str) -> None:
        policy = build(name)
        self.vocabulary = policy.config.vocab_size
        model = step_verifier(policy, 0)
        self.reading = TrunkReader(model)
        common: dict[str, Any] = {"policy_parameters": parameters(policy)}
        self.tree = ProcessVerifier(model, self.prompt, reader=self.reading, **common)
        self.padded = ProcessVerifier(model, self.prompt, **common)

    def prompt(self, question: Question) -> tuple[int, ...]:
        return self._tokens(PROMPT, f"question {question.id}")

    def trajectory(self, question: int, sample: int) -> Trajectory:
        leaf: Step | None = None
        for step in range(STEPS):
            tokens = self._tokens(STEP, f"{question}/{sample}/{step}")
            leaf = Step(tokens, (0.0,) * STEP, "", 0, StopReason.STEP, leaf)
        assert leaf is not None
        return Trajectory(Question(str(question), "benchmark", ""), leaf)

    def _tokens(self, count: int, name: str) -> tuple[int, ...]:
        rng = random.Random(f"benchmark/scoring/{name}")
        return tuple(rng.randrange(7, self.vocabulary) for _ in range(count))

    def samples(self) -> list[Wave]:
        return [[[self.trajectory(q, i) for i in range(SAMPLES)] for q in range(QUESTIONS)]]

    def prefixes(self) -> list[Wave]:
        whole = [self.trajectory(q, 0) for q in range(SEARCHES)]
        return [[[Trajectory(t.question, t.steps[k])] for t in whole] for k in range(STEPS)]


async def ask(judge: ProcessVerifier, waves: Sequence[Wave]) -> list[float]:
    """The scores of all, wave after wave."""
    scores = []
    for wave in waves:
        verdicts = await asyncio.gather(*(judge(some[0].question, some) for some in wave))
        scores += [v.score or 0.0 for some in verdicts for v in some]
    return scores


def turn(judge: ProcessVerifier, waves: Sequence[Wave]) -> tuple[float, int, list[float]]:
    """Seconds, tokens through the trunk, scores."""
    before, started = judge.tokens_scored, time.perf_counter()
    scores: list[float] = run_async(ask(judge, waves))
    return time.perf_counter() - started, judge.tokens_scored - before, scores


def measure(bench: Bench, waves: Sequence[Wave], distinct: int, rounds: int) -> dict[str, Any]:
    asked = [t for wave in waves for some in wave for t in some]
    tokens = len(asked) * PROMPT + sum(map(len, asked))
    for judge in (bench.tree, bench.padded):
        turn(judge, waves)  # once for caches and for what is made at the first call
    turns = [(turn(bench.tree, waves), turn(bench.padded, waves)) for _ in range(rounds)]
    tree, padded = turns[-1]
    return {
        "texts": len(asked),
        "tokens": tokens,
        "distinct": distinct,
        "tree_tokens_per_second": statistics.median(tokens / mine[0] for mine, _ in turns),
        "padded_tokens_per_second": statistics.median(tokens / other[0] for _, other in turns),
        "speedup": statistics.median(other[0] / mine[0] for mine, other in turns),
        "tree_computed_per_distinct": tree[1] / distinct,
        "padded_computed_per_distinct": padded[1] / distinct,
        "memory": bench.reading.bytes,
        "apart": max(abs(a - b) for a, b in zip(tree[2], padded[2], strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["tiny"], help="tiny, 3m, local folders or hub ids")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=RESULTS / "scoring.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{'model':>8} {'asking':>9} {'tokens':>7} {'tree tok/s':>10} {'padded tok/s':>12} {'ratio':>6} ", end="")
    print(f"{'computed/distinct':>18} {'MB':>6} {'apart':>8}")
    rows = []
    for name in options.models:
        bench = Bench(name)
        sizes = {
            "samples": QUESTIONS * (PROMPT + SAMPLES * STEPS * STEP),
            "prefixes": SEARCHES * (PROMPT + STEPS * STEP),
        }
        for asking, waves in (("samples", bench.samples()), ("prefixes", bench.prefixes())):
            row = measure(bench, waves, sizes[asking], options.rounds)
            rows.append({"model": name, "asking": asking, **row})
            rates = f"{row['tree_tokens_per_second']:>10.0f} {row['padded_tokens_per_second']:>12.0f}"
            shares = f"{row['tree_computed_per_distinct']:.2f} / {row['padded_computed_per_distinct']:.2f}"
            print(f"{name:>8} {asking:>9} {row['tokens']:>7} {rates} {row['speedup']:>6.2f} ", end="")
            print(f"{shares:>18} {row['memory'] / 1e6:>6.1f} {row['apart']:>8.1e}", flush=True)
    keep(options.out, {**about(), "threads": options.threads, "rounds": options.rounds, "rows": rows})


if __name__ == "__main__":
    main()
