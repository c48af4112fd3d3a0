"""What a run computed, by purpose: floating-point operations from the architecture and the seconds they took.

Model FLOPs utilisation (MFU; PaLM, arXiv 2204.02311, appendix B) is the operations that the model needs, divided by
what the machine could have done in the same time. The denominator is measured once a process: the rate of a large
matrix product with the run's threads and number type, at least `_LEAST` on a side, so that a small model is held
against what the machine can do and not against its own narrow products. Padding and what is computed twice to save
memory count as time and not as work. The best of many products is taken: on a busy machine the utilisation falls, the
rate does not.

Seconds of sampling are those in which the engine was busy (its own Python included); those of learning are whole
updates. Where no seconds were taken (None), there is no utilisation. A verifier's work is a part of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, runtime_checkable

import torch
from transformers import PretrainedConfig

from ponder.models.size import flops_per_token, forward_flops, rates
from ponder.protocols import WeightedEngine, Work

_LEAST = {"cpu": 1024, "cuda": 8192}
_SECONDS = 0.1  # products are repeated for so long
_CONTEXT = 128  # of an engine that counts tokens alone


@dataclass(frozen=True)
class Part:
    """Work of one purpose. `seconds` None: not measured."""

    flops: float = 0.0
    seconds: float | None = 0.0

    def __add__(self, other: Part) -> Part:
        known = self.seconds is not None and other.seconds is not None
        return Part(self.flops + other.flops, (self.seconds or 0.0) + (other.seconds or 0.0) if known else None)

    def as_data(self) -> dict[str, float | None]:
        return {"flops": self.flops, "seconds": self.seconds}


@dataclass(frozen=True)
class Peak:
    """The machine's measured rate: FLOPs a second of a product [rows, inner] x [inner, columns]."""

    flops_per_second: float
    rows: int
    inner: int
    columns: int
    dtype: str
    threads: int
    device: str

    def mfu(self, part: Part) -> float | None:
        """The share of this rate that `part` reached; None without seconds."""
        return part.flops / part.seconds / self.flops_per_second if part.seconds else None


def peak(config: PretrainedConfig, device: str, dtype: torch.dtype) -> Peak:
    """The rate for this model on this device with torch's present threads; measured once a process, a tenth second."""
    least = _LEAST.get(torch.device(device).type, 1024)
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    return _measured((least, max(least, config.hidden_size), max(least, inner)), device, dtype, torch.get_num_threads())


@cache
def _measured(shape: tuple[int, int, int], device: str, dtype: torch.dtype, threads: int) -> Peak:
    rows, inner, columns = shape
    a, b = torch.ones(rows, inner, device=device, dtype=dtype), torch.ones(inner, columns, device=device, dtype=dtype)
    out, best, started = a @ b, float("inf"), time.perf_counter()
    while time.perf_counter() - started < _SECONDS or best == float("inf"):
        begun = time.perf_counter()
        torch.mm(a, b, out=out)
        if out.device.type == "cuda":
            torch.cuda.synchronize(out.device)
        best = min(best, time.perf_counter() - begun)
    rate = 2.0 * rows * inner * columns / best
    return Peak(rate, rows, inner, columns, str(dtype).removeprefix("torch."), threads, device)


@runtime_checkable
class Counting(Protocol):
    """An engine that counts its work exactly."""

    @property
    def work(self) -> Work: ...


class Meter:
    """Reads what an engine did since the last reading. An engine that counts tokens alone is charged by the token."""

    def __init__(self, engine: WeightedEngine, config: PretrainedConfig) -> None:
        self._engine, self._config = engine, config
        self._last = self._now()

    def take(self) -> Part:
        """The work since the last `take`."""
        before, self._last = self._last, self._now()
        known = self._last.seconds is not None and before.seconds is not None
        seconds = (self._last.seconds or 0.0) - (before.seconds or 0.0) if known else None
        return Part(self._last.flops - before.flops, seconds)

    def _now(self) -> Part:
        if isinstance(self._engine, Counting):
            work = self._engine.work
            return Part(work.flops, work.seconds)
        tokens = self._engine.tokens_generated + self._engine.tokens_prefilled
        return Part(tokens * flops_per_token(self._config, _CONTEXT), None)


def scoring_flops(config: PretrainedConfig, lengths: Iterable[int]) -> float:
    """One pass of a verifier over whole rows of these lengths; its head of one or two columns is left out."""
    return sum(forward_flops(config, length, heads=0) for length in lengths)


def tokens_flops(config: PretrainedConfig, tokens: float) -> float:
    """Work of a verifier of which only the tokens are known: each is taken to look at `_CONTEXT` of them; no head."""
    r = rates(config)
    return tokens * (r.trunk + r.attention * _CONTEXT)


def table(parts: dict[str, Part], rate: Peak) -> dict[str, dict[str, float | None]]:
    """The parts as plain data, each with its utilisation."""
    return {name: {**part.as_data(), "mfu": rate.mfu(part)} for name, part in parts.items()}


def gathered(rows: Sequence[dict[str, Any]]) -> dict[str, Part]:
    """The parts of all rounds, each summed over the rows of a run's report."""
    found: dict[str, Part] = {}
    for row in rows:
        for name, part in read(row).items():
            found[name] = found.get(name, Part()) + part
    return found


def read(row: dict[str, Any]) -> dict[str, Part]:
    """The parts of one row; none where an older version wrote it."""
    return {name: Part(part["flops"], part["seconds"]) for name, part in row.get("work", {}).items()}
