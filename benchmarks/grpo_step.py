"""Seconds of one GRPO step, ours against TRL's GRPOTrainer, in one process and in turns.

    python -m benchmarks.grpo_step [--models tiny 3m] [--steps 7] [--threads N] [--out FILE]

A step samples 8 answers of exactly 64 tokens to each of 8 prompts of 64 tokens, rewards them (the share of even ids:
nothing is graded), and makes one optimizer step on the clipped loss with group-normalised advantages; ours then hands
the weights to its engine, TRL samples from the weights it trains. Same start, same prompts, same optimizer and clips,
same threads. TRL takes its step, then we take ours, and so on; medians of `--steps` turns after two that are not
counted. Before that, TRL's own first batch goes through our learner: loss and gradient must be the same.

It needs an environment of its own with `pip install torch==2.13.0 trl==1.16.0 peft` and this package; TRL runs in
float32, `--trl-bf16` gives it bfloat16 autocast as well.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer as Core
from tokenizers import models as tokenizer_models
from tokenizers import pre_tokenizers
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast, TrainerCallback

from benchmarks.machine import about
from benchmarks.models import build
from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all
from ponder.learning.policy import PolicyTrainer
from ponder.learning.settings import TrainerSettings
from ponder.losses.clipped import Clipped
from ponder.models.size import parameters
from ponder.protocols import Completion, Request
from ponder.types import Sample

PROMPTS, GROUP, PROMPT_TOKENS, NEW_TOKENS, WARM = 8, 8, 64, 64, 2
RATE, CLIP_LOW, CLIP_HIGH = 1e-5, 0.2, 0.28
EPSILON = 1e-4  # what TRL adds to a group's standard deviation
PRECISIONS = ("model", "bfloat16_backward", "bfloat16")
# What a precision may differ from TRL's float32: the loss, and the gradient relative to its length.
ALLOWED = {"model": (1e-5, 1e-4), "bfloat16_backward": (1e-5, 2e-2), "bfloat16": (1e-3, 1.0)}
Ids = tuple[int, ...]


def words(size: int) -> PreTrainedTokenizerFast:
    """A tokenizer whose words are the ids; TRL wants text. Ids 0 and 1 are padding and end."""
    ids = {"<pad>": 0, "<end>": 1, **{f"w{i}": i for i in range(2, size)}}
    core = Core(tokenizer_models.WordLevel(ids, unk_token="w2"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token="<end>", padding_side="left")


def prompts(vocabulary: int) -> list[Ids]:
    rng = random.Random("benchmark/grpo_step")
    return [tuple(rng.randrange(7, vocabulary) for _ in range(PROMPT_TOKENS)) for _ in range(PROMPTS)]


def reward(tokens: Sequence[int]) -> float:
    return sum(1 for token in tokens if token % 2 == 0) / len(tokens)


def advantages(rewards_G: Sequence[float]) -> list[float]:
    mean, spread = statistics.fmean(rewards_G), statistics.stdev(rewards_G)
    return [(r - mean) / (spread + EPSILON) for r in rewards_G]


def learner(model: PreTrainedModel, precision: Any) -> PolicyTrainer:
    return PolicyTrainer(
        model,
        TrainerSettings(learning_rate=RATE, warmup_steps=0, betas=(0.9, 0.999), precision=precision),
        Clipped(clip_low=CLIP_LOW, clip_high=CLIP_HIGH, normalisation="token"),
    )


class Endless:
    """A tokenizer for an engine that is asked for ids alone and must never end early."""

    eos_id = 1
    end_ids = ()  # TRL's side is kept from ending by `min_new_tokens`

    def encode(self, text: str) -> Ids:
        raise NotImplementedError(text)

    def decode(self, tokens: Sequence[int]) -> str:
        raise NotImplementedError(tokens)


@dataclass
class Ours:
    """One policy: a learner and the engine that samples from its weights."""

    learner: PolicyTrainer
    engine: LocalEngine
    prompts: list[Ids]
    turn: int = 0
    rollout: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)

    @staticmethod
    def of(model: PreTrainedModel, precision: str) -> Ours:
        engine = LocalEngine(copy.deepcopy(model), Endless())
        return Ours(learner(copy.deepcopy(model), precision), engine, prompts(model.config.vocab_size))

    def step(self) -> None:
        started = time.perf_counter()
        requests = [
            Request(prompt, NEW_TOKENS, self.turn * 1000 + i)
            for i, prompt in enumerate(p for p in self.prompts for _ in range(GROUP))
        ]
        done: list[Completion] = gather_all(self.engine.generate(request) for request in requests)
        if any(len(completion.tokens) != NEW_TOKENS for completion in done):
            raise RuntimeError("an answer ended early: the sides would do different work")
        self.rollout.append(time.perf_counter() - started)
        report = self.learner.update(list(self._samples(requests, done)))
        if report.steps != 1:
            raise RuntimeError(f"no step was made: {report.skipped}")
        self.turn += 1
        self.engine.replace_weights(self.learner.weights(), self.turn)
        self.total.append(time.perf_counter() - started)

    def _samples(self, requests: Sequence[Request], done: Sequence[Completion]) -> list[Sample]:
        rows = []
        for start in range(0, len(done), GROUP):
            group = range(start, start + GROUP)
            for i, advantage in zip(group, advantages([reward(done[j].tokens) for j in group]), strict=True):
                rows.append(sample(i, requests[i].prompt, done[i].tokens, advantage, done[i].logprobs))
        return rows


def sample(index: int, prompt: Ids, response: Ids, advantage: float, logprobs: Sequence[float]) -> Sample:
    count = len(response)
    return Sample(str(index), prompt, response, (advantage,) * count, (1.0,) * count, tuple(logprobs))


class Turns(TrainerCallback):
    """Times TRL's step, then lets each of our policies make one."""

    def __init__(self, ours: Sequence[Ours]) -> None:
        self.ours = ours
        self.total: list[float] = []
        self.gradient: dict[str, Tensor] = {}

    def on_step_begin(self, *args: Any, **_: Any) -> None:
        self.started = time.perf_counter()

    def on_pre_optimizer_step(self, *args: Any, model: Any = None, **_: Any) -> None:
        if not self.total:
            self.gradient = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    def on_step_end(self, *args: Any, **_: Any) -> None:
        self.total.append(time.perf_counter() - self.started)
        for policy in self.ours:
            policy.step()


