"""A model, here or behind an address, becomes something that can be asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from inspect import getdoc
from typing import Any, Protocol

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ponder.api.machine import check_device
from ponder.catalogue import Entry
from ponder.engines.open import open_engine
from ponder.engines.remote.address import is_address, parse
from ponder.engines.settings import EngineSettings, LocalSettings
from ponder.models import trained_on
from ponder.models.ends import end_tokens, end_tokens_of
from ponder.models.load import Loaded, load, place_of
from ponder.models.pictures import pictures_of
from ponder.policy.chat import TextPropose
from ponder.policy.codec import Codec as Codec
from ponder.policy.frames import FRAMES, Frame
from ponder.policy.frames.thinking import Tags
from ponder.policy.propose import PolicyPropose
from ponder.protocols import Engine, Propose, ToolUse, WeightedEngine
from ponder.types import PonderError
from ponder.verifiers.votes import canonical_answer


@dataclass(frozen=True)
class Policy:
    """A model ready to be asked. `engine` holds a copy of the weights of `model`, which a learner may change."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    codec: Codec
    engine: WeightedEngine
    propose: PolicyPropose

    def at(self, temperature: float) -> PolicyPropose:
        """The same policy asked at another temperature."""
        return replace(self.propose, temperature=temperature)


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

    def at(self, temperature: float) -> Source:
        """The same source asked at another temperature; refused where its `propose` has none."""
        if not isinstance(self.propose, PolicyPropose | TextPropose):
            raise PonderError(f"{self.name} has no temperature that can be set; make it with the one that you want")
        return replace(self, propose=replace(self.propose, temperature=temperature))

    def with_tools(self, tools: ToolUse | None) -> Source:
        """The same source with tools to call while it thinks (None: as it is); refused where tokens are not ours."""
        if tools is None:
            return self
        if not isinstance(self.propose, PolicyPropose):
            raise PonderError(
                f"{self.name} writes its answers without a stop, so no tool can answer in between; give a folder or a "
                "hub id as --model, or leave the tools out"
            )
        return replace(self, propose=replace(self.propose, tools=tools))


class MakesSource(Protocol):
    """Turns what stands after `SCHEME:` in a model's name into a source."""

    def __call__(self, rest: str, *, temperature: float) -> Source: ...


def load_policy(
    name: str = "tiny",
    *,
    device: str = "cpu",
    temperature: float = 1.0,
    top_p: float = 1.0,
    separator: str = "\n",
    engine: EngineSettings | None = None,
    tools: ToolUse | None = None,
    frame: str | Frame = "auto",
    opened: Callable[[Codec, Loaded], WeightedEngine] | None = None,
) -> Policy:
    """Load `name` (tiny, a folder or a hub id) and put an engine in front of it.

    `device` is cpu, cuda or cuda:N; float32 on the CPU, bfloat16 on a GPU. `temperature` 0 is greedy. `separator`
    is the text that ends a step. `engine` are the settings of what samples (None: the embedded engine, with a copy
    of the weights). `tools` are what the policy may call while it thinks, `frame` says how questions are put and
    where thinking ends (docs/models.md). `opened` makes the engine in place of this process (a cluster does).
    Nothing from a folder is ever run as code. Raises PonderError for a name that is no model, and for a model on
    another engine (an address, vllm:FOLDER): `load_source` takes those.
    """
    if is_address(name) or _scheme(name) in SCHEMES:
        raise PonderError(f"{name} runs on another engine, and its weights are not here; ask it with load_source")
    check_device(device)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    loaded: Loaded = load(name, device=device, dtype=dtype)
    codec = Codec(loaded.tokenizer, end_tokens(loaded.model), pictures_of(loaded.model))
    made = (
        opened(codec, loaded)
        if opened is not None
        else open_engine(engine or LocalSettings(), codec, model=loaded.model, folder=place_of(name), device=device)
    )
    put = frame_for(name, codec, frame)
    propose = PolicyPropose(made, codec, canonical_answer, temperature, top_p, separator, tools=tools, frame=put)
    return Policy(name, loaded.model, loaded.tokenizer, codec, made, propose)


def frame_for(name: str, codec: Codec, frame: str | Frame = "auto") -> Frame:
    """The frame for the model `name` with this codec: `frame` itself, or for `auto` the saved or the fitting one."""
    return as_frame(frame).chosen(codec.tokenizer, saved_frame(name))


def as_frame(frame: str | Frame) -> Frame:
    """A frame by its kind, or as it stands. PonderError with the nearest and all allowed kinds if there is none."""
    return FRAMES.parse({"kind": FRAMES[frame].model_fields["kind"].default}) if isinstance(frame, str) else frame


