"""Answers that must be JSON: what the model is told, and whether an answer is what was asked for.

A schema comes from outside. It may refer to itself and to nothing else, and it may hold no regular expressions, since
one of those can keep a checker busy for hours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from ponder.serving.errors import refused
from ponder.thinking import final_answer
from ponder.types import Question

MOST = 64 << 10  # characters of a schema
_DEEPEST = 64
_REFUSED = ("pattern", "patternProperties")


@dataclass(frozen=True)
class Form:
    """The JSON that an answer must be; `schema` None: any object."""

    schema: dict[str, Any] | None = field(default=None, hash=False)

    @property
    def grammar(self) -> str:
        """The schema, for `policy.grammar`."""
        return json.dumps({"schema": self.schema or {"type": "object"}})

    @property
    def instructions(self) -> str:
        """What the model is told."""
        if self.schema is None:
            return "Answer with one JSON object and nothing else."
        return f"Answer with one JSON value and nothing else. It must match this schema:\n{json.dumps(self.schema)}"

    def answer(self, question: Question, response: str) -> str | None:
        """What votes count: the JSON in one spelling; None for an answer that is not what was asked for."""
        text = final_answer(response) or ""
        if self.problem(text) is not None:
            return None
        return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)

    def problem(self, text: str) -> str | None:
        """Why a text is not what was asked for, in a sentence; None: it is."""
        try:
            value = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return "it is not JSON"
        if self.schema is None:
            return None if isinstance(value, dict) else "it is no JSON object"
        try:
            error = next(self._validator().iter_errors(value), None)
        except (RecursionError, Unresolvable):
            return "the schema could not be followed to its end"
        if error is None:
            return None
        place = "/".join(map(str, error.absolute_path))
        return f"{error.message[:200]} (at {place or 'the top'})"

    def _validator(self) -> Draft202012Validator:
        return Draft202012Validator(self.schema or {}, registry=Registry())


def form_of(schema: Any, param: str) -> Form:
    """A checked form. ApiError, naming `param`, for a schema that is none or that is not taken."""
    check_schema(schema, param)
    return Form(schema)


def check_schema(schema: Any, param: str) -> None:
    """ApiError, naming `param`, for a schema that is none or that is not taken."""
    if not isinstance(schema, dict):
        raise refused(param, f"{param} must be a JSON schema, an object", "invalid_schema")
    if len(json.dumps(schema)) > MOST:
        raise refused(param, f"{param} is longer than {MOST} characters", "invalid_schema")
    for key, value in _pairs(schema, param, 0):
        if key in _REFUSED:
            raise refused(param, f"{param} uses {key}; regular expressions are not taken", "unsupported_schema")
        if key in ("$ref", "$dynamicRef") and not (isinstance(value, str) and value.startswith("#")):
            raise refused(param, f"{param} refers to {value!r}; only references inside the schema (#...) are taken")
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        why = str(error).splitlines()[0][:200]
        raise refused(param, f"{param} is no JSON schema: {why}", "invalid_schema") from None


def _pairs(value: Any, param: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _DEEPEST:
        raise refused(param, f"{param} is nested more than {_DEEPEST} deep", "invalid_schema")
    if isinstance(value, dict):
        # Below "properties" and the like the keys are names that the user chose.
        for key, inner in value.items():
            if key in ("properties", "$defs", "definitions", "dependentSchemas") and isinstance(inner, dict):
                for each in inner.values():
                    yield from _pairs(each, param, depth + 2)
                continue
            yield key, inner
            yield from _pairs(inner, param, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _pairs(each, param, depth + 1)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)
