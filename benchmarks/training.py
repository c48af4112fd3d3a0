"""Samples a second of one policy-gradient step: `python -m benchmarks.training [--model tiny] [--out FILE]`.

Both sides compute the same loss on the same rows (about 40 prompt and 40 to 300 response tokens) with the same
optimizer. The plain side pads all rows of a step into one batch, runs the library's own forward and takes a log-softmax
over every position; ours is `PolicyTrainer.update`. They take turns, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional as F
from transformers import PreTrainedModel

from benchmarks.machine import about
from ponder.learning.policy import PolicyTrainer
from ponder.learning.settings import TrainerSettings
from ponder.losses.clipped import Clipped
from ponder.models.load import load
from ponder.types import Sample

SETTINGS = TrainerSettings(learning_rate=1e-4, warmup_steps=0)
LOSS = Clipped(normalisation="token")


def samples(count: int, vocabulary: int) -> list[Sample]:
    rng = random.Random("benchmark/training")

    def tokens(low: int, high: int) -> tuple[int, ...]:
        return tuple(rng.randrange(5, vocabulary) for _ in range(rng.randint(low, high)))

    rows: list[Sample] = []
    for index in range(count):
        prompt, response = tokens(30, 50), tokens(40, 300)
        ones = (1.0,) * len(response)
        advantage = (rng.choice((-1.0, 1.0)),) * len(response)
        rows.append(Sample(str(index), prompt, response, advantage, ones, (-4.6,) * len(response)))
    return rows


def plain_step(model: PreTrainedModel, optimizer: torch.optim.Optimizer, rows: list[Sample]) -> float:
    """One step as it is first written down; returns the loss."""
    width = max(len(row) for row in rows)
    ids, attention = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    sampler, advantages, mask = (torch.zeros(len(rows), width - 1) for _ in range(3))
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor([*row.prompt, *row.response])
        attention[i, : len(row)] = 1
        span = slice(len(row.prompt) - 1, len(row) - 1)
        sampler[i, span], advantages[i, span] = torch.tensor(row.logprobs_T), torch.tensor(row.advantages_T)
        mask[i, span] = 1.0
    logits = model(input_ids=ids, attention_mask=attention, use_cache=False).logits[:, :-1]
    logprobs = F.log_softmax(logits, dim=-1).gather(2, ids[:, 1:, None])[..., 0]
    ratio = torch.where(mask > 0, logprobs - sampler, 0.0).exp()
    clipped = ratio.clamp(1 - LOSS.clip_low, 1 + LOSS.clip_high)
    loss = -(torch.minimum(ratio * advantages, clipped * advantages) * mask).sum() / mask.sum()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), SETTINGS.max_grad_norm)
    optimizer.step()
    return float(loss.detach())


def seconds(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def compare(name: str, count: int, rounds: int) -> dict[str, float]:
    """Median samples a second of both sides over `rounds` turns, after one unmeasured turn whose losses must agree."""
    model = load(name).model
    rows = samples(count, model.config.vocab_size)
    theirs = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(
        theirs.parameters(), lr=SETTINGS.learning_rate, betas=SETTINGS.betas, weight_decay=0.0
    )
    learner = PolicyTrainer(model, SETTINGS, LOSS)
    expected, loss = plain_step(theirs, optimizer, rows), learner.update(rows).loss
    if loss is None or abs(loss - expected) > 1e-4:
        raise RuntimeError(f"the two sides do not compute the same loss: {loss} and {expected}")
    turns = [
        (seconds(lambda: learner.update(rows)), seconds(lambda: plain_step(theirs, optimizer, rows)))
        for _ in range(rounds)
    ]
    ours, plain = (count / statistics.median(side) for side in zip(*turns, strict=True))
    tokens = sum(len(row) for row in rows) / count
    return {"samples": count, "tokens": tokens, "ponder": ours, "plain": plain, "ratio": ours / plain}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="tiny, a local folder or a hub id")
    parser.add_argument("--samples", type=int, nargs="+", default=[16, 64, 256], help="samples a step")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="also write the numbers as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{'samples a step':>14} {'tokens each':>11} {'ponder/s':>9} {'plain/s':>9} {'ratio':>6}")
    results = []
    for count in options.samples:
        r = compare(options.model, count, options.rounds)
        results.append(r)
        print(f"{count:>14} {r['tokens']:>11.0f} {r['ponder']:>9.1f} {r['plain']:>9.1f} {r['ratio']:>6.2f}", flush=True)
    if options.out:
        body = {**about(), "threads": options.threads, "model": options.model, "rows": results}
        options.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
