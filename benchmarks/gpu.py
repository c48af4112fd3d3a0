"""What a GPU gives: tokens a second against `generate` and vLLM, utilisation, the largest batch, a long GRPO step.

    python -m benchmarks.gpu [--shapes 0.5b 1.5b] [--folder FOLDER] [--prompts 16 64 256] [--rounds 5] [--out FILE.json]

Random weights of the shapes of Qwen2.5 0.5B and 1.5B in bfloat16, and the model in `--folder` if one is given; nothing
is downloaded. vLLM is the third side where it is installed in the same environment. Prompts of 64 tokens get 128
new ones; both sides take turns. Utilisation is floating-point operations (by the architecture, attention included) over
seconds over the measured rate of a large bfloat16 matrix product. The largest batch is the last power of two that
one update took without running out of memory. Backends are compared on eight groups of eight answers of 256 tokens to
prompts of as many: seconds of the second update, and of the first, which compiles. The long step is
`benchmarks.gpu_step`'s. Without a GPU it says so and measures nothing.
`--shapes toy --device cpu` runs the same code in seconds, to see that it works; its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from benchmarks import generation, gpu_step, models
from benchmarks.machine import about
from ponder.engines.local.engine import LocalEngine
from ponder.learning.policy import PolicyTrainer
from ponder.learning.settings import BackendName, TrainerSettings
from ponder.models.load import load
from ponder.models.size import parameters, training_flops
from ponder.types import PonderError, Sample

SHAPES: dict[str, dict[str, Any]] = {
    "0.5b": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14},
    "1.5b": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12},
    "toy": {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4},
}
UPDATE_TOKENS = 512
BACKENDS: tuple[BackendName, ...] = ("module", "packed", "flex")


def build(shape: str, device: torch.device) -> PreTrainedModel:
    """The model of a shape with random weights, or the one in a folder; both in bfloat16."""
    if shape not in SHAPES:
        return load(shape, device=str(device), dtype=torch.bfloat16).model
    torch.manual_seed(0)
    config = Qwen2Config(
        **SHAPES[shape],
        num_key_value_heads=2,
        vocab_size=301 if shape == "toy" else 151_936,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    with device:
        model = Qwen2ForCausalLM(config)
    nn.Module.to(model, torch.bfloat16)
    model.eval()
    return model


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds until the device has finished."""
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def product_rate(device: torch.device) -> float:
    """Floating-point operations a second of a bfloat16 matrix product; the best of five."""
    side = 8192 if device.type == "cuda" else 256
    a, b = (torch.ones(side, side, dtype=torch.bfloat16, device=device) for _ in range(2))
    return 2 * side**3 / min(timed(lambda: a @ b, device) for _ in range(5))


def rollout(model: PreTrainedModel, counts: list[int], rounds: int, peak: float) -> list[dict[str, float]]:
    device = model.device
    engine = LocalEngine(copy.deepcopy(model), models.Endless(), device=str(device), dtype=torch.bfloat16)
    rows = []
    for count in counts:
        texts = models.prompts(count, int(model.config.vocab_size))
        theirs, mine = generation.library(model, texts), generation.ours(engine, texts)
        theirs(), mine()
        turns = []
        for _ in range(rounds):
            other, before = timed(theirs, device), engine.work
            seconds = timed(mine, device)
            turns.append((seconds, other, (engine.work - before).flops / seconds / peak))
        own, other, used = (statistics.median(column) for column in zip(*turns, strict=True))
        tokens = count * models.NEW_TOKENS
        ratio = statistics.median(theirs / mine for mine, theirs, _ in turns)
        row = {"prompts": count, "local": tokens / own, "library": tokens / other, "ratio": ratio, "utilisation": used}
        rows.append(row)
        print(
            f"  rollout {count:>4} prompts: {row['local']:.0f} tok/s, library {row['library']:.0f}, {used:.1%} of peak"
        )
    return rows


def against_vllm(model: PreTrainedModel, counts: list[int], rounds: int) -> dict[str, Any]:
    """Tokens a second of vLLM in this process; why there are none if it is not installed or fails on this machine.

    Its turns come after the others', since both at once would share the memory; so these are no turns in one run.
    """
    if find_spec("vllm") is None:
        print("  vLLM is not installed here: not measured")
        return {"missing": "not installed"}
    try:
        return {"rows": _vllm_rows(model, counts, rounds)}
    except Exception as error:  # the other figures do not depend on it
        print(f"  vLLM failed, the rest goes on: {type(error).__name__}: {error}")
        return {"missing": f"{type(error).__name__}: {error}"}


def _vllm_rows(model: PreTrainedModel, counts: list[int], rounds: int) -> list[dict[str, float]]:
    """Without log-probabilities and with them, the median of `rounds` turns after one that is not measured."""
    from benchmarks.sides import vllm

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        draw, _ = vllm(folder, "bfloat16", eager=model.device.type == "cpu")
    rows = []
    for count in counts:
        texts = models.prompts(count, int(model.config.vocab_size))
        row: dict[str, float] = {"prompts": count}
        for name, logprobs in (("vllm", False), ("vllm_logprobs", True)):
            turn = partial(draw, texts, models.NEW_TOKENS, 0, logprobs)
            seconds = [timed(turn, model.device) for _ in range(rounds + 1)]
            row[name] = count * models.NEW_TOKENS / statistics.median(seconds[1:])
        rows.append(row)
        print(f"  vLLM {count:>4} prompts: {row['vllm']:.0f} tok/s, with log-probabilities {row['vllm_logprobs']:.0f}")
    return rows


