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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

import build
from ponder.models import lean
from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.cipher import Cipher
from ponder.problems.families.countdown import Countdown

# Families and levels with their share of examples. Levels reach past the defaults, so that harder problems are not
# foreign when the curriculum comes to them.
LEVELS: list[tuple[Arithmetic | Cipher | Countdown, float]] = [
    *[(Arithmetic(terms=n), w / 32) for n, w in enumerate((2, 3, 4, 5, 6, 4, 4, 2, 2), start=2)],
    *[(Cipher(words=n), w / 19) for n, w in enumerate((2, 5, 7, 3, 2), start=1)],
    *[(Countdown(numbers=n), w / 22) for n, w in enumerate((1, 17, 4), start=2)],
]
# Share of each family before and after the share LATE of the steps. Countdown is learned first; arithmetic needs the
# most examples.
EARLY = {"arithmetic": 0.44, "cipher": 0.26, "countdown": 0.30}
AFTER = {"arithmetic": 0.76, "cipher": 0.15, "countdown": 0.09}
LATE = 15 / 26  # of all steps: 1,500 of the 2,600
LONGEST = 512
MICRO = 4  # parts of a batch, each small enough to stay in the processor's cache
STATE = "state.pt"
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


@dataclass
class Training:
    """The model, its optimizers, and where the run stands. `chunk` counts the chunks of examples that were used up."""

    out: Path
    steps: int
    tokens: int
    tokenizer: PreTrainedTokenizerFast
    model: LlamaForCausalLM
    opts: list[torch.optim.Optimizer]
    order: random.Random
    step: int = 0
    chunk: int = 0
    seconds: float = 0.0
    seen: int = 0
    running: float = math.nan

    def __post_init__(self) -> None:
        self.peaks = [group["lr"] for group in self._groups()]
        self.validation = batches(rows(self.tokenizer, "validation", 0, 1500, EARLY), 4_000, random.Random(0))

    def train(self) -> None:
        """Until the last step, chunk by chunk."""
        started = time.monotonic() - self.seconds
        while self.step < self.steps:
            shares = EARLY if self.step < LATE * self.steps else AFTER
            micro = batches(rows(self.tokenizer, "train", self.chunk, CHUNK, shares), self.tokens // MICRO, self.order)
            for at in range(0, len(micro) - MICRO + 1, MICRO):
                self._update(micro[at : at + MICRO])
                if self.step % 100 == 0 or self.step == self.steps:
                    self.seconds = time.monotonic() - started
                    self._report()
                if self.step == self.steps:
                    break
            self.chunk += 1

    def _update(self, micro: list[list[Row]]) -> None:
        for group, peak in zip(self._groups(), self.peaks, strict=True):
            group["lr"] = peak * rate(self.step + 1, self.steps)
        value = accumulate(self.model, micro)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for opt in self.opts:
            opt.step()
            opt.zero_grad(set_to_none=True)
        self.step, self.seen = self.step + 1, self.seen + sum(len(t) for batch in micro for t, _ in batch)
        self.running = value if math.isnan(self.running) else 0.98 * self.running + 0.02 * value

    def _report(self) -> None:
        """A line of the log; every third with the held-out loss, and a checkpoint."""
        line = {"step": self.step, "train": round(self.running, 4), "seconds": round(self.seconds), "tokens": self.seen}
        if self.step % 300 == 0 or self.step == self.steps:
            line["held_out"] = round(held_out(self.model, self.validation), 4)
            self.save()
        print(json.dumps(line), flush=True)
        with (self.out / "train.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")

    def save(self) -> None:
        self.model.save_pretrained(self.out)
        self.tokenizer.save_pretrained(self.out)
        state = {"model": self.model.state_dict(), "optimizers": [opt.state_dict() for opt in self.opts]}
        where = {"step": self.step, "chunk": self.chunk, "seconds": self.seconds}
        torch.save({**state, **where}, self.out / STATE)

    def restore(self) -> None:
        """Go on from the checkpoint in the folder, if there is one."""
        if not (self.out / STATE).exists():
            return
        state = torch.load(self.out / STATE, weights_only=True)
        self.model.load_state_dict(state["model"])
        for opt, saved in zip(self.opts, state["optimizers"], strict=True):
            opt.load_state_dict(saved)
        self.step, self.chunk, self.seconds = state["step"], state["chunk"], state["seconds"]

    def _groups(self) -> list[dict[str, Any]]:
        return [group for opt in self.opts for group in opt.param_groups]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--tokens", type=int, default=12_000, help="padded tokens a step")
    parser.add_argument("--width", type=int, default=128, help="of the model: 64 is a quarter of the parameters")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args()


def main() -> None:
    asked = options()
    torch.set_num_threads(asked.threads)
    asked.out.mkdir(parents=True, exist_ok=True)
    tokenizer = build.tokenizer()
    model = build.model(len(tokenizer), asked.seed, asked.width)
    order = random.Random(asked.seed)
    training = Training(asked.out, asked.steps, asked.tokens, tokenizer, model, optimizers(model), order)
    if asked.resume:
        training.restore()
    training.train()


if __name__ == "__main__":
    main()
