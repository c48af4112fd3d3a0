"""One GRPO step with long responses, engine and trainer on one device: seconds of its parts, and memory handed over.

`benchmarks.gpu` calls it. A group of 8 answers of `response` tokens each is sampled by the local engine; the engine
gives the memory of its keys and values back; the trainer makes one update with gradient checkpointing, one row a
micro-batch, the prompt shared where the backend shares it; the new weights are published. Memory is that of the device
allocator; on a CPU it is not measured. The rewards are made up, so what is learned means nothing.
"""

from __future__ import annotations

import copy
import time
from typing import Any

import torch
from transformers import PreTrainedModel

from benchmarks import models
from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all, run
from ponder.engines.publish import publish
from ponder.learning.policy import PolicyTrainer
from ponder.learning.settings import TrainerSettings
from ponder.models.size import training_flops
from ponder.protocols import Completion, Request
from ponder.types import Sample

GROUP = 8


def measure(model: PreTrainedModel, response: int, peak: float, micro: int = 0) -> dict[str, Any]:
    """Seconds of sampling, update and publishing, utilisation of the update, and gigabytes at each stage."""
    device = model.device
    prompt = models.prompts(1, int(model.config.vocab_size))[0]
    engine = LocalEngine(copy.deepcopy(model), models.Endless(), device=str(device), dtype=model.dtype)
    settings = TrainerSettings(
        micro_tokens=max(micro, response + len(prompt)), gradient_checkpointing=True, learning_rate=1e-6
    )
    trainer = PolicyTrainer(model, settings, longest=response)
    row: dict[str, Any] = {"group": GROUP, "response": response, "backend": trainer.backend}
    try:
        row["sampling_seconds"], drawn = _timed(lambda: _sampled(engine, prompt, response), device)
        row["after_sampling_gb"] = _allocated(device)
        engine.release()
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        row["released_gb"] = _allocated(device)
        samples = [_sample(i, prompt, answer) for i, answer in enumerate(drawn)]
        row["update_seconds"], _ = _timed(lambda: trainer.update(samples), device)
        row["update_peak_gb"] = _peak(device)
        flops = training_flops(model.config, [len(sample) for sample in samples])
        row["update_utilisation"] = flops / row["update_seconds"] / peak
        weights = trainer.weights()
        row["publish_seconds"], _ = _timed(
            lambda: run(publish(engine, weights, engine.version + 1, model.config)), device
        )
    except torch.OutOfMemoryError as error:
        row["out_of_memory"] = str(error).splitlines()[0]
        print(f"  step of {GROUP} x {response} tokens: out of memory")
        return row
    print(
        f"  step of {GROUP} x {response} tokens: sampling {row['sampling_seconds']:.1f} s, "
        f"update {row['update_seconds']:.1f} s ({row['update_utilisation']:.1%} of peak), "
        f"weights {row['publish_seconds']:.2f} s; memory {row['after_sampling_gb']} GB, "
        f"given back to {row['released_gb']} GB, peak of the update {row['update_peak_gb']} GB"
    )
    return row


def _sampled(engine: LocalEngine, prompt: tuple[int, ...], response: int) -> list[Completion]:
    return gather_all(engine.generate(Request(prompt, response, seed)) for seed in range(GROUP))


def _sample(place: int, prompt: tuple[int, ...], answer: Completion) -> Sample:
    length = len(answer.tokens)
    credit = (1.0 if place % 2 else -1.0,) * length
    return Sample(str(place), prompt, answer.tokens, credit, (1.0,) * length, answer.logprobs)


def _timed(work: Any, device: torch.device) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started, found


def _allocated(device: torch.device) -> float | None:
    return round(torch.cuda.memory_allocated(device) / 1e9, 2) if device.type == "cuda" else None


def _peak(device: torch.device) -> float | None:
    return round(torch.cuda.max_memory_allocated(device) / 1e9, 2) if device.type == "cuda" else None