def samples(count: int, vocabulary: int) -> list[Sample]:
    rng = random.Random(count)
    half = UPDATE_TOKENS // 2

    def tokens() -> tuple[int, ...]:
        return tuple(rng.randrange(7, vocabulary) for _ in range(half))

    ones, guess = (1.0,) * half, (-5.0,) * half
    return [Sample(str(i), tokens(), tokens(), ((-1.0) ** i,) * half, ones, guess) for i in range(count)]


def update(model: PreTrainedModel, peak: float, most: int) -> list[dict[str, float]]:
    """One update of 1, 2, 4, ... samples in one micro-batch each, until memory ends."""
    rows: list[dict[str, float]] = []
    count = 1
    while count <= most:
        learner = PolicyTrainer(model, TrainerSettings(micro_tokens=count * UPDATE_TOKENS))
        batch = samples(count, int(model.config.vocab_size))
        try:
            learner.update(batch)
            flops: list[float] = []
            seconds = timed(lambda: flops.append(learner.update(batch).flops), model.device)  # noqa: B023
        except torch.OutOfMemoryError:
            print(f"  update of {count} samples: out of memory")
            break
        rows.append({"samples": count, "tokens_a_second": count * UPDATE_TOKENS / seconds})
        rows[-1]["utilisation"] = flops[0] / seconds / peak
        rate, used = rows[-1]["tokens_a_second"], rows[-1]["utilisation"]
        print(f"  update {count:>4} samples: {rate:.0f} tok/s, {used:.1%} of peak")
        count *= 2
        del learner
        if model.device.type == "cuda":
            torch.cuda.empty_cache()
    return rows


def backends(model: PreTrainedModel, peak: float, length: int) -> list[dict[str, Any]]:
    """Each backend that can compute `model` on the same groups, on a copy of its own."""
    rows: list[dict[str, Any]] = []
    batch = _groups(8, length, int(model.config.vocab_size))
    flops = training_flops(model.config, [len(sample) for sample in batch])
    for name in BACKENDS:
        row: dict[str, Any] = {"backend": name}
        try:
            row |= _updated(copy.deepcopy(model), name, batch)
            row["utilisation"] = flops / row["seconds"] / peak
            said = f"{row['seconds']:.2f} s ({row['utilisation']:.1%} of peak), the first {row['first']:.1f} s"
        except (torch.OutOfMemoryError, PonderError) as error:
            row["missing"] = said = str(error).splitlines()[0]
        print(f"  backend {name}: {said}")
        rows.append(row)
        if model.device.type == "cuda":
            torch.cuda.empty_cache()
    return rows


def _updated(model: PreTrainedModel, backend: BackendName, batch: list[Sample]) -> dict[str, float]:
    """Seconds of the first update, and of the middle one of three after it."""
    model.set_attn_implementation("sdpa")  # an earlier part may have switched the model to flex attention
    learner = PolicyTrainer(model, TrainerSettings(backend=backend, micro_tokens=8192, learning_rate=1e-6))
    first, *later = (timed(partial(learner.update, batch), model.device) for _ in range(4))
    return {"first": first, "seconds": statistics.median(later)}


def _groups(count: int, length: int, vocabulary: int) -> list[Sample]:
    """`count` prompts with eight answers each, all of `length` random tokens."""
    rng = random.Random(count)

    def tokens() -> tuple[int, ...]:
        return tuple(rng.randrange(7, vocabulary) for _ in range(length))

    prompts = [tokens() for _ in range(count)]
    ones, guess = (1.0,) * length, (-5.0,) * length
    return [
        Sample(f"{p}/{g}", prompt, tokens(), ((-1.0) ** g,) * length, ones, guess)
        for p, prompt in enumerate(prompts)
        for g in range(8)
    ]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=sorted(SHAPES), default=["0.5b", "1.5b"])
    parser.add_argument("--folder", help="a model in a local folder, measured as well")
    parser.add_argument("--response", type=int, default=4096, help="tokens of a response in the long step")
    parser.add_argument("--micro", type=int, default=16_384, help="tokens of a micro-batch in the long step")
    parser.add_argument("--group-tokens", type=int, default=256, help="tokens of prompt and answer beside the backends")
    parser.add_argument("--prompts", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=64, help="most samples in an update")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gpu.json")
    options = parser.parse_args(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("no GPU here: nothing was measured")
        return
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    peak = product_rate(device)
    print(f"bfloat16 product: {peak / 1e12:.1f} TFLOP/s")
    rows = []
    for shape in [*options.shapes, *([options.folder] if options.folder else [])]:
        model = build(shape, device)
        print(f"{shape}: {parameters(model) / 1e6:.0f}M parameters")
        generated = rollout(model, options.prompts, options.rounds, peak)
        row = {"shape": shape, "rollout": generated, "vllm": against_vllm(model, options.prompts, options.rounds)}
        row["update"] = update(model, peak, options.most)
        row["backends"] = backends(model, peak, options.group_tokens)
        row["long_step"] = gpu_step.measure(model, options.response, peak, options.micro)
        rows.append(row)
        del model
        # After every shape: what was measured is there even if a later one fails.
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({**about(name), "product_flops": peak, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
