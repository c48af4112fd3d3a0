"""Train the tiny base on generated demonstrations: `python recipes/tiny_base/train.py --out DIR`.

Every batch is new: problems of the train split at mixed levels, with one demonstration each. The learning rate is
held and then falls to zero over the last third; held-out loss is measured on validation problems. A checkpoint is
written every few minutes and `--resume` continues from it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from pathlib import Path

import torch
from torch.nn import functional as F
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

import build
from ponder.models import lean
from ponder.problems.arithmetic import Arithmetic
from ponder.problems.cipher import Cipher
from ponder.problems.countdown import Countdown

# Families and levels with their share of examples. Levels reach past the defaults, so that harder problems are not
# foreign when the curriculum comes to them.
LEVELS: list[tuple[Arithmetic | Cipher | Countdown, float]] = [
    *[(Arithmetic(terms=n), w / 32) for n, w in enumerate((2, 3, 4, 5, 6, 4, 4, 2, 2), start=2)],
    *[(Cipher(words=n), w / 19) for n, w in enumerate((2, 5, 7, 3, 2), start=1)],
    *[(Countdown(numbers=n), w / 22) for n, w in enumerate((1, 17, 4), start=2)],
]
# Share of each family before and after step LATE. Countdown is learned first; arithmetic needs the most examples.
EARLY = {"arithmetic": 0.44, "cipher": 0.26, "countdown": 0.30}
AFTER = {"arithmetic": 0.76, "cipher": 0.15, "countdown": 0.09}
LATE = 1500
LONGEST = 512
MICRO = 4  # parts of a batch, each small enough to stay in the processor's cache
CHUNK = 1024  # examples that are drawn, sorted by length and cut into batches together

Row = tuple[list[int], int]  # tokens, and where the response begins


def rows(tokenizer: PreTrainedTokenizerFast, split: str, seed: int, count: int, shares: dict[str, float]) -> list[Row]:
    """`count` tokenized demonstrations; a pure function of the arguments."""
    rng = random.Random(f"tiny_base/{split}/{seed}")
    vocabulary = tokenizer.get_vocab()
    out: list[Row] = []
    while len(out) < count:
        family = rng.choices([f for f, _ in LEVELS], weights=[w * shares[f.name] for f, w in LEVELS])[0]
        problem = family.problem(rng.randrange(2**40), split=split, seed=seed)
        demonstration = family.demonstration(problem, seed)
        prompt = [vocabulary["<user>"], *map(vocabulary.__getitem__, problem.question.text)]
        prompt += [vocabulary["<assistant>"], vocabulary["<think>"], vocabulary["\n"]]
        thinking, answer = demonstration.split("</think>")
        response = [*map(vocabulary.__getitem__, thinking), vocabulary["</think>"]]
        response += [*map(vocabulary.__getitem__, answer), vocabulary["<eos>"]]
        if len(prompt) + len(response) <= LONGEST:
            out.append((prompt + response, len(prompt)))
    return out


def batches(chunk: list[Row], tokens: int, rng: random.Random) -> list[list[Row]]:
    """Rows of like length together, at most `tokens` padded tokens a batch, batches in random order."""
    out: list[list[Row]] = []
    batch: list[Row] = []
    for row in sorted(chunk, key=lambda r: len(r[0])):
        if batch and len(row[0]) * (len(batch) + 1) > tokens:
            out.append(batch)
            batch = []
        batch.append(row)
    out.append(batch)
    rng.shuffle(out)
    return out


def loss(model: LlamaForCausalLM, batch: list[Row]) -> tuple[torch.Tensor, int]:
    """Summed cross entropy over response tokens, and their number."""
    longest = max(len(tokens) for tokens, _ in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    targets = torch.full((len(batch), longest), -100)
    for i, (tokens, start) in enumerate(batch):
        ids[i, : len(tokens)] = torch.tensor(tokens)
        targets[i, start - 1 : len(tokens) - 1] = torch.tensor(tokens[start:])
    # Padding stands on the right and attention is causal, so no mask is needed.
    keep = targets.flatten() != -100
    logits = model.lm_head(lean.hidden_states(model, ids).flatten(0, 1)[keep])
    total = F.cross_entropy(logits, targets.flatten()[keep], reduction="sum")
    return total, int(keep.sum())


def accumulate(model: LlamaForCausalLM, micro: list[list[Row]]) -> float:
    """Gradient of the mean loss over the tokens of all micro-batches; returns that mean."""
    count = sum(len(tokens) - start for batch in micro for tokens, start in batch)
    value = 0.0
    for batch in micro:
        total, _ = loss(model, batch)
        (total / count).backward()
        value += float(total.detach()) / count
    return value


@torch.no_grad()
def held_out(model: LlamaForCausalLM, batch_list: list[list[Row]]) -> float:
    totals = [loss(model, batch) for batch in batch_list]
    return sum(float(t) for t, _ in totals) / sum(n for _, n in totals)


def rate(step: int, steps: int) -> float:
    """Share of the peak learning rate: warm-up over 100 steps, flat, linear to zero over the last third."""
    return min(1.0, step / 100, (steps - step) / (steps / 3))


def optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers" in n]
    others = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers" in n)]
    return [
        torch.optim.Muon(matrices, lr=0.015, momentum=0.95, weight_decay=0.01, adjust_lr_fn="original"),
        torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--tokens", type=int, default=12_000, help="padded tokens a step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)

    tokenizer = build.tokenizer()
    model = build.model(len(tokenizer), options.seed)
    opts = optimizers(model)
    peaks = [group["lr"] for opt in opts for group in opt.param_groups]
    rng = random.Random(options.seed)
    validation = batches(rows(tokenizer, "validation", 0, 1500, EARLY), 4_000, random.Random(0))
    step, chunk_index, seconds = 0, 0, 0.0
    state_file = options.out / "state.pt"
    if options.resume and state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        for opt, saved in zip(opts, state["optimizers"], strict=True):
            opt.load_state_dict(saved)
        step, chunk_index, seconds = state["step"], state["chunk"], state["seconds"]

    def save() -> None:
        model.save_pretrained(options.out)
        tokenizer.save_pretrained(options.out)
        state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in opts]}
        torch.save({**state, "step": step, "chunk": chunk_index, "seconds": seconds}, state_file)

    started, seen, running = time.monotonic() - seconds, 0, math.nan
    while step < options.steps:
        micro = batches(
            rows(tokenizer, "train", chunk_index, CHUNK, EARLY if step < LATE else AFTER), options.tokens // MICRO, rng
        )
        for at in range(0, len(micro) - MICRO + 1, MICRO):
            groups = [group for opt in opts for group in opt.param_groups]
            for group, peak in zip(groups, peaks, strict=True):
                group["lr"] = peak * rate(step + 1, options.steps)
            value = accumulate(model, micro[at : at + MICRO])
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for opt in opts:
                opt.step()
                opt.zero_grad(set_to_none=True)
            step, seen = step + 1, seen + sum(len(t) for batch in micro[at : at + MICRO] for t, _ in batch)
            running = value if math.isnan(running) else 0.98 * running + 0.02 * value
            if step % 100 == 0 or step == options.steps:
                seconds = time.monotonic() - started
                line = {"step": step, "train": round(running, 4), "seconds": round(seconds), "tokens": seen}
                if step % 300 == 0 or step == options.steps:
                    line["held_out"] = round(held_out(model, validation), 4)
                    save()
                print(json.dumps(line), flush=True)
                with (options.out / "train.jsonl").open("a") as log:
                    log.write(json.dumps(line) + "\n")
            if step == options.steps:
                break
        chunk_index += 1


if __name__ == "__main__":
    main()
