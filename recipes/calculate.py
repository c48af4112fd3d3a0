"""Memory, disk and time of a configuration for a public model's shape, without the model: nothing is downloaded.

    python recipes/calculate.py recipes/gpu_small/half.toml --shape 0.5B --memory 24 --tflops 150

`--memory` is the GPU's in GB and `--tflops` what its matrix products reach in bfloat16, measured.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import PretrainedConfig, Qwen2Config

from ponder.api.training.forecast.forecast import Forecast, plan
from ponder.api.training.forecast.memory import skeleton_of
from ponder.api.training.forecast.room import Room
from ponder.api.training.forecast.work import work
from ponder.config import load
from ponder.selfplay import needs
from ponder.selfplay.config import Run

# Qwen2.5 by size: hidden, inner, layers, heads, key-value heads, vocabulary, tied embeddings (their config.json).
SHAPES = {
    "0.5B": (896, 4864, 24, 14, 2, 151_936, True),
    "1.5B": (1536, 8960, 28, 12, 2, 151_936, True),
    "7B": (3584, 18_944, 28, 28, 4, 152_064, False),
}


def shape(name: str) -> PretrainedConfig:
    """The configuration of the Qwen2.5 model of this size."""
    hidden, inner, layers, heads, kv, vocabulary, tied = SHAPES[name]
    return Qwen2Config(
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv,
        vocab_size=vocabulary,
        tie_word_embeddings=tied,
    )


def calculated(file: Path, name: str, memory: float, tflops: float) -> tuple[Forecast, str]:
    """The forecast of a configuration on a GPU with `memory` bytes, and a paragraph that says it."""
    config = load(Run, file)
    needs.check(config)
    model = skeleton_of(shape(name), torch.bfloat16)
    found = Forecast(config, model, Room(memory, memory, 1e12))
    time = work(config, model.config, tflops * 1e12, float(sum(p.numel() for p in model.parameters())))
    m = found.memory
    parts = ", ".join(f"{part} {size / 1e9:.1f}" for part, size in m.parts.items() if size > 5e7)
    fits = "fits" if found.fits_memory else f"does not fit: {plan(found)}"
    return found, (
        f"{name}, {file.name}: {m.peak / 1e9:.1f} GB of GPU memory while {m.stage} ({parts}), "
        f"{m.written / 1e9:.1f} GB on the disk, {time.training / 3600:.1f} h of training and "
        f"{time.measuring / 3600:.1f} h of measuring at {tflops:g} TFLOP/s; with {memory / 1e9:.0f} GB it {fits}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--memory", type=float, default=80.0, help="GB of the GPU")
    parser.add_argument("--tflops", type=float, default=400.0)
    options = parser.parse_args()
    print(calculated(options.config, options.shape, options.memory * 1e9, options.tflops)[1])


if __name__ == "__main__":
    main()
