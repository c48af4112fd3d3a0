"""The tools of one policy: how a call is written, what comes back, and within which limits.

In the tagged form the policy writes a call as `<NAME>argument</NAME>`. Drawing pauses there, the tool runs, and what it
gives is put behind the call as `<result>...</result>`: tokens that the policy reads and did not choose. They count as
new tokens of the draw, so every budget pays for reading them, and nothing is learned from them. Then drawing goes on.

In the model's own format (`policy.native`) a call is JSON at the end of a turn, and its result a turn of its own;
`policy.calling` takes care of that and asks `answer`.

A chain of thought is all the state there is: which calls went before is read from its text. So a search may branch
anywhere, and a run that is resumed sees the same.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ponder.protocols import Answered, ToolBroken
from ponder.tools.tool import Misused, Tool
from ponder.types import PonderError

RESULT_OPEN, RESULT_CLOSE = "<result>", "</result>"
_RESULT = re.compile(re.escape(RESULT_OPEN) + r"(.*?)" + re.escape(RESULT_CLOSE), re.DOTALL)
# What a result may not hold: the marks that other code looks for in the text of a response.
_MARKS = ("<think>", "</think>", RESULT_OPEN, RESULT_CLOSE)
_NATIVE_MARKS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
Format = Literal["auto", "tagged", "native"]
ERROR = "error: "
_TOLD = 500  # characters of what went wrong


@dataclass(frozen=True)
class Call:
    """One call: the tool's name and the argument as the policy wrote it."""

    name: str
    argument: str


