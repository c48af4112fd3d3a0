"""Put the parts together: a model folder becomes a policy that proposes, families become a grader."""

from __future__ import annotations

import copy
import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ponder.engines.local import LocalEngine
from ponder.models.load import Loaded, load
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.problems.answers import canonical_answer
from ponder.problems.registry import parse_many
from ponder.protocols import Family
from ponder.verifiers.truth import GroundTruth


@dataclass(frozen=True)
class Policy:
    """A model ready to be asked. `engine` holds a copy of the weights of `model`, which a learner may change."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    codec: Codec
    engine: LocalEngine
    propose: PolicyPropose

    def at(self, temperature: float) -> PolicyPropose:
        """The same policy asked at another temperature."""
        return PolicyPropose(
            self.engine, self.codec, canonical_answer, temperature, self.propose.top_p, self.propose.separator
        )


def policy(
    name: str, *, device: str = "cpu", temperature: float = 1.0, top_p: float = 1.0, separator: str = "\n"
) -> Policy:
    """Load `name` (tiny, a folder or a hub id) and put an engine in front of it."""
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    loaded: Loaded = load(name, device=device, dtype=dtype)
    codec = Codec(loaded.tokenizer)
    engine = LocalEngine(copy.deepcopy(loaded.model), codec, device=device)
    propose = PolicyPropose(engine, codec, canonical_answer, temperature, top_p, separator)
    return Policy(name, loaded.model, loaded.tokenizer, codec, engine, propose)


def families(specs: Sequence[str]) -> list[Family]:
    """The families that the specs name, in order."""
    return [family for spec in specs for family in parse_many(spec)]


def truth(some: Sequence[Family]) -> GroundTruth:
    """The grader of these families; use it as a context manager, it may own worker processes."""
    return GroundTruth({family.name: family for family in some}, workers=cores())


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(threads: int) -> None:
    """`threads` for torch; 0 takes every core this process may use."""
    _keep_freed_memory()
    torch.set_num_threads(threads or cores())


def _keep_freed_memory() -> None:
    """Let glibc keep large freed blocks instead of giving each back to the kernel and faulting it in again.

    Training on the CPU frees and takes tens of megabytes many times a step; this was measured to save a third of the
    time. Where the C library is another one, nothing happens.
    """
    mmap_threshold, trim_threshold, top_pad = -3, -1, -2  # numbers of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)
    mallopt(top_pad, 64 << 20)
