"""The book of claims: `claims.toml` in this folder, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from pydantic import ValidationError

from ponder.claims.claim import Claim
from ponder.names import pick
from ponder.types import PonderError


@cache
def claims() -> dict[str, Claim]:
    """Every claim by its name, in the order of the book."""
    text = resources.files("ponder").joinpath("claims/claims.toml").read_text(encoding="utf-8")
    return parsed(text)


def parsed(text: str) -> dict[str, Claim]:
    """The claims in a book. Raises PonderError that names the claim and the field at fault."""
    try:
        data = tomllib.loads(text)
        found = [Claim.model_validate(entry) for entry in _entries(data)]
    except tomllib.TOMLDecodeError as error:
        raise PonderError(f"the book of claims is no TOML ({error}); mend ponder/claims/claims.toml") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PonderError(f"the book of claims: {where or 'a claim'}: {first['msg']}; mend claims.toml") from None
    names = [claim.name for claim in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PonderError(f"the book of claims has {twice[0]!r} twice; names must differ")
    return dict(zip(names, found, strict=True))


def claim(name: str) -> Claim:
    """One claim. Raises PonderError, with the nearest name, for one that is not in the book."""
    return pick("claim", name, claims())


def _entries(data: dict[str, Any]) -> Iterator[Any]:
    yield from data.get("claim", [])
