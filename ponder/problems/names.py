"""Names and values in a problem spec, refused with the nearest name and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from ponder.types import PonderError


def known(what: str, name: str, allowed: Collection[str]) -> str:
    """`name` if it is `allowed`, else a PonderError with the nearest allowed name."""
    if name in allowed:
        return name
    near = get_close_matches(name, list(allowed), n=1, cutoff=0.5)
    guess = f"; did you mean {near[0]}?" if near else ";"
    raise PonderError(f"unknown {what} {name!r}{guess} Allowed: {', '.join(sorted(allowed)) or 'none'}")


def typed(owner: str, key: str, text: str, defaults: Mapping[str, Any]) -> Any:
    """The value of `key=text` in the type of its default; a default of None takes whatever JSON says, else text."""
    default = defaults[known(f"parameter of {owner}", key, defaults)]
    if isinstance(default, str):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if default is None or type(value) is type(default) or (type(default) is float and type(value) is int):
        return value
    raise PonderError(f"{owner}: {key}={text}; a value like {json.dumps(default)} is due")
