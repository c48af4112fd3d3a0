r"""Schemas and arguments of tools inside a prompt, with nothing in them that could become a control token.

A chat template writes them as JSON between its own words, so they cannot be encoded apart as other text from outside
is. JSON can spell any sign as `\u003c`, though, and a word that is spelled so is the same text to a reader and no
control token to a tokenizer. Before the template is rendered the first sign of each such word is replaced by a
placeholder (a backslash would be escaped once more), afterwards the placeholder by the escape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_PLACE = re.compile("\u2402u([0-9a-f]{4,6})\u2403")


class Harmless:
    """Takes control words out of JSON values for one tokenizer. `words` are its added tokens."""

    def __init__(self, words: Sequence[str]) -> None:
        longest_first = sorted((word for word in words if len(word.strip()) > 1), key=len, reverse=True)
        self._words = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def hide(self, value: Any) -> Any:
        """`value` (JSON data, or a text) with placeholders; keys of tables too."""
        if isinstance(value, str):
            return self._hidden(value)
        if isinstance(value, dict):
            return {self._hidden(str(key)): self.hide(each) for key, each in value.items()}
        return [self.hide(each) for each in value] if isinstance(value, list | tuple) else value

    def show(self, rendered: str) -> str:
        """The rendered text with JSON escapes for the placeholders."""
        return _PLACE.sub(lambda found: _escaped(int(found.group(1), 16)), rendered)

    def _hidden(self, text: str) -> str:
        if self._words is None:
            return text
        at, pieces = 0, list[str]()
        while found := self._words.search(text, at):  # inside of a found word another may begin
            pieces += [text[at : found.start()], f"\u2402u{ord(text[found.start()]):04x}\u2403"]
            at = found.start() + 1
        return "".join([*pieces, text[at:]])


def _escaped(code: int) -> str:
    """A sign as JSON spells it: two halves beyond the basic plane."""
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
