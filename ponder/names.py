"""Names that people type are looked up; a wrong one is answered with the nearest right one and all that are allowed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from ponder.types import PonderError

T = TypeVar("T")
_ALIKE = 0.5  # difflib's measure of likeness, from 0 to 1; below it a guess would only mislead


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that is most like `name`, or None if none is like it at all."""
    return next(iter(get_close_matches(name, list(allowed), n=1, cutoff=_ALIKE)), None)


def known(what: str, name: str, allowed: Collection[str]) -> str:
    """`name` if it is `allowed`; else PonderError with the nearest allowed name, and all of them."""
    if name in allowed:
        return name
    near = nearest(name, allowed)
    guess = f" Did you mean {near!r}?" if near else ""
    raise PonderError(f"unknown {what} {name!r}.{guess} Allowed are: {', '.join(allowed) or 'none'}.")


def pick(what: str, name: str, table: Mapping[str, T]) -> T:
    """The entry called `name`; else PonderError as `known`."""
    return table[known(what, name, table)]


def install(extra: str) -> str:
    """What installs an extra. Ponder is installed from its own folder: the name `ponder` on an index is not ours."""
    return f"pip install -e '.[{extra}]' in Ponder's folder"
