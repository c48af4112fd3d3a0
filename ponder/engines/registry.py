"""The kinds of engine: what each is, whether it can be trained, and how it takes new weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ponder.config import Strict
from ponder.engines.settings import LocalSettings, RemoteSettings, ScriptedSettings, VllmSettings
from ponder.protocols import Way


@dataclass(frozen=True)
class EngineKind:
    """One value of `engine.kind`. `takes` are its ways of taking weights; empty: its model cannot be trained."""

    name: str
    summary: str
    settings: type[Strict]
    takes: tuple[Way, ...]


ENGINES: dict[str, EngineKind] = {
    kind.name: kind
    for kind in (
        EngineKind(
            "local",
            "in this process, any transformers model, CPU or one GPU; requests under way go on under new weights",
            LocalSettings,
            ("tensors",),
        ),
        EngineKind(
            "vllm",
            "vLLM in this process (extra vllm); requests under way end under the old weights",
            VllmSettings,
            ("tensors", "path"),
        ),
        EngineKind(
            "remote",
            "an OpenAI-compatible address; gives words without log-probabilities, so it answers and is not trained",
            RemoteSettings,
            (),
        ),
        EngineKind(
            "scripted",
            "no model: says one of some texts, for trying out what is around it; takes updates and ignores them",
            ScriptedSettings,
            ("tensors", "path"),
        ),
    )
}


def listing() -> list[dict[str, Any]]:
    """All kinds in plain types: name, summary, ways of taking weights, settings with their defaults."""
    rows: list[dict[str, Any]] = []
    for kind in ENGINES.values():
        fields = {
            name: "required" if field.is_required() else field.get_default()
            for name, field in kind.settings.model_fields.items()
            if name != "kind"
        }
        rows.append(
            {
                "name": kind.name,
                "summary": kind.summary,
                "trainable": bool(kind.takes),
                "takes": list(kind.takes),
                "settings": {name: list(v) if isinstance(v, tuple) else v for name, v in fields.items()},
            }
        )
    return rows
