"""Tokens a second of the local engine against the library's own `generate`.

    python benchmarks/generation.py [--model tiny] [--prompts 1 16 64 256] [--threads N] [--out FILE.json]

Both sides sample 128 new tokens after each of the same prompts of 24 to 64 tokens, at temperature 1; neither may stop
early (the library has no end token, ours has one that the model never says). They take turns in one process with the
same threads, so that a busy machine slows both; medians are compared. Page faults cost much on a CPU; for both sides
they are fewer with MALLOC_MMAP_THRESHOLD_=2000000000, MALLOC_TRIM_THRESHOLD_=4000000000, MALLOC_TOP_PAD_=200000000 and
OMP_WAIT_POLICY=PASSIVE in the environment.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel

from ponder.engines.local import LocalEngine
from ponder.engines.loop import gather_all
from ponder.models.load import load
from ponder.protocols import Request
from ponder.runlog.environment import machine, versions

NEW_TOKENS = 128
Prompt = tuple[int, ...]


def prompts(count: int, vocabulary: int) -> list[Prompt]:
    rng = random.Random(f"benchmark/generation/{count}")
    return [tuple(rng.randrange(7, vocabulary) for _ in range(rng.randint(24, 64))) for _ in range(count)]


def library(model: PreTrainedModel, rows: list[Prompt]) -> Callable[[], int]:
    """One call of `generate` on left-padded rows; returns how many tokens it drew."""
    width = max(map(len, rows))
    ids = torch.tensor([(0,) * (width - len(row)) + row for row in rows])
    mask = torch.tensor([(0,) * (width - len(row)) + (1,) * len(row) for row in rows])
    config = GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, max_new_tokens=NEW_TOKENS, eos_token_id=None, pad_token_id=0
    )

    sampler: Any = model
    sampler.generation_config.eos_token_id = None  # where a call names no end token, the model's own config does

    def generate() -> int:
        output: torch.Tensor = sampler.generate(input_ids=ids, attention_mask=mask, generation_config=config)
        return int(output.shape[0] * (output.shape[1] - width))

    return generate


def ours(engine: LocalEngine, rows: list[Prompt]) -> Callable[[], int]:
    def generate() -> int:
        calls = (engine.generate(Request(row, NEW_TOKENS, seed)) for seed, row in enumerate(rows))
        return sum(len(completion.tokens) for completion in gather_all(calls))

    return generate


def rate(generate: Callable[[], int], count: int) -> float:
    """Tokens a second; every prompt must have given all its tokens, or the sides did different work."""
    started = time.perf_counter()
    tokens = generate()
    seconds = time.perf_counter() - started
    if tokens != count * NEW_TOKENS:
        raise RuntimeError(f"{count} prompts gave {tokens} tokens and not {NEW_TOKENS} each")
    return tokens / seconds


def compare(model: PreTrainedModel, engine: LocalEngine, count: int, rounds: int) -> dict[str, float]:
    """Median tokens a second of both sides over `rounds` turns, after one turn that is not measured."""
    rows = prompts(count, int(model.config.vocab_size))
    sides = {"library": library(model, rows), "local": ours(engine, rows)}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, generate in sides.items():
            measured = rate(generate, count)
            if turn > 0:
                rates[name].append(measured)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {"prompts": count, "rounds": rounds, **medians, "ratio": medians["local"] / medians["library"]}


class Endless:
    """A tokenizer whose end token is the one that the model is least likely to say; no text is needed here."""

    def __init__(self, model: PreTrainedModel) -> None:
        with torch.inference_mode():
            logits = torch.cat([model(torch.tensor([row])).logits[0] for row in prompts(16, model.config.vocab_size)])
        self.eos_id = int(logits.log_softmax(-1).amax(0).argmin())

    def encode(self, text: str) -> Prompt:
        raise NotImplementedError(text)

    def decode(self, tokens: Sequence[int]) -> str:
        raise NotImplementedError(tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="tiny, a local folder or a hub id")
    parser.add_argument("--prompts", type=int, nargs="+", default=[1, 16, 64, 256], help="prompts at once")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="also write the numbers as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load(options.model).model
    engine = LocalEngine(copy.deepcopy(model), Endless(model))
    print(f"{'prompts':>8} {'local tok/s':>12} {'library tok/s':>14} {'ratio':>6}")
    rows = []
    for count in options.prompts:
        row = compare(model, engine, count, options.rounds)
        rows.append(row)
        print(f"{count:>8} {row['local']:>12.0f} {row['library']:>14.0f} {row['ratio']:>6.2f}", flush=True)
    if options.out:
        head = {"model": options.model, "new_tokens": NEW_TOKENS, "threads": options.threads}
        about = {**head, "machine": machine(), "versions": versions(), "rows": rows}
        options.out.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
