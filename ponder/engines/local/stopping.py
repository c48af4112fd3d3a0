"""Where a generation ends by what it said: end tokens and stop strings, found without decoding every token.

A stop string can only be completed by a token whose text holds the string's last character. Those tokens are looked up
in a table made once for each set of stop strings; only when one is drawn is the end of the text decoded and searched.
A string may begin in one token and end in another; it must lie within the new text, not reach back into the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ponder.protocols import Tokenizer

# What decoders put where a token holds part of a character's bytes.
_FRAGMENT = "\ufffd"


class Stops:
    """The stop strings in use; a set of them is named by its row in `table`."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: int) -> None:
        self._tokenizer = tokenizer
        self.ends = frozenset(tokenizer.end_ids)
        self._vocabulary = vocabulary
        self._texts: list[str] | None = None
        self._sets: dict[tuple[str, ...], int] = {}
        self.table: NDArray[np.bool_] = np.zeros((0, vocabulary), dtype=np.bool_)

    def row(self, stop: tuple[str, ...]) -> int:
        """The row of `table` [sets, V] that marks the tokens which may end a generation with these stop strings."""
        if stop not in self._sets:
            self._sets[stop] = len(self._sets)
            self.table = np.concatenate([self.table, self._suspects(stop)[None]])
        return self._sets[stop]

    def _suspects(self, stop: tuple[str, ...]) -> NDArray[np.bool_]:
        marked = np.zeros(self._vocabulary, dtype=np.bool_)
        marked[list(self.ends)] = True
        if stop:
            last = {text[-1] for text in stop} | {_FRAGMENT}
            marked |= np.fromiter((not last.isdisjoint(text) for text in self._token_texts()), np.bool_)
        return marked

    def _token_texts(self) -> list[str]:
        # Twice in a row, because some decoders drop the space before the first word.
        if self._texts is None:
            self._texts = [self._tokenizer.decode((token, token)) for token in range(self._vocabulary)]
        return self._texts

    def reached(self, tokens: Sequence[int], stop: tuple[str, ...]) -> bool:
        """Whether the text of `tokens` holds a stop string that its last token completed.

        Earlier tokens were searched when they came, so only an end of the text is decoded: the last token and enough
        before it for the longest string. It grows while the tokens before the last decode to too little text.
        """
        if not stop:
            return False
        longest = max(len(text) for text in stop)
        width = longest + 1
        while True:
            tail = tuple(tokens[-width:])
            text = self._tokenizer.decode(tail)
            if any(string in text for string in stop):
                return True
            if width >= len(tokens) or len(self._tokenizer.decode(tail[:-1])) >= longest:
                return False
            width *= 2