class Toolbox:
    """`tools` by their names. At most `calls` calls on a chain of thought; a result has at most `characters`."""

    def __init__(
        self, tools: Sequence[Tool], *, calls: int = 8, characters: int = 1000, format: Format = "auto"
    ) -> None:
        names = [tool.kind for tool in tools]
        if double := {name for name in names if names.count(name) > 1}:
            raise PonderError(f"tools: {', '.join(sorted(double))} is there twice; a call could not say which it means")
        self.tools = {tool.kind: tool for tool in tools}
        self.calls, self.characters, self.format = calls, characters, format
        any_name = "|".join(map(re.escape, names))
        self._call = re.compile(rf"<({any_name})>((?:(?!<(?:{any_name})>).)*?)</\1>", re.DOTALL)

    @property
    def marks(self) -> tuple[str, ...]:
        """The texts with which a call ends: drawing pauses there."""
        return tuple(f"</{name}>" for name in self.tools)

    @property
    def briefing(self) -> str:
        """What the policy is told of its tools, for the instructions of a question."""
        lines = [f"While you think you may call a tool at most {self.calls} times and go on with its result:"]
        for name, tool in self.tools.items():
            argument, result = tool.example
            lines.append(f"<{name}>{tool.argument}</{name}> gives {tool.usage}. For example,")
            lines.append(f"<{name}>{argument}</{name}>{RESULT_OPEN}{result}{RESULT_CLOSE}")
        return "\n".join(lines)

    @property
    def schemas(self) -> tuple[Mapping[str, Any], ...]:
        """The tools as the OpenAI API and chat templates have them."""
        return tuple(
            {
                "type": "function",
                "function": {
                    "name": name,
                    "description": f"Gives {tool.usage}.",
                    "parameters": {
                        "type": "object",
                        "properties": {
                            tool.argument: {"type": "string", "description": f"For example {tool.example[0]}"}
                        },
                        "required": [tool.argument],
                    },
                },
            }
            for name, tool in self.tools.items()
        )

    def pending(self, text: str) -> Call | None:
        """The call with which `text` ends (only spaces may follow, or the rest of a token); None: there is none."""
        behind = max((found.end() for found in _RESULT.finditer(text)), default=0)
        calls = list(self._call.finditer(text, behind))
        return Call(calls[-1].group(1), calls[-1].group(2)) if calls else None

    async def reply(self, text: str) -> str | None:
        """What stands behind a chain of thought `text` that ends with a call, marks included; None: no call.

        Raises ToolBroken if the tool fails by its own fault or gives nothing in time.
        """
        call = self.pending(text)
        if call is None:
            return None
        before = self.history(text)
        if len(before) >= self.calls:
            return self._framed(f"{ERROR}no calls are left; {self.calls} were allowed")
        earlier = [c.argument for c, result in before if c.name == call.name and not result.startswith(ERROR)]
        return self._framed(await self._run(self.tools[call.name], call.argument, earlier))

    async def answer(self, name: str, arguments: Mapping[str, Any], broken: str, before: Sequence[Answered]) -> str:
        """What a call in the model's own format gives, cut to the limit. Raises ToolBroken as `reply` does."""
        if len(before) >= self.calls:
            return f"{ERROR}no calls are left; {self.calls} were allowed"
        tool = self.tools.get(name)
        argument = None if tool is None else _argument(tool, arguments)
        if broken:
            result = f"{ERROR}{broken}"
        elif tool is None:
            result = f"{ERROR}there is no tool {name}; there are: {', '.join(self.tools)}"
        elif argument is None:
            result = f'{ERROR}{name} takes one text, "{tool.argument}"'
        else:
            went = [one for one in before if one.name == name and not one.result.startswith(ERROR)]
            earlier = [told for one in went if (told := _argument(tool, one.arguments)) is not None]
            result = await self._run(tool, argument, earlier)
        return self._short(result, _NATIVE_MARKS)

    async def _run(self, tool: Tool, argument: str, earlier: Sequence[str]) -> str:
        """What the tool gives, or what the caller did wrong. ToolBroken if it fails by its own fault or never ends."""
        try:
            async with asyncio.timeout(tool.patience):
                result = await tool.run(argument, earlier)
        except Misused as error:
            return f"{ERROR}{str(error)[: self.characters]}"
        except TimeoutError as error:
            raise ToolBroken(f"tool {tool.kind}: no answer within {tool.patience:g} s") from error
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise  # we are being stopped
            raise ToolBroken(f"tool {tool.kind}: CancelledError: a task of its own was cancelled") from error
        except (Exception, SystemExit) as error:
            raise ToolBroken(f"tool {tool.kind}: {type(error).__name__}: {str(error)[:_TOLD]}") from error
        if not isinstance(result, str):
            raise ToolBroken(f"tool {tool.kind}: it gave {type(result).__name__} instead of a text")
        return result

    def history(self, text: str) -> list[tuple[Call, str]]:
        """The calls in `text` that were answered, with what came back."""
        found, at = [], 0
        for result in _RESULT.finditer(text):
            calls = list(self._call.finditer(text, at, result.start()))
            if calls:
                found.append((Call(calls[-1].group(1), calls[-1].group(2)), result.group(1)))
            at = result.end()
        return found

    def parts(self, text: str) -> list[tuple[str, bool]]:
        """`text` in pieces, each with whether it is a result that was read, as a demonstration of calls holds them."""
        pieces, at = [], 0
        for found in _RESULT.finditer(text):
            pieces += [(text[at : found.start()], False), (found.group(), True)]
            at = found.end()
        return [(piece, read) for piece, read in [*pieces, (text[at:], False)] if piece]

    def close(self) -> None:
        """Release what the tools hold."""
        for tool in self.tools.values():
            tool.close()

    def _framed(self, result: str) -> str:
        marks = (*_MARKS, *self.marks, *(f"<{name}>" for name in self.tools))
        return f"{RESULT_OPEN}{self._short(result, marks)}{RESULT_CLOSE}"

    def _short(self, result: str, marks: Sequence[str]) -> str:
        """`result` within the limit, the marks in it broken up so that no reader of the chain takes them for ours."""
        left_out = len(result) - self.characters
        result = result[: self.characters]
        for mark in marks:
            result = result.replace(mark, f"< {mark[1:]}")
        return result if left_out <= 0 else f"{result} ... ({left_out} characters left out)"


def _argument(tool: Tool, arguments: Mapping[str, Any]) -> str | None:
    """The one text that a tool takes; under another name too, and a number as its text. None: there is none."""
    given = arguments.get(tool.argument, next(iter(arguments.values())) if len(arguments) == 1 else None)
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return None
    return str(given)
