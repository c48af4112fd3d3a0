"""What a benchmark is here: how its rows are written, how its questions are put, and what is usually reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
# A published row, and its number in the file from 1, as a row of `jsonl:` (see problems/files/jsonl.py).
Convert = Callable[[Row, int], dict[str, Any]]


@dataclass(frozen=True)
class Suite:
    """One benchmark.

    `instructions` is the usual request beside the question. `samples` and `temperature` are what is usually drawn: one
    greedy answer, or several sampled ones where a benchmark is small. `hub` and `part` name the data set; `group` is
    the field of the key by which accuracies are also shown.
    """

    name: str
    source: str
    convert: Convert
    instructions: str
    verifier: str
    hub: str
    part: str = "test"
    config: str = ""
    samples: int = 1
    temperature: float = 0.0
    group: str = ""


BOXED = "Please reason step by step, and put your final answer within \\boxed{}."
LETTER = "Please reason step by step, and put the letter of the right choice within \\boxed{}."


class Unreadable(ValueError):
    """A row that is not as the benchmark publishes it."""


def first(row: Row, *names: str) -> Any:
    """The value of the first of these fields that the row has. Raises Unreadable."""
    for name in names:
        if name in row:
            return row[name]
    raise Unreadable(f"no {' or '.join(map(repr, names))}; it has {', '.join(map(repr, row)) or 'nothing'}")
