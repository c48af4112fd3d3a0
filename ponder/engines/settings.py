"""Which engine samples, and its own settings: `engine.kind` chooses, and a setting of another kind is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ponder.config import Strict

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Dtype = Literal["auto", "float32", "bfloat16"]


class LocalSettings(Strict):
    """The embedded engine, in this process. `dtype` "auto": float32 on a CPU, bfloat16 on a GPU.

    `cache_mb` is for keys and values (none: 1024 on a CPU, two fifths of a GPU's memory), taken as it is needed;
    `max_batch` the most rows at once (none: 256 on a CPU, 1024 on a GPU), `context`
    cuts the model's own. With `share_weights` the engine reads the trainer's own parameters and holds no copy.
    """

    kind: Literal["local"] = "local"
    dtype: Dtype = "auto"
    cache_mb: Positive | None = None
    max_batch: Positive | None = None
    context: Positive | None = None
    share_weights: bool = False


class VllmSettings(Strict):
    """vLLM, in this process. `memory` is the share of a GPU's memory to take; on a CPU it has no meaning."""

    kind: Literal["vllm"] = "vllm"
    dtype: Dtype = "auto"
    memory: Share = 0.85
    max_batch: Positive = 256
    context: Positive | None = None


class RemoteSettings(Strict):
    """A model behind an OpenAI-compatible address, URL#NAME. It answers, and cannot be trained."""

    kind: Literal["remote"] = "remote"
    address: Annotated[str, Field(min_length=1)]
    concurrency: Positive = 32
    tries: Positive = 5


class ScriptedSettings(Strict):
    """An engine without a model that says one of `texts`, all equally likely: for trying out what is around it."""

    kind: Literal["scripted"] = "scripted"
    texts: Annotated[tuple[str, ...], Field(min_length=1)] = ("</think>0",)
    context: Positive = 4096


def _kind(value: Any) -> str:
    """Which settings a table is for; the embedded engine where it does not say."""
    return str(value.get("kind", "local")) if isinstance(value, dict) else str(getattr(value, "kind", ""))


EngineSettings = Annotated[
    Annotated[LocalSettings, Tag("local")]
    | Annotated[VllmSettings, Tag("vllm")]
    | Annotated[RemoteSettings, Tag("remote")]
    | Annotated[ScriptedSettings, Tag("scripted")],
    Discriminator(_kind),
]
