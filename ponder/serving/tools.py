"""Tools as requests name them, and the calls and results of a conversation, for both APIs.

The model says which tool to call, the caller calls it, and what it gave comes with the next request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from ponder.policy.native.formats import ToolCall, ToolFormat
from ponder.serving.errors import refused
from ponder.serving.thinking.ask import Turn
from ponder.serving.thinking.schema import Form, check_schema
from ponder.serving.thinking.toolset import MustCall, Toolset
from ponder.serving.wanted import Wire

MOST = 128  # tools of one request
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Function(Wire):
    """A tool: its name, what it does, and the schema of its arguments."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class CalledFunction(Wire):
    """A call in an earlier answer; the arguments are a JSON object as text."""

    name: str
    arguments: str


class Called(Wire):
    """A call with its id, by which its result is found."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    type: Literal["function"] = "function"
    function: CalledFunction
    index: int | None = None


@dataclass(frozen=True)
class Result:
    """What the tool gave for the call of this id."""

    id: str
    text: str


Piece = Turn | Called | Result


def toolset(
    functions: Sequence[Function], choice: Any, parallel: bool | None, format: ToolFormat | None
) -> Toolset | None:
    """The tools of a request; None where there are none, or where none may be called. ApiError names the field.

    `format` None: the model behind this server cannot be told of tools.
    """
    named = _named(choice)
    if not functions:
        if named not in ("auto", "none"):
            raise refused("tool_choice", f"tool_choice={named!r}: there are no tools")
        return None
    if format is None:
        why = "tools are not passed on to the model behind this server; leave tools out"
        raise refused("tools", why, "unsupported_parameter")
    if len(functions) > MOST:
        raise refused("tools", f"there are {len(functions)} tools; at most {MOST} are taken")
    names = tuple(function.name for function in functions)
    for place, function in enumerate(functions):
        where = f"tools.{place}.function"
        if not _NAME.fullmatch(function.name) or names.count(function.name) > 1:
            raise refused(f"{where}.name", "a tool needs a name of its own, of 1 to 64 letters, digits, _ and -")
        if function.parameters is not None:
            check_schema(function.parameters, f"{where}.parameters")
    if named not in ("auto", "none", "required", *names):
        raise refused("tool_choice", f"tool_choice={named!r}: give auto, none, required or one of {', '.join(names)}")
    if named == "none":
        return None
    schemas = tuple(
        json.dumps({"type": "function", "function": function.model_dump(exclude_none=True, exclude={"strict"})})
        for function in functions
    )
    return Toolset(format, names, schemas, named, parallel is not False)


def form_with(form: Form | None, tools: Toolset | None, param: str) -> Form | MustCall | None:
    """What the answer must be, by the form that was asked for and by the choice of tools; not both: 400."""
    if form is not None and tools is not None:
        raise refused(param, "JSON answers and tools do not go together on this server; leave one out")
    return tools.form if tools is not None else form


def ending_with_the_user(turns: tuple[Turn, ...], param: str) -> tuple[Turn, ...]:
    """The turns, which end with words of the user or with what tools gave. ApiError otherwise."""
    if not turns or turns[-1][0] not in ("user", "tool"):
        raise refused(param, "the last message must be the user's, or what a tool gave")
    if turns[-1][0] == "user" and not turns[-1][1].strip():
        raise refused(param, "the last message is empty")
    return turns


def _named(choice: Any) -> str:
    """`tool_choice` as a word: one of its own, or a tool's name, in the form of either API."""
    if choice is None:
        return "auto"
    if isinstance(choice, str):
        return choice
    if isinstance(choice, dict) and choice.get("type") == "function":
        found = choice.get("function", choice)
        if isinstance(found, dict) and isinstance(found.get("name"), str):
            return str(found["name"])
    raise refused("tool_choice", "tool_choice is auto, none, required, or a function by its name")


def woven(pieces: Sequence[Piece], before: tuple[Turn, ...], param: str) -> tuple[Turn, ...]:
    """Turns in order: calls as one turn, and the result of each behind them, in the order of the calls.

    `before` are the turns of a stored conversation, which may end in calls. ApiError for a result of no call, and for
    a call without one.
    """
    turns, results = list(before), dict[str, str]()
    asked = _asked(turns)

    def closed() -> None:
        nonlocal asked
        if lost := [id for id in asked if id not in results]:
            raise refused(param, f"the call {lost[0]} has no result; send what every call gave")
        turns.extend(("tool", results.pop(id)) for id in asked)
        asked = []

    for piece in pieces:
        if isinstance(piece, Result):
            if piece.id not in asked or piece.id in results:
                raise refused(param, f"there is no call {piece.id} right before its result")
            results[piece.id] = piece.text
        elif isinstance(piece, Called):
            if turns[-1:] and turns[-1][0] == "calls" and not results:
                turns[-1] = ("calls", json.dumps([*json.loads(turns[-1][1]), _as_data(piece, param)]))
            else:
                closed()
                if not turns or turns[-1][0] != "assistant":
                    turns.append(("assistant", ""))
                turns.append(("calls", json.dumps([_as_data(piece, param)])))
            asked = _asked(turns)
        else:
            closed()
            turns.append(piece)
    closed()
    return tuple(turns)


def calls_turn(calls: Sequence[ToolCall], ids: Sequence[str]) -> Turn:
    """The calls of an answer as a turn of a stored conversation."""
    made = [{"id": id, "name": c.name, "arguments": dict(c.arguments)} for id, c in zip(ids, calls, strict=True)]
    return "calls", json.dumps(made)


def _asked(turns: Sequence[Turn]) -> list[str]:
    """The ids of the calls that a conversation ends in."""
    return [one["id"] for one in json.loads(turns[-1][1])] if turns and turns[-1][0] == "calls" else []


def _as_data(call: Called, param: str) -> dict[str, Any]:
    try:
        arguments = json.loads(call.function.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise refused(param, f"the arguments of call {call.id} are no JSON object")
    return {"id": call.id, "name": call.function.name, "arguments": arguments}