def saved_frame(name: str) -> Frame | None:
    """The frame that was saved with the model `name`; PonderError if it is none of this version."""
    table = trained_on.frame_of(name)
    if table is None:
        return None
    try:
        return FRAMES.parse(table)
    except ValueError as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise PonderError(f"{name}/{trained_on.FILE}: its frame cannot be read ({reason}); restore the file") from None


def load_source(name: str, *, device: str = "cpu", temperature: float = 1.0, frame: str | Frame = "auto") -> Source:
    """`name` as for `load_policy`, the address of a remote model (URL#NAME), or SCHEME:REST such as vllm:FOLDER."""
    check_device(device)
    if is_address(name):
        return _remote(name, temperature, as_frame(frame))
    if _scheme(name) in SCHEMES:
        if as_frame(frame).kind != "auto":
            raise PonderError(f"{name}: an engine by SCHEME:REST chooses the frame itself; leave --frame out")
        return SCHEMES[_scheme(name)](name.partition(":")[2], temperature=temperature)
    asked = LocalSettings(share_weights=True)  # nobody here changes the weights, so they are held once
    return source_of(load_policy(name, device=device, temperature=temperature, engine=asked, frame=frame))


def source_of(
    policy: str | Policy | Source,
    *,
    temperature: float | None = None,
    device: str = "cpu",
    frame: str | Frame = "auto",
) -> Source:
    """Any of the three as a source; `temperature` None keeps that of a loaded one, and is 1 for a name.

    `frame` is for a name; what is loaded has its own.
    """
    if isinstance(policy, str):
        heat = 1.0 if temperature is None else temperature
        return load_source(policy, device=device, temperature=heat, frame=frame)
    if isinstance(policy, Policy):
        engine = policy.engine
        policy = Source(
            policy.name,
            policy.propose,
            policy.codec.decode,
            lambda: {"generated": engine.tokens_generated, "exact": True},
            policy,
        )
    return policy if temperature is None else policy.at(temperature)


def source_from_engine(
    name: str,
    engine: Engine,
    codec: Codec,
    *,
    temperature: float = 1.0,
    separator: str = "\n",
    frame: str | Frame = "auto",
) -> Source:
    """A source over an engine of one's own: anything with the methods of `ponder.protocols.Engine`.

    `codec` turns text into the engine's tokens and back: `Codec(tokenizer)` with any transformers tokenizer.
    """
    put = frame_for(name.removeprefix("vllm:"), codec, frame)
    propose = PolicyPropose(engine, codec, canonical_answer, temperature, separator=separator, frame=put)

    def told() -> dict[str, Any]:
        generated = getattr(engine, "tokens_generated", None)
        return {"generated": generated, "exact": generated is not None}

    return Source(name, propose, codec.decode, told)


def _remote(name: str, temperature: float, frame: Frame) -> Source:
    address = parse(name)
    # Imported here because it needs the extra `remote`.
    from ponder.engines.remote.engine import RemoteEngine

    engine = RemoteEngine(address)
    put = Tags() if frame.kind == "auto" else frame  # nothing is known of a server's template

    def decode(tokens: Sequence[int]) -> str:
        raise PonderError(f"{name} gives words alone, and {len(tokens)} of its tokens cannot be turned into text")

    return Source(name, TextPropose(engine, canonical_answer, temperature, frame=put), decode, engine.told)


def _vllm(rest: str, *, temperature: float) -> Source:
    """VLLM in this process, for a model folder."""
    # Imported here because it needs the extra `vllm`.
    from ponder.engines.vllm.engine import VllmEngine

    name = f"vllm:{rest}"
    try:
        tokenizer = AutoTokenizer.from_pretrained(rest, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise PonderError(f"model {name!r}: no tokenizer ({reason}); give a model folder after vllm:") from None
    codec = Codec(tokenizer, end_tokens_of(rest))
    return source_from_engine(name, VllmEngine(rest, codec), codec, temperature=temperature)


def catalogue() -> list[Entry]:
    """Every engine by the form of a model's name that chooses it."""
    local = Entry("tiny | FOLDER | OWNER/NAME", "The local engine: weights in this process, on a CPU or a GPU.")
    remote = Entry("URL#NAME", "A server that speaks the OpenAI protocol.", needs=("extra remote",))
    others = [
        Entry(f"{name}:REST", (getdoc(made) or "").partition("\n")[0], needs=("extra vllm",) if name == "vllm" else ())
        for name, made in SCHEMES.items()
    ]
    return [local, remote, *others]


def _scheme(name: str) -> str:
    return name.partition(":")[0] if ":" in name else ""


# How names of the form SCHEME:REST become sources; `ponder.register_engine` adds to it.
SCHEMES: dict[str, MakesSource] = {"vllm": _vllm}
