"""The tools of a request as a search meets them: what an answer calls, and whether it had to.

The server runs none of them. How calls are written is the model's own affair (`policy.native`): its chat template's, or
the general form that the prompt explains.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ponder.api.thinking.answers import marked_answer
from ponder.policy.native.formats import Said, ToolFormat
from ponder.thinking import final_answer
from ponder.types import Question


@dataclass(frozen=True)
class Toolset:
    """The tools of one request (`schemas`, as JSON) in one format, and whether one must be called.

    `choice` is `auto`, `required` or the name of one. With `parallel` false at most one is called.
    """

    format: ToolFormat
    names: tuple[str, ...]
    schemas: tuple[str, ...]
    choice: str = "auto"
    parallel: bool = True

    def said(self, text: str) -> Said:
        """The words and the calls of an answer. A call that cannot be read, or of no tool here, is left as words."""
        found = self.format.parse(text)
        if any(call.broken or call.name not in self.names for call in found.calls):
            return Said(text)
        return found if self.parallel else Said(found.content, found.calls[:1])

    @property
    def form(self) -> MustCall | None:
        """The form of an answer that must be a call."""
        return None if self.choice == "auto" else MustCall(self)

    def answer(self, question: Question, response: str) -> str | None:
        """What votes count: the calls in one spelling, or the answer."""
        calls = self.said(final_answer(response) or "").calls
        if not calls:
            return marked_answer(question, response)
        return json.dumps([[call.name, call.arguments] for call in calls], sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class MustCall:
    """An answer that must call a tool (`thinking.schema.Form` of its kind)."""

    tools: Toolset

    @property
    def instructions(self) -> str:
        """What the model is told."""
        named = self.tools.choice
        return "You must call a tool." if named == "required" else f"You must call the tool {named}."

    @property
    def grammar(self) -> str:
        """One call of one of these tools, in the model's format, for `policy.grammar`."""
        wanted = [
            (name, json.loads(schema)["function"].get("parameters") or {"type": "object"})
            for name, schema in zip(self.tools.names, self.tools.schemas, strict=True)
            if self.tools.choice in ("required", name)
        ]
        return json.dumps({"calls": wanted, "kind": self.tools.format.kind})

    def problem(self, text: str) -> str | None:
        """Why a text is no such call; None: it is one."""
        calls = self.tools.said(text).calls
        if not calls:
            return "no tool is called"
        if self.tools.choice != "required" and any(call.name != self.tools.choice for call in calls):
            return f"another tool than {self.tools.choice} is called"
        return None

    def answer(self, question: Question, response: str) -> str | None:
        """What votes count; None for an answer that is no such call."""
        return None if self.problem(final_answer(response) or "") else self.tools.answer(question, response)
