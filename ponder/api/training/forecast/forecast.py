"""A run's memory, disk and time together with what the machine has, and the smallest changes where it does not fit."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from ponder.api.training.forecast import memory as memories
from ponder.api.training.forecast import work as works
from ponder.api.training.forecast.prompts import prompt_tokens
from ponder.api.training.forecast.room import Room, here
from ponder.config import changed
from ponder.selfplay import accounts
from ponder.selfplay.config import Run
from ponder.types import PonderError

_SPARE = 0.95  # share of the room that a run may be predicted to take: a prediction is no measurement
_SHARED = "engine.share_weights=true"
# What saves memory or disk, the least harm first. Each is tried together with those before it.
_MEMORY = (
    _SHARED,
    "control.rejection=false",
    "control.enabled=false",
    "engine.cache_mb=256",
    "trainer.micro_tokens=2048",
    "trainer.gradient_checkpointing=true",
    "verifier.enabled=false",
    "trainer.micro_tokens=512",
    "sampling.group_size=4",
    "trainer.lora_rank=32",
    "trainer.lora_rank=8",
)
_DISK = ("keep_policies=false", "verifier.enabled=false", "trainer.lora_rank=32", "trainer.lora_rank=8")


@dataclass(frozen=True)
class Forecast:
    """The prediction for `config`, and the room that there is."""

    config: Run
    model: PreTrainedModel
    room: Room
    prompt: int = memories.PROMPT  # tokens of one

    @cached_property
    def memory(self) -> memories.Memory:
        return memories.memory(self.config, self.model, self.prompt)

    @cached_property
    def work(self) -> works.Work:
        device = self.config.device
        rate = accounts.peak(self.model.config, device, memories.dtype_on(device)).flops_per_second
        size = float(sum(p.numel() for p in self.model.parameters()))
        return works.work(self.config, self.model.config, rate, size, self.prompt)

    def as_data(self) -> dict[str, Any]:
        """For summary.json and --json: bytes and seconds."""
        m, w = self.memory, self.work
        return {
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "memory": {"peak": m.peak, "stage": m.stage, "parts": m.parts, "stages": m.stages},
            "disk": {"total": m.written, "parts": m.disk},
            "seconds": {"training": w.training, "control": w.control, "measuring": w.measuring, "total": w.total},
            "rate": w.rate,
            "prompt_tokens": self.prompt,
            "room": asdict(self.room),
        }

    def beside(self, seconds: dict[str, float], peak: float, written: float) -> dict[str, Any]:
        """The prediction with what it came to, and actual over predicted, for the summary of a finished run."""
        said = self.as_data()
        pairs = {
            "memory": (peak, self.memory.peak),
            "disk": (written, self.memory.written),
            "training": (seconds["train"], self.work.training),
            "measuring": (seconds["evaluation"], self.work.measuring),
        }
        actual = {name: was for name, (was, _) in pairs.items()}
        return said | {"actual": actual, "ratio": {name: was / max(to, 1e-9) for name, (was, to) in pairs.items()}}

    def with_settings(self, changes: tuple[str, ...]) -> Forecast:
        """The prediction for the same run with these changes."""
        return replace(self, config=changed(self.config, _together(self.config, changes)))

    @property
    def fits_memory(self) -> bool:
        return self.memory.peak <= _SPARE * self.room.memory

    @property
    def fits_disk(self) -> bool:
        return self.memory.written <= _SPARE * self.room.disk


def forecast(config: Run, out: Path) -> Forecast:
    """The prediction for a run on this machine into the folder `out`."""
    model = memories.skeleton(config.model, memories.dtype_on(config.device))
    return Forecast(config, model, here(config.device, out), prompt_tokens(config))


def check(found: Forecast) -> None:
    """PonderError with a plan if the run cannot fit into memory or onto the disk."""
    if not found.fits_memory:
        raise PonderError(
            f"this run needs about {_gb(found.memory.peak)} GB of memory while {found.memory.stage} "
            f"({_largest(found.memory.parts)}) and there are {_gb(found.room.memory)} GB; {plan(found, _MEMORY)}"
        )
    if not found.fits_disk:
        raise PonderError(
            f"this run writes about {_gb(found.memory.written)} GB ({_largest(found.memory.disk)}) and the disk has "
            f"{_gb(found.room.disk)} GB free; {plan(found, _DISK)}"
        )


def plan(found: Forecast, changes: tuple[str, ...] = _MEMORY) -> str:
    """The fewest of the changes that let the run fit, as options; or that none does."""

    def fits(some: tuple[str, ...]) -> bool:
        tried = found.with_settings(some)
        return tried.fits_memory if changes is _MEMORY else tried.fits_disk

    possible = [change for change in changes if _applies(found.config, change)]
    for some in accumulate(((change,) for change in possible), lambda before, new: (*before, *new)):
        if fits(some):
            kept = some
            for change in some:  # leave out what is not needed after all
                fewer = tuple(other for other in kept if other != change)
                kept = fewer if fits(fewer) else kept
            return "it fits with " + " ".join(f"--set {change}" for change in _together(found.config, kept))
    return "nothing that can be set makes it fit; use a smaller model, or a machine with more"


def _together(config: Run, changes: tuple[str, ...]) -> tuple[str, ...]:
    """The changes as a run takes them: with adapters the engine has weights of its own (`engines.open`)."""
    if config.engine.kind != "local" or not any(change.startswith("trainer.lora_rank=") for change in changes):
        return changes
    apart = "engine.share_weights=false"
    return tuple(dict.fromkeys((*(change for change in changes if change not in (_SHARED, apart)), apart)))


def _applies(config: Run, change: str) -> bool:
    """Whether a change would lower what the run takes: the setting exists here and is not there already."""
    key, _, value = change.partition("=")
    if key.startswith("engine.") and config.engine.kind != "local":
        return False
    if change == _SHARED and config.trainer.lora_rank:
        return False
    held: Any = config
    for name in key.split("."):
        held = getattr(held, name)
    if isinstance(held, bool):
        return held != (value == "true")
    return bool(not held or held > int(value))  # nothing said, or no limit


def _largest(parts: dict[str, float]) -> str:
    """The three largest parts in words."""
    first = sorted(parts, key=lambda name: -parts[name])[:3]
    return ", ".join(f"{name} {_gb(parts[name])}" for name in first if parts[name] > 0)


def _gb(count: float) -> str:
    return f"{count / 1e9:.3g}"
