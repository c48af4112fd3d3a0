"""Tokens a second of the local engine against the library's own `generate`.

    python -m benchmarks.generation [--models tiny 3m] [--prompts 64 256] [--threads N] [--rounds 5] [--out FILE.json]

Every prompt has 64 random tokens and gets 128 new ones, drawn at temperature 1 without an end token. The two sides take
turns in one process with the same threads, so that a busy machine slows both; the ratio is the median of the turns'
ratios. Each turn also measures the rate of a large matrix product, and the fraction of it that our floating-point
operations reach is reported. `3m` is an untrained Qwen2 of 3.23M parameters. Where there is a C++ compiler our forward
is compiled; the result says which it was.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel

from benchmarks.machine import about
from benchmarks.models import NEW_TOKENS, PROMPT_TOKENS, Endless, Prompt, build, prompts
from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all
from ponder.models.size import parameters
from ponder.protocols import Request


def library(model: PreTrainedModel, rows: list[Prompt]) -> Callable[[], int]:
    """One call of `generate`; returns how many tokens it drew."""
    ids = torch.tensor(rows, device=model.device)
    config = GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, max_new_tokens=NEW_TOKENS, eos_token_id=None, pad_token_id=0
    )
    sampler: Any = model
    sampler.generation_config.eos_token_id = None  # where a call names no end token, the model's own config does

    def generate() -> int:
        output: torch.Tensor = sampler.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config
        )
        return int(output.shape[0] * (output.shape[1] - ids.shape[1]))

    return generate


def ours(engine: LocalEngine, rows: list[Prompt]) -> Callable[[], int]:
    def generate() -> int:
        calls = (engine.generate(Request(row, NEW_TOKENS, seed)) for seed, row in enumerate(rows))
        return sum(len(completion.tokens) for completion in gather_all(calls))

    return generate


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def product_rate(side: int = 1024) -> float:
    """Floating-point operations a second of a square matrix product; the best of three."""
    a, b, out = (torch.ones(side, side) for _ in range(3))
    return 2 * side**3 / min(seconds(lambda: torch.mm(a, b, out=out)) for _ in range(3))


def compare(model: PreTrainedModel, engine: LocalEngine, count: int, rounds: int) -> dict[str, float]:
    """Medians over `rounds` turns of both sides, after one turn that is not measured."""
    rows = prompts(count, int(model.config.vocab_size))
    theirs, mine = library(model, rows), ours(engine, rows)
    expected = count * NEW_TOKENS
    if (theirs(), mine()) != (expected, expected):
        raise RuntimeError(f"{count} prompts did not give {NEW_TOKENS} tokens each; the sides did different work")
    turns = []
    for _ in range(rounds):
        peak, before = product_rate(), engine.work
        their_seconds, my_seconds = seconds(theirs), seconds(mine)
        reached = (engine.work - before).flops / my_seconds / peak
        turns.append((expected / my_seconds, expected / their_seconds, their_seconds / my_seconds, reached, peak))
    local, other, ratio, reached, peak = (statistics.median(column) for column in zip(*turns, strict=True))
    lowest, highest = min(turn[2] for turn in turns), max(turn[2] for turn in turns)
    rates = {"local": local, "library": other, "ratio": ratio, "ratio_min": lowest, "ratio_max": highest}
    return {"prompts": count, "rounds": rounds, **rates, "fraction_of_product_rate": reached, "product_flops": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["tiny", "3m"], help="tiny, 3m, a local folder or a hub id")
    parser.add_argument("--prompts", type=int, nargs="+", default=[64, 256], help="prompts at once")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "generation.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    print(f"{'model':>8} {'prompts':>8} {'local tok/s':>12} {'library tok/s':>14} {'ratio':>6} {'of products':>12}")
    for name in options.models:
        model = build(name)
        engine = LocalEngine(copy.deepcopy(model), Endless())
        for count in options.prompts:
            row = compare(model, engine, count, options.rounds)
            rows.append({"model": name, "parameters": parameters(model), "compiled": engine.compiled, **row})
            shown = f"{row['local']:>12.0f} {row['library']:>14.0f} {row['ratio']:>6.2f}"
            print(f"{name:>8} {count:>8} {shown} {row['fraction_of_product_rate']:>12.1%}", flush=True)
    head = {"new_tokens": NEW_TOKENS, "prompt_tokens": PROMPT_TOKENS, "threads": options.threads}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({**about(), **head, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
