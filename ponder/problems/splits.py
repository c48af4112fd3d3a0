"""Train, validation and test that cannot overlap: an item belongs to the split that the hash of its content names.

A generator draws candidates from its own stream and keeps the first one whose content falls into the split asked for.
Whatever the seeds, no content can be drawn in two splits. `content` must be canonical: two items that a reader would
call the same problem (numbers in another order) must give the same string.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import TypeVar

from ponder.types import PonderError

SPLITS = ("train", "validation", "test")
# Tenths of all content: 0 and 1 are test, 2 is validation, the rest are train. Small families (countdown with three
# numbers has some 4,400 problems) still have hundreds of different test problems.
_TENTHS = {0: "test", 1: "test", 2: "validation"}
_MOST_DRAWS = 10_000

T = TypeVar("T")


def split_of(content: str) -> str:
    """The one split that `content` belongs to."""
    digest = hashlib.sha256(content.encode()).digest()
    return _TENTHS.get(int.from_bytes(digest[:8], "big") % 10, "train")


def check_split(split: str) -> None:
    if split not in SPLITS:
        raise PonderError(f"split {split!r} is not one of {', '.join(SPLITS)}")


def draw(stream: str, split: str, make: Callable[[random.Random], T | None], content: Callable[[T], str]) -> T:
    """The first item that `make` draws from the random stream named `stream` and that lies in `split`.

    `make` may return None for a draw that it rejects. Raises PonderError if a family is so small that no item of the
    split turns up: then its difficulty range must be widened.
    """
    check_split(split)
    rng = random.Random(f"{stream}/{split}")
    for _ in range(_MOST_DRAWS):
        item = make(rng)
        if item is not None and split_of(content(item)) == split:
            return item
    raise PonderError(f"{stream}: no {split} item in {_MOST_DRAWS} draws; widen the difficulty parameters")
