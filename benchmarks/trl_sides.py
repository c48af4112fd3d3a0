"""One side of `benchmarks.trl_smollm2`: a process that trains SmolLM2 on sums and takes a step when it is told to.

    python -m benchmarks.trl_sides ponder|trl SETTINGS.json      (benchmarks.trl_smollm2 starts it)

It says `{"ready": true}`; then each line of its input is "step", "measure" or "end", answered by one line of JSON. Both
sides ask by the model's own chat template with the question alone, draw the same number of answers to the same
questions in the same order, and pay 1 for an answer that ended and whose last number is right. TRL runs inside its own
training loop, which waits here between two steps. Seconds are those of the step alone.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
EPSILON = 1e-4  # what TRL adds to a group's standard deviation
CLIP_LOW, CLIP_HIGH = 0.2, 0.28
_AT_ONCE = 16  # rows that TRL learns from at once: all 64 take more than 9 GB, and this is about our micro-batch


@dataclass(frozen=True)
class Settings:
    """Both sides' settings. `problems` questions an update with `group` answers each; `validation` questions."""

    model: str
    threads: int = 2
    problems: int = 8
    group: int = 8
    learning_rate: float = 2e-5
    temperature: float = 0.7
    max_tokens: int = 32
    validation: int = 40
    largest: int = 30
    seed: int = 0
    steps: int = 200


class Side(Protocol):
    """What a side can be told."""

    def step(self) -> dict[str, float]: ...

    def accuracy(self) -> float: ...


