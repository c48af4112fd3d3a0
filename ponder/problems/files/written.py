r"""Answers of JSON rows as text: numbers as they are written, lists and matrices as mathematics.

`[1, 2]` and `["1", "2"]` are the list `1, 2`; `[[1, 2], [3, 4]]` is a matrix; a list of grids (ARC) is a text of rows.
"""

from __future__ import annotations

import json
from typing import Any


class WrittenNumber(float):
    """A number that remembers how it was written: 0.12345678901234567890 has more digits than a float."""

    text: str

    def __new__(cls, text: str) -> WrittenNumber:
        number = super().__new__(cls, text)
        number.text = text
        return number


def loads(text: str) -> Any:
    """`json.loads` that keeps every digit of a decimal number."""
    return json.loads(text, parse_float=WrittenNumber)


def answer_text(answer: Any) -> str | None:
    """The answer as text; None if there is none. What is no answer (an object) is its JSON text."""
    if answer is None or isinstance(answer, str):
        return answer
    if isinstance(answer, list) and answer:
        return _list(answer)
    return answer.text if isinstance(answer, WrittenNumber) else json.dumps(answer)


def _list(answer: list[Any]) -> str:
    if all(isinstance(grid, list) and all(isinstance(row, list) for row in grid) for grid in answer):
        return "\n\n".join("\n".join(" ".join(map(_one, row)) for row in grid) for grid in answer)
    if all(isinstance(row, list) for row in answer):
        if len({len(row) for row in answer}) == 1 and answer[0]:
            rows = r" \\ ".join(" & ".join(map(_one, row)) for row in answer)
            return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"
        return ", ".join(f"({', '.join(map(_one, row))})" for row in answer)
    return ", ".join(map(_one, answer))


def _one(value: Any) -> str:
    return answer_text(value) or ""
