"""A conversation as a chat template sees it: numbered slots in the place of what was said, which is filled in later.

Only what stands between the slots is ours; what fills them came from outside and is encoded apart (`codec.start`).

Besides what users and the model say, a conversation may hold calls of tools, as JSON behind the turn of the model that
made them (role "calls"), and what came back (role "tool"). Calls are written by the template, with control words in
them made harmless (`native.harmless`); for a model whose template knows none they are text of the turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from ponder.policy.native import generic
from ponder.policy.native.formats import ToolCall
from ponder.types import PonderError, Question

Written = Callable[[ToolCall], str]
_SLOT = re.compile("\u2402turn(\\d+)\u2403")
_PLAIN = {"system": "{}\n\n", "user": "Question: {}\nAnswer: ", "assistant": "{}\n\n"}


def slot(number: int) -> str:
    """What stands for a turn while a template is rendered; no template holds it."""
    return f"\u2402turn{number}\u2403"


def said(question: Question, written: Written | None) -> list[tuple[str, str]]:
    """The turns in order, the question last; where it is empty a conversation may end with results of tools.

    `written` puts calls into words; None: the template does that.
    """
    turns = list(question.history)
    if question.text or not turns or turns[-1][0] != "tool":
        turns.append(("user", question.text))
    if written is None:
        return turns
    return [
        ("calls", "\n".join(written(call) for call in calls(text))) if role == "calls" else (role, text)
        for role, text in turns
    ]


def calls(text: str) -> list[ToolCall]:
    """The calls of a turn of role "calls": a JSON list of {"name", "arguments"}. PonderError if it is none."""
    try:
        return [ToolCall(str(one["name"]), dict(one.get("arguments") or {})) for one in json.loads(text)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PonderError(
            f'calls of tools are a JSON list of {{"name": ..., "arguments": {{...}}}}, and this is {text[:80]!r}'
        ) from error


def table(text: str) -> dict[str, Any]:
    """A tool's schema from its JSON. PonderError if it is none."""
    try:
        found = json.loads(text)
        if isinstance(found, dict) and isinstance(found.get("function", found).get("name"), str):
            return found
    except (ValueError, AttributeError):
        pass
    raise PonderError(f"a tool is a JSON object with a function that has a name, and this is {text[:80]!r}")


def messages(turns: Sequence[tuple[str, str]], *, native: bool) -> list[dict[str, Any]]:
    """`turns` as a template takes them, a slot for each text. Calls and results are text where it knows no tools."""
    made: list[dict[str, Any]] = []
    for place, (role, text) in enumerate(turns):
        mark = slot(place) if text else ""
        if role == "calls":
            if not made or made[-1]["role"] != "assistant":
                raise PonderError("calls of tools stand behind a turn of the assistant")
            if native:
                made[-1]["tool_calls"] = [
                    {"type": "function", "function": {"name": c.name, "arguments": dict(c.arguments)}}
                    for c in calls(text)
                ]
            else:
                made[-1]["content"] = "\n".join(filter(None, (made[-1]["content"], mark)))
        elif role == "tool" and not native:
            response = generic.turn([mark])
            if place and turns[place - 1][0] == "tool":  # several results are one turn
                made[-1]["content"] += f"\n{response['content']}"
            else:
                made.append(response)
        else:
            made.append({"role": role, "content": mark or (slot(place) if role != "assistant" else "")})
    return made


def quoted(before: str, after: str) -> bool:
    """Whether a template writes what stands between these two pieces as a JSON text."""
    return before.endswith('"') and after.startswith('"')


def filled(rendered: str, turns: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """The pieces of a rendered text around its slots, and what fills them."""
    found = _SLOT.split(rendered)
    ours, places = found[::2], [int(number) for number in found[1::2]]
    texts = [turns[place][1] for place in places]
    for i, place in enumerate(places):
        if turns[place][0] == "tool" and quoted(ours[i], ours[i + 1]):
            texts[i] = json.dumps(texts[i], ensure_ascii=False)[1:-1]
    return ours, texts


def plain(instructions: str, turns: Sequence[dict[str, Any]]) -> str:
    """A conversation for a model without a chat template."""
    before = f"{instructions}\n\n" if instructions else ""
    return before + "".join(_PLAIN[turn["role"]].format(turn["content"]) for turn in turns)


def text(question: Question, instructions: str) -> str:
    """The whole conversation for a model that continues plain text."""
    tools = [table(tool) for tool in question.tools]
    told = "\n\n".join(filter(None, (instructions, generic.briefing(tools) if tools else "")))
    turns = said(question, generic.FORMAT.written)
    ours, outside = filled(plain(told, messages(turns, native=False)), turns)
    return ours[0] + "".join(map("".join, zip(outside, ours[1:], strict=True)))


def without_system(turns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The turns with every system message put before the next words of the user."""
    kept: list[dict[str, Any]] = []
    held: list[str] = []
    for turn in turns:
        if turn["role"] == "system":
            held.append(turn["content"])
            continue
        if turn["role"] == "user" and held:
            turn = {**turn, "content": "\n\n".join([*held, turn["content"]])}
            held = []
        kept.append(turn)
    return kept
