"""Results of a candidate as they came over the pipe, made into values again. Runs where the tests run, not outside.

The text is JSON with tagged containers (see `inside.pack`). Nothing is built but exact types of the standard library;
an unknown tag, a wrong shape or a hashed thing that cannot be hashed is `Malformed`, which only a candidate that forges
results can cause. Stands alone: sent into a box as it is.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any


class Malformed(Exception):
    """Text that no honest result has."""


def decode(text: str) -> Any:
    """The value that `text` stands for."""
    try:
        return _value(json.loads(text))
    except Exception as error:  # whatever a forged text provokes is the same thing
        raise Malformed(type(error).__name__) from error


def _value(data: Any) -> Any:
    if isinstance(data, str):
        return bytes.fromhex(data).decode("utf-8", "surrogatepass")
    if not isinstance(data, list):
        return data
    tag, body = data
    if tag == "int":
        return int(body, 16)
    return _BUILD[tag]([_value(part) for part in body])


def _pairs(parts: list[Any]) -> dict[Any, Any]:
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _numpy(parts: list[Any]) -> Any:
    """An array or a number of numpy, of a plain numeric type."""
    numpy = __import__("numpy")
    kind = numpy.dtype(parts[0])
    if kind.kind not in "biufc":
        raise Malformed(parts[0])
    return numpy.array(parts[1], dtype=kind) if isinstance(parts[1], list) else kind.type(parts[1])


_BUILD: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": _pairs,
    "deque": deque,
    "iterator": iter,
    "keys": lambda parts: dict.fromkeys(parts).keys(),
    "values": lambda parts: dict(enumerate(parts)).values(),
    "items": lambda parts: dict(parts).items(),
    "numpy": _numpy,
    "bytes": lambda parts: bytes.fromhex(parts[0]),
    "bytearray": lambda parts: bytearray.fromhex(parts[0]),
    "complex": lambda parts: complex(*parts),
    "range": lambda parts: range(*parts),
    "Fraction": lambda parts: Fraction(*parts),
    "Decimal": lambda parts: Decimal(parts[0]),
}
