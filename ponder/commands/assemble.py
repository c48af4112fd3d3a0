"""Put the parts together: a model (here or behind an address) becomes what proposes, families become a grader."""

from __future__ import annotations

import copy
import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ponder.engines.local.engine import LocalEngine
from ponder.engines.remote.address import is_address, parse
from ponder.models.load import Loaded, load
from ponder.policy.chat import TextPropose
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.problems.registry import parse_many
from ponder.protocols import Family, Propose
from ponder.types import PonderError
from ponder.verifiers.truth import GroundTruth
from ponder.verifiers.votes import canonical_answer

_VLLM = "vllm:"


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


@dataclass(frozen=True)
class Source:
    """What can be asked: a policy whose weights are here, or a model on another engine, which has no `policy`.

    `told` says what the engine counted: `generated` tokens, and `exact`, whether each of them was counted.
    """

    name: str
    propose: Propose
    decode: Callable[[Sequence[int]], str]
    told: Callable[[], dict[str, Any]]
    policy: Policy | None = None

    def readable(self) -> Policy:
        """The policy, for a verifier, which reads its token ids and shares its device."""
        if self.policy is None:
            raise PonderError(
                f"a verifier reads the token ids of the local engine, and {self.name} is on another one; leave "
                "--verifier out and use sample or vote, or give a folder or a hub id as --model"
            )
        return self.policy


def source(name: str, *, device: str = "cpu", temperature: float = 1.0) -> Source:
    """`name` as for `policy`, the address of a remote model (URL#NAME), or vllm:FOLDER."""
    if is_address(name):
        return _remote(name, temperature)
    if name.startswith(_VLLM):
        return _vllm(name, temperature)
    made = policy(name, device=device, temperature=temperature)
    engine = made.engine
    return Source(
        name, made.propose, made.codec.decode, lambda: {"generated": engine.tokens_generated, "exact": True}, made
    )


def _remote(name: str, temperature: float) -> Source:
    address = parse(name)
    # Imported here because it needs the extra `remote`.
    from ponder.engines.remote.engine import RemoteEngine

    engine = RemoteEngine(address)

    def decode(tokens: Sequence[int]) -> str:
        raise PonderError(f"{name} gives words alone, and {len(tokens)} of its tokens cannot be turned into text")

    return Source(name, TextPropose(engine, canonical_answer, temperature), decode, engine.told)


def _vllm(name: str, temperature: float) -> Source:
    # Imported here because it needs the extra `vllm`.
    from ponder.engines.vllm.engine import VllmEngine

    folder = name.removeprefix(_VLLM)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise PonderError(f"model {name!r}: no tokenizer ({reason}); give a model folder after {_VLLM}") from None
    codec = Codec(tokenizer)
    engine = VllmEngine(folder, codec)
    propose = PolicyPropose(engine, codec, canonical_answer, temperature)
    return Source(name, propose, codec.decode, lambda: {"generated": engine.tokens_generated, "exact": True})


def families(specs: Sequence[str]) -> list[Family]:
    """The families that the specs name, in order."""
    return [family for spec in specs for family in parse_many(spec)]


def truth(some: Sequence[Family], *, allow_unsafe_code: bool = False) -> GroundTruth:
    """The grader of these families; use it as a context manager, it may own worker processes.

    Without `allow_unsafe_code` a machine that cannot isolate programs is refused with the first one.
    """
    named = {family.name: family for family in some}
    return GroundTruth(named, workers=cores(), allow_unsafe_code=allow_unsafe_code)


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
