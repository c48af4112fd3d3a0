"""Whether memory stays flat over many short rollouts: resident memory after a warm-up against the end, with its slope.

    python -m benchmarks.steady [--minutes 1.5] [--samples 64] [--tokens 48] [--threads N] [--out FILE.json]

A round generates short samples of fresh prompts (some shared by eight samples), scores some and reads hidden states of
others; every tenth round replaces the weights, every seventh round begins on a new event loop, every fifth cancels
requests under way. The first tenth of the rounds is warm-up. The slope is a least-squares line over blocks of rounds.
PASS: the upper end of its 95 % interval is less than `--allowed` of the resident memory in an hour of such rounds; or,
where a short run cannot say that, the interval holds zero and the end is within `--allowed` of the warm state.
`--minutes 60` is the whole hour; the default is for every day.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import PreTrainedModel

from benchmarks.machine import RESULTS, about, keep
from benchmarks.models import Endless, build
from ponder.engines.local.engine import LocalEngine
from ponder.protocols import Request

WEIGHTS_EVERY, LOOP_EVERY, CANCEL_EVERY, SHARED = 10, 7, 5, 8
BLOCKS = 30
# Two-sided 95 % points of Student's t, by degrees of freedom; between two the smaller row holds.
STUDENT = ((1, 12.71), (2, 4.303), (3, 3.182), (5, 2.571), (8, 2.306), (12, 2.179), (20, 2.086), (28, 2.048))


@dataclass(frozen=True)
class Slope:
    """Bytes a round, with the 95 % interval; `warm` and `end` are means of the first and last block, in bytes."""

    slope: float
    low: float
    high: float
    warm: float
    end: float


def fitted(memory: Sequence[float], blocks: int = BLOCKS) -> Slope:
    """A straight line through the means of blocks of rounds, of which there are at least 3."""
    count = min(blocks, len(memory))
    edges = [len(memory) * i // count for i in range(count + 1)]
    x = [(a + b - 1) / 2 for a, b in pairwise(edges)]
    y = [statistics.fmean(memory[a:b]) for a, b in pairwise(edges)]
    line = statistics.linear_regression(x, y)
    spread = sum((a - statistics.fmean(x)) ** 2 for a in x)
    error = sum((b - line.intercept - line.slope * a) ** 2 for a, b in zip(x, y, strict=True)) / max(1, count - 2)
    half = next(t for freedom, t in reversed(STUDENT) if freedom <= max(1, count - 2)) * (error / spread) ** 0.5
    return Slope(line.slope, line.slope - half, line.slope + half, y[0], y[-1])


def flat(found: Slope, rounds: float, allowed: float) -> bool:
    """Whether memory surely grows by less than `allowed` of itself in `rounds`, or has hardly moved at all."""
    within = found.high * rounds <= allowed * found.warm
    return within or (found.low <= 0 and found.end <= (1 + allowed) * found.warm)


@dataclass
class Rollouts:
    """An engine and the rounds that it plays."""

    engine: LocalEngine
    model: PreTrainedModel
    samples: int
    tokens: int

    async def play(self, number: int) -> None:
        """One round: samples, some scored, some read, some cancelled."""
        rng, size = random.Random(f"benchmark/steady/{number}"), int(self.model.config.vocab_size)
        prompts = [
            tuple(rng.randrange(7, size) for _ in range(rng.randint(8, 40)))
            for _ in range(max(1, self.samples // SHARED))
        ]
        asked = [
            asyncio.create_task(self.engine.generate(Request(prompt, rng.randint(4, self.tokens), number * 1000 + i)))
            for prompt in prompts
            for i in range(SHARED)
        ]
        if number % CANCEL_EVERY == 0:
            await asyncio.sleep(0.01)
            for task in asked[: len(asked) // 4]:
                task.cancel()
        done = [c for c in await asyncio.gather(*asked, return_exceptions=True) if not isinstance(c, BaseException)]
        await asyncio.gather(*(self.engine.score(prompts[0], c.tokens[:5]) for c in done[:4]))
        await asyncio.gather(*(self.engine.hidden(prompt, (len(prompt) - 1,)) for prompt in prompts[:4]))

    def replace(self, number: int) -> None:
        """Other weights of the same size: two sets in turns."""
        sign = 1.0 if number % (2 * WEIGHTS_EVERY) else -1.0
        state = {name: value * (1 + sign * 1e-3) for name, value in self.model.state_dict().items()}
        self.engine.replace_weights(state, number)

    def run(self, minutes: float) -> Iterator[int]:
        """Rounds until the time is up; resident memory in bytes after each."""
        process, ends, number = psutil.Process(), time.monotonic() + 60 * minutes, 0
        while time.monotonic() < ends:
            with asyncio.Runner() as runner:
                for _ in range(LOOP_EVERY):
                    runner.run(self.play(number))
                    number += 1
                    if number % WEIGHTS_EVERY == 0:
                        self.replace(number)
                    yield process.memory_info().rss


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="tiny, 3m, a local folder or a hub id")
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--samples", type=int, default=64, help="a round")
    parser.add_argument("--tokens", type=int, default=48, help="most new tokens of a sample")
    parser.add_argument("--allowed", type=float, default=0.05, help="growth in an hour, as a share")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=RESULTS / "steady.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = build(options.model)
    rollouts = Rollouts(LocalEngine(build(options.model), Endless()), model, options.samples, options.tokens)
    started, memory = time.monotonic(), list(rollouts.run(options.minutes))
    seconds = time.monotonic() - started
    gc.collect()
    if len(memory) < 30:
        print(f"{len(memory)} rounds are too few to see a slope; give more --minutes")
        return 2
    warm = memory[len(memory) // 10 :]
    found, hour = fitted(warm), 3600 * len(memory) / seconds
    passed = flat(found, hour, options.allowed)
    print(
        f"{len(memory)} rounds of {options.samples} samples in {seconds:.0f} s, {rollouts.engine.work.generated} tokens"
    )
    print(f"after warm-up {found.warm / 1e6:.1f} MB, at the end {found.end / 1e6:.1f} MB")
    slopes = [bytes_ * hour / 1e6 for bytes_ in (found.slope, found.low, found.high)]
    print(f"slope {slopes[0]:+.2f} MB an hour ({slopes[1]:+.2f} to {slopes[2]:+.2f})")
    print("PASS: memory is flat" if passed else "FAIL: memory grows")
    row: dict[str, Any] = {"rounds": len(memory), "samples": options.samples, "tokens": options.tokens}
    row |= {**asdict(found), "rounds_an_hour": hour, "seconds": seconds, "passed": passed}
    keep(options.out, {**about(), "threads": options.threads, "model": options.model, "rows": [row]})
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
