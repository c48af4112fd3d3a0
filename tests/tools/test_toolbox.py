"""Calls read from text, results framed, limits kept; a mistake of the caller and a broken tool are two things."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import pytest

from ponder.protocols import ToolBroken
from ponder.tools import Calculator, Misused, PythonBox, Tool, Toolbox
from ponder.tools.toolbox import Call
from ponder.types import PonderError


class Echo(Tool):
    """Says back what it was given and what went before."""

    kind: Literal["echo"] = "echo"

    async def run(self, argument: str, earlier: Sequence[str]) -> str:
        if argument == "hang":
            await asyncio.Event().wait()
        if argument == "raise":
            raise OSError("the cable is out")
        if argument == "misuse":
            raise Misused("not like this")
        if argument == "number":
            return 7  # type: ignore[return-value]
        return "|".join([*earlier, argument])


BOX = Toolbox([Calculator(), Echo()], calls=3, characters=60)


def reply(text: str, box: Toolbox = BOX) -> str | None:
    return asyncio.run(box.reply(text))


def test_a_call_is_answered_behind_it() -> None:
    assert reply("so <calc>2+2</calc>") == "<result>4</result>"
    assert BOX.pending("so <calc>2+2</calc>") == Call("calc", "2+2")


@pytest.mark.parametrize(
    "text", ["", "2+2", "</calc>", "<calc>2+2", "<echo>2</calc>", "<calc>1</calc><result>1</result>"]
)
def test_what_is_no_call_is_not_answered(text: str) -> None:
    assert reply(text) is None


def test_the_last_opening_mark_counts() -> None:
    assert BOX.pending("<calc>1+<calc>2+2</calc>") == Call("calc", "2+2")


def test_a_tool_hears_of_its_own_earlier_calls_that_went_well() -> None:
    text = "<echo>a</echo><result>a</result><echo>misuse</echo><result>error: no</result><echo>b</echo>"
    assert reply(text) == "<result>a|b</result>"


def test_calls_are_limited() -> None:
    three = "<calc>1</calc><result>1</result>" * 3
    assert reply(three + "<calc>1</calc>") == "<result>error: no calls are left; 3 were allowed</result>"


def test_a_mistake_of_the_caller_is_told() -> None:
    assert reply("<calc>1/0</calc>") == "<result>error: division by zero</result>"
    assert reply("<echo>misuse</echo>") == "<result>error: not like this</result>"


@pytest.mark.parametrize(("argument", "why"), [("raise", "OSError: the cable is out"), ("number", "gave int")])
def test_a_tool_that_breaks_is_no_mistake_of_the_caller(argument: str, why: str) -> None:
    with pytest.raises(ToolBroken, match=why):
        reply(f"<echo>{argument}</echo>")


def test_a_tool_that_does_not_answer_is_broken() -> None:
    with pytest.raises(ToolBroken, match=r"no answer within 0\.05 s"):
        reply("<echo>hang</echo>", Toolbox([Echo(seconds=0.05)]))


def test_a_long_result_is_cut_and_says_so() -> None:
    assert reply(f"<echo>{'x' * 5000}</echo>") == f"<result>{'x' * 60} ... (4940 characters left out)</result>"


def test_a_result_cannot_hold_a_mark() -> None:
    said = reply("<echo></think>7</echo>")
    assert said is not None and "</think>" not in said and said.count("</result>") == 1


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(PonderError, match="twice"):
        Toolbox([Calculator(), Calculator(digits=5)])


def test_the_briefing_names_every_tool_with_an_example() -> None:
    said = Toolbox([Calculator(), PythonBox()]).briefing
    assert "<calc>17*23</calc><result>391</result>" in said and "<python>" in said
