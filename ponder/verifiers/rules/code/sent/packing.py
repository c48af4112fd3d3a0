"""How a result is written down. Stands alone: it is sent into a candidate's box as compiled code.

The text is JSON in which text is hex and every container names its type: `["tuple", [1, "6162"]]`. Only exact built-in
types and a few of the standard library are written; a subclass or an object of the candidate's own is foreign. What is
read from an iterator, a view or a named tuple is written in its place, so no method of a candidate's class decides how
a result compares. Arrays and numbers of numpy are written where the operator has allowed numpy.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing these takes as long as the interpreter's start
    from collections.abc import Callable
    from typing import Any

DEEPEST = 100
_SEQUENCES: dict[Any, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
_MAPPINGS = ("Counter", "defaultdict", "OrderedDict")
_VIEWS: dict[Any, str] = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
_ITERATORS = {
    map, filter, zip, enumerate, reversed, type(_ for _ in ()), type(iter([])), type(iter(())), type(iter({})),
    type(iter({}.values())), type(iter({}.items())), type(iter(set())), type(iter("")), type(iter(range(0))),
    type(reversed([])),
}  # fmt: skip


class Foreign(Exception):
    """A result that is no plain data."""


class TooLarge(Exception):
    """A result above the cap."""


def pack(value: Any, room: list[int], depth: int = 0) -> str:
    """`value` as text. `room[0]` is how many characters are left."""
    kind = type(value)
    text: str
    if kind is str:
        text = '"' + value.encode("utf-8", "surrogatepass").hex() + '"'
    elif kind in _SCALARS:
        text = _SCALARS[kind](value)
    elif depth < DEEPEST:
        return _container(value, kind, room, depth + 1)
    else:
        raise Foreign(f"a {kind.__name__} nested more than {DEEPEST} deep")
    room[0] -= len(text)
    if room[0] < 0:
        raise TooLarge
    return text


def _number(value: int) -> str:
    """Small ones as they are; large ones in hex, which takes linear time both ways."""
    return int.__repr__(value) if -(2**53) < value < 2**53 else f'["int", "{value:x}"]'


def _real(value: float) -> str:
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text := float.__repr__(value), text)


_SCALARS: dict[Any, Callable[[Any], str]] = {
    int: _number,
    float: _real,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
}


def _container(value: Any, kind: Any, room: list[int], depth: int) -> str:
    tag, parts = _SEQUENCES.get(kind), value
    if kind is dict or _is_standard(kind, "collections", _MAPPINGS):
        tag, parts = "dict", [part for pair in dict.items(value) for part in pair]
    elif _is_standard(kind, "collections", ("deque",)):
        tag, parts = "deque", list(value)
    elif kind in (bytes, bytearray):
        tag, parts = kind.__name__, [value.hex()]
        room[0] -= 2 * len(value)
    elif kind in (complex, range):
        tag, parts = kind.__name__, [value.real, value.imag] if kind is complex else [*_range(value)]
    elif _is_standard(kind, "fractions", ("Fraction",)):
        tag, parts = "Fraction", [value.numerator, value.denominator]
    elif _is_standard(kind, "decimal", ("Decimal",)):
        tag, parts = "Decimal", [str(value)]
    elif is_iterator(kind) or kind in _VIEWS:
        tag, parts = _VIEWS.get(kind, "iterator"), _drawn(value, room)
    elif kind.__bases__ == (tuple,) and type(getattr(kind, "_fields", None)) is tuple:
        tag, parts = "tuple", [*tuple.__iter__(value)]
    elif _is_numpy(kind):
        return _array(value, kind, room, depth)
    if tag is None:
        raise Foreign(f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else kind.__name__)
    room[0] -= len(tag) + 8 + 2 * len(parts)
    if room[0] < 0:
        raise TooLarge
    return f'["{tag}", [' + ", ".join([pack(part, room, depth) for part in parts]) + "]]"


_ITERTOOLS = (
    "accumulate", "chain", "combinations", "combinations_with_replacement", "compress", "count", "cycle", "dropwhile",
    "filterfalse", "islice", "pairwise", "permutations", "product", "repeat", "starmap", "takewhile", "zip_longest",
)  # fmt: skip


def is_iterator(kind: Any) -> bool:
    """Whether `kind` is an iterator of Python's own."""
    return kind in _ITERATORS or _is_standard(kind, "itertools", _ITERTOOLS)


def _drawn(value: Any, room: list[int]) -> list[Any]:
    """All that an iterator gives; one without an end is too large."""
    parts: list[Any] = []
    for part in value:
        parts.append(part)
        if 3 * len(parts) > room[0]:
            raise TooLarge
    return parts


def _is_numpy(kind: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and (
        kind is numpy.ndarray or (kind.__module__ == "numpy" and issubclass(kind, numpy.generic))
    )


def _array(value: Any, kind: Any, room: list[int], depth: int) -> str:
    """An array as its type and its nested list, a number of numpy as its type and the number."""
    if value.dtype.kind not in "biufc" or value.dtype.itemsize > 16 or type(value.tolist()) is kind:
        raise Foreign(f"numpy data of type {value.dtype}")
    if value.size * 3 > room[0]:
        raise TooLarge
    return '["numpy", [' + pack(value.dtype.str, room, depth) + ", " + pack(value.tolist(), room, depth) + "]]"


def _range(value: range) -> tuple[int, int, int]:
    return value.start, value.stop, value.step


def _is_standard(kind: Any, module: str, names: tuple[str, ...]) -> bool:
    """Whether `kind` is one of these classes of a standard module that the candidate has imported."""
    loaded = sys.modules.get(module)
    return loaded is not None and any(kind is getattr(loaded, name, None) for name in names)