@dataclass
class Theirs:
    """TRL's trainer with what its first step saw, and the time that it spends sampling."""

    trainer: Any
    batch: dict[str, Tensor] = field(default_factory=dict)
    loss: float = 0.0
    rollout: list[float] = field(default_factory=list)

    @staticmethod
    def of(model: PreTrainedModel, turns: Turns, steps: int, folder: str, bf16: bool) -> Theirs:
        # Not in the development environment: TRL has one of its own.
        datasets, trl = (importlib.import_module(name) for name in ("datasets", "trl"))

        size = int(model.config.vocab_size)
        config = trl.GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=bf16,
            max_steps=steps + WARM,
            per_device_train_batch_size=PROMPTS * GROUP,
            num_generations=GROUP,
            max_completion_length=NEW_TOKENS,
            generation_kwargs={"min_new_tokens": NEW_TOKENS},
            num_iterations=1,
            steps_per_generation=1,
            gradient_checkpointing=False,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            beta=0.0,
            epsilon=CLIP_LOW,
            epsilon_high=CLIP_HIGH,
            loss_type="dapo",
            temperature=1.0,
            top_k=0,
            max_grad_norm=1.0,
            shuffle_dataset=False,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        texts = [" ".join(f"w{i}" for i in prompt) for prompt in prompts(size)]
        trainer = trl.GRPOTrainer(
            model=copy.deepcopy(model),
            reward_funcs=lambda completion_ids, **_: [reward(ids) for ids in completion_ids],
            args=config,
            train_dataset=datasets.Dataset.from_dict({"prompt": texts * 64}),
            processing_class=words(size),
            callbacks=[turns],
        )
        theirs = Theirs(trainer)
        theirs._watch()
        return theirs

    def _watch(self) -> None:
        """Keep the first batch and its loss, and time the sampling, through the trainer's own methods."""
        compute, generate = self.trainer._compute_loss, self.trainer._generate_single_turn  # noqa: SLF001

        def computed(model: Any, inputs: dict[str, Any]) -> Tensor:
            loss: Tensor = compute(model, inputs)
            if not self.batch:
                self.batch = {k: v.clone() for k, v in inputs.items() if isinstance(v, Tensor)}
                self.loss = float(loss.detach())
            return loss

        def generated(*args: Any, **options: Any) -> Any:
            started = time.perf_counter()
            result = generate(*args, **options)
            self.rollout.append(time.perf_counter() - started)
            return result

        self.trainer._compute_loss, self.trainer._generate_single_turn = computed, generated  # noqa: SLF001

    def samples(self, model: PreTrainedModel) -> list[Sample]:
        """The first batch as our samples; the sampler is the start itself, as TRL takes it to be."""
        prompt, answer, score = (self.batch[k] for k in ("prompt_ids", "completion_ids", "advantages"))
        if prompt.shape[1] != PROMPT_TOKENS or answer.shape != (PROMPTS * GROUP, NEW_TOKENS):
            raise RuntimeError(f"TRL made {tuple(prompt.shape)} prompt and {tuple(answer.shape)} answer ids")
        with torch.no_grad():
            logits = model(torch.cat([prompt, answer], dim=1)).logits[:, PROMPT_TOKENS - 1 : -1]
            logprobs = logits.log_softmax(-1).gather(2, answer[..., None])[..., 0]
        rows = zip(prompt.tolist(), answer.tolist(), score.tolist(), logprobs.tolist(), strict=True)
        return [sample(i, tuple(p), tuple(a), s, mu) for i, (p, a, s, mu) in enumerate(rows)]


