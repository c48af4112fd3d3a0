r"""How a model writes calls of tools, by its chat template, and what a text calls.

hermes   `<tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>`, any number in a turn (Qwen2.5, Qwen3, Hermes)
llama    the whole turn is `{"name": ..., "parameters": {...}}`, perhaps behind `<|python_tag|>` (Llama 3.1 and later)

A format is found by what the template does with tools, and never by a model's name. A template that leaves tools out
(SmolLM2, Llama 3.0) has none; Ponder's tagged form is for those.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import jinja2
from transformers import PreTrainedTokenizerBase

from ponder.thinking import THINK_CLOSE

Kind = Literal["hermes", "llama"]
_HERMES = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_OPEN, _CLOSE, _PYTHON = "<tool_call>", "</tool_call>", "<|python_tag|>"
_PROBE: dict[str, Any] = {
    "type": "function",
    "function": {"name": "ponder_probe", "description": "x", "parameters": {"type": "object", "properties": {}}},
}
_REFUSALS = (jinja2.TemplateError, ValueError, TypeError, AttributeError, KeyError)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call. `broken` says what is wrong with it; then name and arguments are what could be read."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A turn in parts: what is said besides the calls (thinking left out), and the calls in order."""

    content: str
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """One way of writing calls."""

    kind: Kind

    def parse(self, turn: str) -> Said:
        """The calls of one turn of the model, end token left out. A call that is cut or no JSON is a broken call.

        What stands inside the thinking is no call, unless the thinking never ends.
        """
        text = turn.rpartition(THINK_CLOSE)[2]
        if self.kind == "hermes":
            calls = tuple(_call(found, "arguments") for found in _HERMES.findall(text))
            return Said(_HERMES.sub("", text).strip(), calls)
        bare = text.strip()
        marked = bare.startswith(_PYTHON)
        bare = bare.removeprefix(_PYTHON).strip()
        table = _table(bare)
        if marked or (table is not None and "name" in table and ("parameters" in table or "arguments" in table)):
            return Said("", (_call(bare, "parameters"),))
        return Said(text.strip())

    def written(self, call: ToolCall) -> str:
        """A call as the model would write it, for demonstrations and for the turns of a conversation in plain text."""
        key = "arguments" if self.kind == "hermes" else "parameters"
        body = json.dumps({"name": call.name, key: dict(call.arguments)}, ensure_ascii=False)
        return f"{_OPEN}\n{body}\n{_CLOSE}" if self.kind == "hermes" else body


def format_of(tokenizer: PreTrainedTokenizerBase) -> ToolFormat | None:
    """The format that the chat template of this tokenizer teaches; None if it leaves tools out, or there is none."""
    if not tokenizer.chat_template:
        return None
    try:
        shown = str(
            tokenizer.apply_chat_template(
                [{"role": "user", "content": "?"}], tools=[_PROBE], add_generation_prompt=True, tokenize=False
            )
        )
    except _REFUSALS:
        return None
    if "ponder_probe" not in shown:
        return None
    called: list[dict[str, Any]] = [
        {"role": "user", "content": "?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"type": "function", "function": {"name": "ponder_probe", "arguments": {"x": "y"}}}],
        },
        {"role": "tool", "content": "z", "name": "ponder_probe"},
    ]
    try:
        written = str(tokenizer.apply_chat_template(called, tools=[_PROBE], tokenize=False))
    except _REFUSALS:
        return None
    if _OPEN in written:
        return ToolFormat("hermes")
    return ToolFormat("llama") if re.search(r'"parameters":\s*\{\s*"x"', written) else None


def _table(text: str) -> dict[str, Any] | None:
    """`text` as one JSON object; None if it is something else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _call(body: str, key: str) -> ToolCall:
    table = _table(body.strip())
    if table is None:
        return ToolCall("", broken="this call is no JSON object")
    name = table.get("name")
    if not isinstance(name, str):
        return ToolCall("", broken="this call names no tool")
    arguments = table.get(key, table.get("arguments", table.get("parameters", {})))
    if isinstance(arguments, str):  # some models write the arguments as a text that holds JSON
        arguments = _table(arguments)
    if not isinstance(arguments, dict):
        return ToolCall(name, broken=f"the {key} of this call are no JSON object")
    return ToolCall(name, arguments)
