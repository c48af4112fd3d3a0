"""A transformers tokenizer behind the four calls that Ponder needs, with text from outside kept harmless.

Text that a user or a data file wrote is encoded with the model's control tokens switched off, so a question that holds
`</think>` or a chat marker is read as plain characters and cannot end the thinking or open another turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from ponder.types import PonderError


class Codec:
    """Text to tokens and back for one model. `decode` keeps `</think>` and leaves out end-of-turn and padding."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if tokenizer.eos_token_id is None:
            raise PonderError("the model's tokenizer names no end-of-turn token (eos_token); add one to its config")
        self.tokenizer = tokenizer
        self.eos_id = int(tokenizer.eos_token_id)
        self.pad_id = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.eos_id)
        self._silent = {self.eos_id, self.pad_id}
        self.token_text = lru_cache(maxsize=None)(self._token_text)

    def encode(self, text: str) -> tuple[int, ...]:
        """Tokens of text that we wrote: control tokens are recognised."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def encode_plain(self, text: str) -> tuple[int, ...]:
        """Tokens of text from outside: nothing in it becomes a control token."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    def decode(self, tokens: Sequence[int]) -> str:
        visible = [t for t in tokens if t not in self._silent]
        return str(self.tokenizer.decode(visible, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _token_text(self, token: int) -> str:
        return self.decode((token,))
