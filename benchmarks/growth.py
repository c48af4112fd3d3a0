"""How time grows with batch, length, model size and number of searches: one table, each line a factor and its cost.

    python -m benchmarks.growth [--rounds 5] [--minutes 4] [--threads N] [--out FILE.json]

Four questions, each with everything else held: `batch` 1 to 1024 prompts of 32 tokens and 32 new ones; `length` 64 to
900 tokens, a third of them prompt, 16 at once; `size` the embedded model, 3.2 and some 15 million random parameters, 32
at once; `searches` 25 to 200 tree searches of `benchmarks.tree`. The values of a question take turns, so that a busy
machine slows all of them; seconds are medians. `x` is the time over that of the line above, `work` the FLOPs over those
of the line above: where `x` is the larger, the machine is used worse than before. `--minutes` bounds the turns after
the first.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from benchmarks import tree
from benchmarks.machine import RESULTS, about, keep
from benchmarks.models import Endless, build
from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all
from ponder.models.size import parameters
from ponder.protocols import Request

BATCHES, LENGTHS = (1, 4, 16, 64, 256, 1024), (64, 128, 256, 512, 900)
SIZES, SEARCHES = ("tiny", "3m", "15m"), (25, 50, 100, 200)


@dataclass
class Line:
    """One value of one question: what to run, on which engine, and what its turns took."""

    what: str
    value: str
    engine: LocalEngine
    run: Callable[[], None]
    turns: list[tuple[float, float, int]]  # seconds, FLOPs, tokens drawn

    def turn(self) -> None:
        before, started = self.engine.work, time.perf_counter()
        self.run()
        seconds, done = time.perf_counter() - started, self.engine.work - before
        self.turns.append((seconds, done.flops, done.generated))


def engine_of(name: str) -> LocalEngine:
    return LocalEngine(build(name), Endless(), max_batch=1024)


def drawing(engine: LocalEngine, count: int, prompt: int, new: int) -> Callable[[], None]:
    """`count` prompts of `prompt` random tokens, `new` tokens each."""
    rng = random.Random(f"benchmark/growth/{count}/{prompt}")
    rows = [tuple(rng.randrange(7, 100) for _ in range(prompt)) for _ in range(count)]

    def draw() -> None:
        gather_all(engine.generate(Request(row, new, seed)) for seed, row in enumerate(rows))

    return draw


def searching(engine: LocalEngine, searches: int) -> Callable[[], None]:
    texts = [tree.start(search, 100) for search in range(searches)]

    def search() -> None:
        tree.with_tree(engine, texts, 8)

    return search


def questions() -> Iterator[list[Line]]:
    """The lines of each question. Its engine is made when it is asked and let go with it."""
    engine = engine_of("tiny")
    yield [Line("batch", f"{n}", engine, drawing(engine, n, 32, 32), []) for n in BATCHES]
    yield [Line("length", f"{n}", engine, drawing(engine, 16, n // 3, n - n // 3), []) for n in LENGTHS]
    yield [Line("searches", f"{n}", engine, searching(engine, n), []) for n in SEARCHES]
    engines = {name: engine_of(name) for name in SIZES}
    yield [Line("size", name, engines[name], drawing(engines[name], 32, 64, 64), []) for name in SIZES]


def measure(lines: Sequence[Line], rounds: int, until: float) -> list[dict[str, Any]]:
    """Rows of one question: a turn of each that is not measured, then `rounds` turns, fewer if the time is up."""
    for line in lines:
        line.run()
    for _ in range(rounds):
        for line in lines:
            line.turn()
        if time.monotonic() > until:
            break
    return rows_of(lines)


def rows_of(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Medians; growth is the median of the turns' own ratios to the line before."""
    rows: list[dict[str, Any]] = []
    for line in lines:
        seconds, flops, drawn = (statistics.median(column) for column in zip(*line.turns, strict=True))
        rates = {"tokens_a_second": drawn / seconds, "flops_a_second": flops / seconds}
        row = {"what": line.what, "value": line.value, "rounds": len(line.turns), "seconds": seconds, "tokens": drawn}
        rows.append({**row, "flops": flops, **rates, "growth": None, "work": None})
    for (a, b), (first, second) in zip(pairwise(lines), pairwise(rows), strict=True):
        grown = [new[0] / old[0] for old, new in zip(a.turns, b.turns, strict=True)]
        second["growth"] = statistics.median(grown)
        second["growth_min"], second["growth_max"] = min(grown), max(grown)
        second["work"] = second["flops"] / first["flops"]
    return rows


def show(row: dict[str, Any]) -> None:
    growth = "" if row["growth"] is None else f"{row['growth']:.2f}"
    work = "" if row["work"] is None else f"{row['work']:.2f}"
    speed = f"{row['tokens_a_second']:>10.0f} {row['flops_a_second'] / 1e9:>9.1f}"
    print(f"{row['what']:>9} {row['value']:>6} {row['seconds']:>9.4f} {growth:>6} {work:>6} {speed}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each value")
    parser.add_argument("--minutes", type=float, default=4.0, help="no further turns after a question's share of these")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=RESULTS / "growth.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    started, rows = time.monotonic(), list[dict[str, Any]]()
    print(f"{'':>9} {'':>6} {'s':>9} {'x':>6} {'work':>6} {'tokens/s':>10} {'GFLOP/s':>9}")
    for asked, lines in enumerate(questions(), 1):
        found = measure(lines, options.rounds, started + 60 * options.minutes * asked / 4)
        for row in found:
            show(row)
        rows += found
    models = {name: parameters(build(name)) for name in SIZES}
    keep(options.out, {**about(), "threads": options.threads, "models": models, "rows": rows})


if __name__ == "__main__":
    main()
