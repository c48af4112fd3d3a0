"""The program in a response: after the thinking, the last fenced block that defines what was asked for.

A block that is never closed goes on to the end. Without a block the whole text is the program, white space at the start
of a line kept: a model may answer with the body of a function alone. Whether it is Python shows in the box and nowhere
else: nothing here parses it.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*(\w*)[^\n]*$", re.MULTILINE)


def program(response: str, entry: str = "") -> str | None:
    """The candidate's program, or None if there is none."""
    _, closed, text = response.rpartition("</think>")
    if not closed and "<think>" in text:
        return None
    blocks = _blocks(text)
    if blocks:
        text = next((block for block in reversed(blocks) if entry and f"def {entry}" in block), blocks[-1])
    return text.strip("\r\n") + "\n" if text.strip() else None


def _blocks(text: str) -> list[str]:
    """The insides of fenced blocks: those marked as Python if there are any, else all."""
    found: list[tuple[str, str]] = []
    opening = None
    for mark in _FENCE.finditer(text):
        if opening is None:
            opening = mark
        elif not mark[1]:  # a fence that names a language closes nothing: it is part of the block's text
            found.append((opening[1].lower(), text[opening.end() + 1 : mark.start()]))
            opening = None
    if opening is not None:
        found.append((opening[1].lower(), text[opening.end() + 1 :]))
    python = [block for language, block in found if language in ("python", "py", "python3")]
    return python or [block for _, block in found]
