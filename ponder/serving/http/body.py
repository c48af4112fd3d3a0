"""The body of a request: bounded in bytes and in time, strict JSON, and errors that name the field at fault."""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from ponder.serving.errors import ApiError

M = TypeVar("M", bound=BaseModel)
_DEEPEST = 100  # levels of nesting
_SHOWN = 200


async def read(request: Request, form: type[M], *, most: int, seconds: float) -> M:
    """The body as a `form`. ApiError 408, 413, 415 or 400."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        # Also what keeps other sites' pages from asking: a browser sends this type only where it was allowed to.
        raise ApiError(415, "send the request as JSON, with the header content-type: application/json")
    told = request.headers.get("content-length", "0")
    if told.isdigit() and int(told) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(seconds):
            data = await _bytes(request, most)
    except TimeoutError:
        raise ApiError(408, f"the body did not arrive within {seconds:g} s", headers={"connection": "close"}) from None
    except ClientDisconnect:
        raise ApiError(400, "the connection ended in the middle of the request") from None
    return validated(form, parsed(data))


def parsed(data: bytes) -> Any:
    """Strict JSON in UTF-8: no NaN, no Infinity, not nested without end."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ApiError(400, f"the body is not UTF-8 (byte {error.start})", code="invalid_json") from None
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    if deepest > _DEEPEST * 10:  # brackets inside of strings count too, hence the slack
        raise ApiError(400, f"the body is nested more than {_DEEPEST} deep", code="invalid_json")
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is not JSON ({str(error)[:_SHOWN]})", code="invalid_json") from None


def validated(form: type[M], value: Any) -> M:
    """The value as a `form`; the first thing that is wrong with it is named."""
    if not isinstance(value, dict):
        raise ApiError(400, f"the body must be a JSON object, and is a {type(value).__name__}", code="invalid_type")
    try:
        return form.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        # Of the branches of a union the one that came furthest is the one that was meant.
        first = max((each for each in errors if each["loc"][:1] == errors[0]["loc"][:1]), key=lambda e: len(e["loc"]))
        param = ".".join(str(part) for part in first["loc"] if not _is_branch(part)) or None
        if first["type"] == "extra_forbidden":
            message = f"{param} is not supported by this server; leave it out"
            raise ApiError(400, message, param=param, code="unsupported_parameter") from None
        code = "missing_required_parameter" if first["type"] == "missing" else "invalid_value"
        raise ApiError(400, f"{param or 'the body'}: {first['msg'][:_SHOWN]}", param=param, code=code) from None


async def _bytes(request: Request, most: int) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise _too_large(most)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(most: int) -> ApiError:
    headers = {"connection": "close"}
    return ApiError(413, f"the body is larger than {most} bytes", code="request_too_large", headers=headers)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _is_branch(part: object) -> bool:
    """Whether a part of a place is the name of a branch of a union, which pydantic puts between the fields."""
    return isinstance(part, str) and (part[:1].isupper() or part in _TYPES or "[" in part)


_TYPES = ("str", "int", "float", "bool")
