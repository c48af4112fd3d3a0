"""What travels between a run and its parts on other machines: requests with ids, results, weights, signs of life."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from ponder.engines.settings import EngineSettings
from ponder.protocols import Completion, Request, Work


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to an engine. The id is the same however often it is asked; so is the seed in the request."""

    id: int
    kind: Literal["generate", "score"]
    request: Request | None = None
    prompt: tuple[int, ...] = ()
    continuation: tuple[int, ...] = ()

    @property
    def text(self) -> tuple[int, ...]:
        """The tokens that an engine may know already."""
        return self.request.prompt if self.request is not None else self.prompt


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one question: `value`, or `error`, or neither if it was cancelled.

    `cost` are generated, prefilled and reused tokens.
    """

    id: int
    value: Completion | tuple[float, ...] | None = None
    error: Exception | None = None
    cost: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Told:
    """An engine's counters since it was started, the version that is live, and where it runs."""

    version: int = 0
    context: int = 0
    generated: int = 0
    prefilled: int = 0
    reused: int = 0
    work: Work | None = None
    active: int = 0
    host: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """Results since the last report, and the counters behind them."""

    done: tuple[Done, ...]
    told: Told


@dataclass(frozen=True)
class EngineSpec:
    """Everything that an engine needs besides weights, so that no other machine needs the model's folder."""

    config: PretrainedConfig
    tokenizer: PreTrainedTokenizerBase
    ends: tuple[int, ...]
    settings: EngineSettings
    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True)
class Packed:
    """Weights as plain arrays, which travel without a copy on the side that receives them.

    `dtypes` names those that numpy does not know (their bits are in an array of whole numbers), `same` a name that
    stands for another tensor (tied embeddings).
    """

    arrays: dict[str, Any]
    dtypes: dict[str, str] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(int(array.nbytes) for array in self.arrays.values())


_AS_WHOLE = {torch.bfloat16: torch.int16}


def packed(state: Mapping[str, Tensor]) -> Packed:
    """`state` by name. On a CPU the arrays are the tensors' own memory: send or copy them before they change."""
    arrays: dict[str, Any] = {}
    dtypes: dict[str, str] = {}
    same: dict[str, str] = {}
    first: dict[tuple[int, tuple[int, ...]], str] = {}
    for name, tensor in state.items():
        place = (tensor.data_ptr(), tuple(tensor.shape))
        if place in first and tensor.numel():
            same[name] = first[place]
            continue
        first[place] = name
        flat = tensor.detach().cpu().contiguous()
        if flat.dtype in _AS_WHOLE:
            dtypes[name] = str(flat.dtype).removeprefix("torch.")
            flat = flat.view(_AS_WHOLE[flat.dtype])
        arrays[name] = flat.numpy()
    return Packed(arrays, dtypes, same)


def unpacked(weights: Packed) -> dict[str, Tensor]:
    """The tensors; they may lie in memory that others read too, so nobody may write into them."""
    state: dict[str, Tensor] = {}
    with warnings.catch_warnings():
        # They are only read: engines copy them over their own.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        for name, array in weights.arrays.items():
            tensor = torch.from_numpy(np.asarray(array))
            kind = weights.dtypes.get(name)
            state[name] = tensor if kind is None else tensor.view(getattr(torch, kind))
    return {**state, **{name: state[other] for name, other in weights.same.items()}}
