"""The trainer's weights to an engine, by the cheapest way that the engine takes.

Tensors are handed over as they are. An engine that reads a folder gets one in shared memory (/dev/shm) where the
machine has room there, so that nothing goes through a disk; it is deleted when the engine has read it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor
from transformers import PretrainedConfig

from ponder.protocols import WeightedEngine, WeightSource
from ponder.types import PonderError

_SHARED_MEMORY = Path("/dev/shm")
Probe = Callable[[tuple[int, ...]], Sequence[float]]


async def publish(
    engine: WeightedEngine,
    state: Mapping[str, Tensor],
    version: int,
    config: PretrainedConfig,
    *,
    logprobs: Probe | None = None,
) -> None:
    """Make `state` (transformers names) live as `version`; returns when it is. `config` is that of its model.

    `logprobs`: see `WeightSource`. PonderError if the engine takes no weights.
    """
    if "tensors" in engine.takes:
        await engine.update_weights(WeightSource(tensors=state, logprobs=logprobs), version)
    elif "path" in engine.takes:
        with folder_of(state, config) as path:
            await engine.update_weights(WeightSource(path=path, logprobs=logprobs), version)
    else:
        raise PonderError(f"{type(engine).__name__} takes no weights, so what was trained cannot be sampled from")


@contextmanager
def folder_of(state: Mapping[str, Tensor], config: PretrainedConfig, place: Path = _SHARED_MEMORY) -> Iterator[Path]:
    """A checkpoint folder with these weights for as long as the block runs; in `place` if there is room, else on disk.

    A tensor that stands under two names (tied embeddings) is written once.
    """
    seen: set[tuple[int, tuple[int, ...]]] = set()
    held: dict[str, Tensor] = {}
    for name, tensor in state.items():
        place_in_memory = (tensor.data_ptr(), tuple(tensor.shape))
        if place_in_memory not in seen:
            seen.add(place_in_memory)
            held[name] = tensor.detach().cpu().contiguous()
    size = sum(tensor.nbytes for tensor in held.values())
    roomy = place.is_dir() and shutil.disk_usage(place).free > size + (256 << 20)
    with tempfile.TemporaryDirectory(prefix="ponder-weights-", dir=place if roomy else None) as folder:
        config.save_pretrained(folder)
        save_file(held, str(Path(folder) / "model.safetensors"), metadata={"format": "pt"})
        yield Path(folder)
