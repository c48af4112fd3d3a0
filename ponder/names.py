"""Look a method up by name; a wrong name is answered with the nearest right one."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from ponder.types import PonderError

T = TypeVar("T")


def pick(kind: str, name: str, table: Mapping[str, T]) -> T:
    """The entry called `name`; PonderError with the nearest name and all allowed ones if there is none."""
    if name in table:
        return table[name]
    near = get_close_matches(name, table, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise PonderError(f"unknown {kind} {name!r}.{hint} Allowed are: {', '.join(table)}.")