def agreement(start: PreTrainedModel, theirs: Theirs, gradient: dict[str, Tensor], precision: str) -> dict[str, float]:
    """Our loss and clipped gradient on TRL's first batch, beside TRL's: relative error and cosine of the whole."""
    ours = learner(copy.deepcopy(start), precision)
    report = ours.update(theirs.samples(start))
    mine = {name: p.grad for name, p in ours.model.named_parameters() if p.grad is not None}
    if mine.keys() != gradient.keys() or report.loss is None:
        raise RuntimeError("the sides train different parameters")
    a, b = (torch.cat([g[name].flatten().double() for name in sorted(g)]) for g in (mine, gradient))
    found = {
        "loss_ours": report.loss,
        "loss_trl": theirs.loss,
        "gradient_relative_error": float((a - b).norm() / b.norm()),
        "gradient_cosine": float(a @ b / (a.norm() * b.norm())),
    }
    loss_gap, gradient_gap = ALLOWED[precision]
    if abs(report.loss - theirs.loss) > loss_gap or found["gradient_relative_error"] > gradient_gap:
        raise RuntimeError(f"the two sides do not compute the same step: {found}")
    return found


def compare(name: str, steps: int, precisions: Sequence[str], bf16: bool) -> dict[str, Any]:
    start = build(name, ends=False)
    ours = {precision: Ours.of(start, precision) for precision in precisions}
    turns = Turns(list(ours.values()))
    with tempfile.TemporaryDirectory() as folder:
        theirs = Theirs.of(start, turns, steps, folder, bf16)
        theirs.trainer.train()
    median: Callable[[list[float]], float] = lambda values: statistics.median(values[WARM:])  # noqa: E731
    total = median(turns.total)
    rows = {}
    for precision, policy in ours.items():
        seconds = median(policy.total)
        rows[precision] = {
            "seconds": seconds,
            "rollout_seconds": median(policy.rollout),
            "slowest": max(policy.total[WARM:]),
            "fastest": min(policy.total[WARM:]),
            "ratio": total / seconds,
            "agreement": agreement(start, theirs, turns.gradient, precision),
        }
    trl = {
        "seconds": total,
        "rollout_seconds": median(theirs.rollout),
        "slowest": max(turns.total[WARM:]),
        "fastest": min(turns.total[WARM:]),
        "precision": "bfloat16" if bf16 else "model",
    }
    return {"model": name, "parameters": parameters(start), "steps": steps, "trl": trl, "ponder": rows}


def show(result: dict[str, Any]) -> None:
    trl = result["trl"]
    print(f"{result['model']} ({result['parameters']:,} parameters), median of {result['steps']} steps, seconds")
    print(f"  {'TRL ' + trl['precision']:<24} {trl['seconds']:6.3f}  of it sampling {trl['rollout_seconds']:6.3f}")
    for precision, row in result["ponder"].items():
        found = row["agreement"]
        print(
            f"  {'Ponder ' + precision:<24} {row['seconds']:6.3f}  of it sampling {row['rollout_seconds']:6.3f}"
            f"  ratio {row['ratio']:5.2f}   on TRL's batch: loss {found['loss_ours']:+.6f}, {found['loss_trl']:+.6f},"
            f" gradient off by {found['gradient_relative_error']:.1e}, cosine {found['gradient_cosine']:.7f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["tiny", "3m"], choices=["tiny", "3m"])
    parser.add_argument("--steps", type=int, default=7, help="turns that are counted")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", nargs="+", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--trl-bf16", action="store_true", help="bfloat16 autocast on TRL's side too")
    parser.add_argument("--out", type=Path, help="also write the numbers as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = []
    for name in options.models:
        results.append(compare(name, options.steps, options.precision, options.trl_bf16))
        show(results[-1])
    if options.out:
        body = {**about(), "threads": options.threads, "rows": results}
        options.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
