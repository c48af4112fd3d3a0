"""Many tree searches at once: tokens computed for each distinct token, memory, and time with and without the tree.

    python -m benchmarks.tree [--model tiny] [--searches 25 50 100 200] [--branches 32] [--threads N] [--out FILE.json]

A search starts from a prompt of 40 tokens and goes three levels down: `--branches` continuations of 8 tokens each, and
the next level goes on from one of them. All searches run together. `computed/distinct` is tokens through the model over
tokens in the prefix tree (1.00: none twice); `apart` is what the same requests cost if each computed its own prompt.
The time is measured in turns against the same searches on an engine that forgets between levels, so that a level
computes its prefixes again (once for all branches of a prefix), which is how the engine worked before it had a tree.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.machine import about
from benchmarks.models import Endless, build
from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all
from ponder.protocols import Request

PROMPT, LEVELS, LINE = 40, 3, 8
Text = tuple[int, ...]


def start(search: int, vocabulary: int) -> Text:
    rng = random.Random(f"benchmark/tree/{search}")
    return tuple(rng.randrange(7, vocabulary) for _ in range(PROMPT))


async def level(engine: LocalEngine, search: int, depth: int, text: Text, branches: int) -> Text:
    """Branches of a text; returns the text with one of them."""
    first = (search * LEVELS + depth) * branches
    drawn = await asyncio.gather(*(engine.generate(Request(text, LINE, first + i)) for i in range(branches)))
    return text + random.Random(f"{search}/{depth}").choice(drawn).tokens


async def descend(engine: LocalEngine, search: int, text: Text, branches: int) -> None:
    for depth in range(LEVELS):
        text = await level(engine, search, depth, text, branches)


def with_tree(engine: LocalEngine, texts: Sequence[Text], branches: int) -> float:
    started = time.perf_counter()
    gather_all(descend(engine, search, text, branches) for search, text in enumerate(texts))
    return time.perf_counter() - started


def without(engine: LocalEngine, texts: Sequence[Text], branches: int) -> float:
    """Each level on an event loop of its own, at whose start the engine knows no text."""
    started = time.perf_counter()
    for depth in range(LEVELS):
        texts = gather_all(level(engine, search, depth, text, branches) for search, text in enumerate(texts))
    return time.perf_counter() - started


def measure(engine: LocalEngine, searches: int, branches: int, vocabulary: int, rounds: int) -> dict[str, Any]:
    texts = [start(search, vocabulary) for search in range(searches)]
    turns, rss = [], psutil.Process().memory_info().rss
    for _ in range(rounds):
        apart = without(engine, texts, branches)
        before = engine.work
        turns.append((with_tree(engine, texts, branches), apart))
        work, kept = engine.work - before, engine.kept
    requests = searches * LEVELS * branches
    asked = sum(branches * (PROMPT + depth * LINE) for depth in range(LEVELS)) * searches
    return {
        "searches": searches,
        "branches": branches,
        "requests": requests,
        "computed": work.tokens,
        "distinct": kept.tokens,
        "computed_per_distinct": work.tokens / kept.tokens,
        "apart": asked + requests * (LINE - 1),
        "seconds": statistics.median(mine for mine, _ in turns),
        "seconds_forgetting": statistics.median(apart for _, apart in turns),
        "speedup": statistics.median(apart / mine for mine, apart in turns),
        "token_bytes": kept.token_bytes,
        "cell_memory": kept.cell_memory,
        "row_memory": kept.row_memory,
        "rss_growth": psutil.Process().memory_info().rss - rss,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="tiny, 3m, a local folder or a hub id")
    parser.add_argument("--searches", type=int, nargs="+", default=[25, 50, 100, 200])
    parser.add_argument("--branches", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=1, help="turns of each side")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "tree.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = build(options.model)
    engine = LocalEngine(model, Endless())
    print(
        f"{'searches':>8} {'computed':>9} {'distinct':>9} {'ratio':>6} {'apart':>9} {'MB texts':>9} {'MB rows':>8} ",
        end="",
    )
    print(f"{'s':>6} {'s forgetting':>12}")
    rows = []
    for searches in options.searches:
        row = measure(engine, searches, options.branches, model.config.vocab_size, options.rounds)
        rows.append(row)
        counts = f"{searches:>8} {row['computed']:>9} {row['distinct']:>9} {row['computed_per_distinct']:>6.4f}"
        memory = f"{row['apart']:>9} {row['token_bytes'] / 1e6:>9.1f} {row['row_memory'] / 1e6:>8.1f}"
        print(f"{counts} {memory} {row['seconds']:>7.2f} {row['seconds_forgetting']:>12.2f}", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    head = {"model": options.model, "threads": options.threads, "prompt": PROMPT, "levels": LEVELS, "line": LINE}
    options.out.write_text(json.dumps({**about(), **head, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