def questions(settings: Settings) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(question, answer) pairs to train on in order, and those to measure on: no pair of numbers is in both."""
    pairs = [(a, b) for a in range(1, settings.largest + 1) for b in range(1, settings.largest + 1)]
    random.Random(f"benchmark/trl/{settings.seed}").shuffle(pairs)
    asked = [(f"What is {a} + {b}?", str(a + b)) for a, b in pairs]
    return asked[settings.validation :], asked[: settings.validation]


def reward(text: str, answer: str, *, ended: bool) -> float:
    """1 for a response that ended and whose last number is the answer."""
    found = _NUMBER.findall(text)
    return float(ended and bool(found) and found[-1].replace(",", "").rstrip(".") == answer)


class Ponder:
    """Ponder's engine over the trainer's own weights, and its trainer."""

    def __init__(self, settings: Settings) -> None:
        import torch

        from ponder.engines.local.engine import LocalEngine
        from ponder.learning.policy import PolicyTrainer
        from ponder.learning.settings import TrainerSettings
        from ponder.losses.clipped import Clipped
        from ponder.models.ends import end_tokens
        from ponder.models.load import load
        from ponder.policy.codec import Codec

        torch.set_num_threads(settings.threads)
        self.settings, self.turn = settings, 0
        self.train, self.held_out = questions(settings)
        loaded = load(settings.model)
        self.codec = Codec(loaded.tokenizer, end_tokens(loaded.model))
        self.engine = LocalEngine(loaded.model, self.codec, cache_bytes=1 << 29, shared=True)
        # The optimizer as TRL's defaults have it.
        trainer = TrainerSettings(
            learning_rate=settings.learning_rate, warmup_steps=0, betas=(0.9, 0.999), micro_tokens=1024
        )
        loss = Clipped(clip_low=CLIP_LOW, clip_high=CLIP_HIGH, normalisation="token")
        self.learner = PolicyTrainer(
            loaded.model, trainer, loss, temperature=settings.temperature, longest=settings.max_tokens
        )

    def step(self) -> dict[str, float]:
        s, first = self.settings, self.turn * self.settings.problems
        asked = [self.train[(first + i) % len(self.train)] for i in range(s.problems)]
        started = time.perf_counter()
        done = self._answers([question for question, _ in asked for _ in range(s.group)], s.temperature)
        sampled = time.perf_counter()
        rewards = [reward(text, asked[i // s.group][1], ended=ended) for i, (_, text, ended) in enumerate(done)]
        self.engine.release(texts=False, weights=True)  # as the loop does
        report = self.learner.update(list(self._samples(done, rewards)))
        self.learner.rest()
        self.turn += 1
        self.engine.replace_weights(self.learner.weights(), self.turn)
        ended_at = time.perf_counter()
        return {
            "seconds": ended_at - started,
            "sampling": sampled - started,
            "reward": sum(rewards) / len(rewards),
            "trained": float(report.samples),
        }

    def accuracy(self) -> float:
        done = self._answers([question for question, _ in self.held_out], 0.0)
        return _mean(
            reward(text, answer, ended=ended) for (_, text, ended), (_, answer) in zip(done, self.held_out, strict=True)
        )

    def _answers(self, asked: Sequence[str], temperature: float) -> list[tuple[Any, str, bool]]:
        from ponder.engines.loop import gather_all
        from ponder.protocols import Request
        from ponder.types import StopReason

        requests = [
            Request(self._prompt(q), self.settings.max_tokens, self.turn * 1000 + i, temperature)
            for i, q in enumerate(asked)
        ]
        done = gather_all(self.engine.generate(request) for request in requests)
        return [
            ((r, c), self.codec.decode(c.tokens), c.stop is StopReason.END) for r, c in zip(requests, done, strict=True)
        ]

    def _prompt(self, question: str) -> tuple[int, ...]:
        turns = [{"role": "user", "content": question}]
        written = self.codec.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        return self.codec.encode(str(written))

    def _samples(self, done: Sequence[tuple[Any, str, bool]], rewards: Sequence[float]) -> Iterator[Any]:
        """Rows of groups that hold both right and wrong answers: the others have no gradient."""
        from ponder.types import Sample

        group = self.settings.group
        for start in range(0, len(done), group):
            some = rewards[start : start + group]
            mean = _mean(some)
            spread = (sum((r - mean) ** 2 for r in some) / (group - 1)) ** 0.5
            for ((request, drawn), _, _), paid in zip(done[start : start + group], some, strict=True):
                count, advantage = len(drawn.tokens), (paid - mean) / (spread + EPSILON)
                if spread:
                    yield Sample(
                        str(start),
                        request.prompt,
                        drawn.tokens,
                        (advantage,) * count,
                        (1.0,) * count,
                        tuple(drawn.logprobs),
                    )


def _mean(values: Iterable[float]) -> float:
    some = list(values)
    return sum(some) / len(some)


class Trl:
    """TRL's GRPOTrainer. Its loop runs here and answers between two steps (`callback`)."""

    def __init__(self, settings: Settings, folder: str) -> None:
        torch, transformers, datasets, trl = map(importlib.import_module, ("torch", "transformers", "datasets", "trl"))
        torch.set_num_threads(settings.threads)
        self.torch, self.settings = torch, settings
        train, self.held_out = questions(settings)
        self.sampling, self.rewards, self.started = 0.0, [0.0], 0.0
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(settings.model, padding_side="left")
        model = transformers.AutoModelForCausalLM.from_pretrained(settings.model, dtype=torch.float32)
        rows = [{"prompt": [{"role": "user", "content": question}], "answer": answer} for question, answer in train]
        needed, answers = settings.steps * settings.problems, settings.problems * settings.group
        if answers % _AT_ONCE:
            raise SystemExit(f"{answers} answers a step cannot be learned from {_AT_ONCE} at once; change --problems")
        config = trl.GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            max_steps=settings.steps,
            per_device_train_batch_size=_AT_ONCE,
            gradient_accumulation_steps=answers // _AT_ONCE,
            num_generations=settings.group,
            max_completion_length=settings.max_tokens,
            num_iterations=1,
            steps_per_generation=answers // _AT_ONCE,
            gradient_checkpointing=False,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="constant",
            beta=0.0,
            epsilon=CLIP_LOW,
            epsilon_high=CLIP_HIGH,
            loss_type="dapo",
            temperature=settings.temperature,
            top_k=0,
            max_grad_norm=1.0,
            shuffle_dataset=False,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            seed=settings.seed,
        )
        self.trainer = trl.GRPOTrainer(
            model=model,
            reward_funcs=self._reward,
            args=config,
            train_dataset=datasets.Dataset.from_list((rows * (1 + needed // len(rows)))[:needed]),
            processing_class=self.tokenizer,
            callbacks=[_waits(transformers.TrainerCallback, self)],
        )
        self.ends = set(_as_list(model.generation_config.eos_token_id)) | {self.tokenizer.eos_token_id}
        generate = self.trainer._generate_single_turn  # noqa: SLF001

        def generated(*args: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            result = generate(*args, **options)
            self.sampling = time.perf_counter() - begun
            return result

        self.trainer._generate_single_turn = generated  # noqa: SLF001

    def _reward(self, completion_ids: Any, answer: Sequence[str], **_: Any) -> list[float]:
        self.rewards = [
            reward(
                self.tokenizer.decode(ids, skip_special_tokens=True), gold, ended=_ended(ids, self.ends, self.settings)
            )
            for ids, gold in zip(completion_ids, answer, strict=True)
        ]
        return self.rewards

    def result(self) -> dict[str, float]:
        """Of the step that has just ended."""
        seconds = time.perf_counter() - self.started
        return {"seconds": seconds, "sampling": self.sampling, "reward": _mean(self.rewards)}

    def accuracy(self) -> float:
        """Greedy answers to all validation questions in one batch."""
        model: Any = self.trainer.model
        texts = [
            self.tokenizer.apply_chat_template(
                [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
            )
            for question, _ in self.held_out
        ]
        asked = self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        was, _ = model.training, model.eval()
        with self.torch.no_grad():
            out = model.generate(**asked, do_sample=False, max_new_tokens=self.settings.max_tokens)
        model.train(was)
        drawn = out[:, asked["input_ids"].shape[1] :].tolist()
        found = []
        for ids, (_, answer) in zip(drawn, self.held_out, strict=True):
            ended = any(i in self.ends for i in ids)
            found.append(reward(self.tokenizer.decode(ids, skip_special_tokens=True), answer, ended=ended))
        return _mean(found)


def _as_list(value: Any) -> list[int]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _ended(ids: Sequence[int], ends: set[int], settings: Settings) -> bool:
    """Whether a completion ended by itself; TRL may or may not hand over the end token."""
    return len(ids) < settings.max_tokens or ids[-1] in ends


def _waits(base: type, side: Trl) -> Any:
    """A callback of transformers that answers commands between two steps."""

    def on_step_begin(*_: Any, **__: Any) -> None:
        until_step(side)
        side.started = time.perf_counter()

    def on_step_end(*_: Any, **__: Any) -> None:
        answer(side.result())

    return type("Waits", (base,), {"on_step_begin": on_step_begin, "on_step_end": on_step_end})()


ANSWERS: Any = None


def answer(row: dict[str, Any]) -> None:
    print(json.dumps(row), file=ANSWERS, flush=True)


def until_step(side: Any) -> None:
    """Answer commands until one asks for a step; the end of the input or "end" ends the process."""
    for line in sys.stdin:
        told = line.strip()
        if told == "step":
            return
        if told == "measure":
            answer({"accuracy": side.accuracy(), "peak_memory_bytes": _peak()})
        if told == "end":
            break
    answer({"peak_memory_bytes": _peak()})
    ANSWERS.flush()
    os._exit(0)  # a training loop of a library is around us


def _peak() -> int:
    found = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def main() -> None:
    global ANSWERS
    name, place = sys.argv[1:]
    settings = Settings(**json.loads(Path(place).read_text(encoding="utf-8")))
    # What libraries print must not come between the answers.
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if name == "ponder":
        side = Ponder(settings)
        answer({"ready": True})
        while True:
            until_step(side)
            answer(side.step())
    with tempfile.TemporaryDirectory() as folder:
        theirs = Trl(settings, folder)
        answer({"ready": True})
        theirs.trainer.train()
        until_step(theirs)


if __name__ == "__main__":
    main()
