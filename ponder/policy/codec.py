"""A transformers tokenizer behind the few calls that Ponder needs, with text from outside kept harmless.

Text that a user or a data file wrote is encoded with the model's control tokens switched off, so a question that holds
`</think>` or a chat marker is read as plain characters and cannot end the thinking or open another turn. That holds
for added tokens too which a tokenizer does not call special (Qwen3's `</think>`), and which it would always recognise.

Some tokenizers (SentencePiece's, in Llama 2, Mistral, Gemma's relatives) put a space before the first word of whatever
they encode, and drop it when they decode. That is right at the start of a text and wrong in the middle. So `encode`
and `decode` here are for text that goes on: what they give can be put together, `decode(a + b) == decode(a) +
decode(b)`; only `start` begins a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any

import jinja2
from transformers import PreTrainedTokenizerBase

from ponder.policy.native.formats import ToolFormat, format_of
from ponder.protocols import Pictures
from ponder.types import PonderError

_ANCHOR = "\n"  # a text that others are put behind, where the first word would get a space of its own
_SAID = "\u2402said\u2403"  # no template holds it


class Codec:
    """Text to tokens and back for one model. `decode` keeps `</think>` and leaves out end-of-turn and padding.

    `ends` are the end tokens that the model's generation settings name (`models.ends.end_tokens`); together with the
    tokenizer's own (and the template's) they are `end_ids`, each of which ends a turn. `eos_id` is the one that this
    model's turns end with. `pictures` is how the model reads pictures (None: it reads text alone).
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, ends: Iterable[int] = (), pictures: Pictures | None = None
    ) -> None:
        self.pictures = pictures
        own = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
        self.end_ids = tuple(dict.fromkeys([*own, *ends]))
        if not self.end_ids:
            raise PonderError(
                "neither the model's tokenizer (eos_token) nor its generation_config.json (eos_token_id) names an "
                "end-of-turn token; add one"
            )
        self.tokenizer = tokenizer
        self.token_text = lru_cache(maxsize=None)(self._token_text)
        self._anchor: tuple[int, ...] = self._dummy_space()
        self.begin = self._begin()
        # Added tokens that are words and not runs of spaces, and those of them that are recognised in any text.
        words = {word: int(i) for word, i in tokenizer.get_added_vocab().items() if len(word.strip()) > 1}
        self._special = frozenset(words.values())
        self.eos_id = self._turn_end()
        self.pad_id = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.eos_id)
        self._silent = {*self.end_ids, self.pad_id}
        stubborn = [word for word, i in words.items() if i in self._ids(word, split_special_tokens=True)]
        longest_first = sorted(stubborn, key=len, reverse=True)
        self._stubborn = re.compile("|".join(map(re.escape, longest_first))) if stubborn else None

    @cached_property
    def tool_format(self) -> ToolFormat | None:
        """How the model's chat template has tools called; None if it leaves tools out."""
        return format_of(self.tokenizer)

    def encode(self, text: str) -> tuple[int, ...]:
        """Tokens of text that we wrote and that goes on after other text: control tokens are recognised."""
        return self._ids(_ANCHOR + text)[len(self._anchor) :] if self._anchor else self._ids(text)

    def encode_plain(self, text: str) -> tuple[int, ...]:
        """Tokens of text from outside that goes on after other text: nothing in it becomes a control token."""
        tokens: list[int] = []
        for piece in self._torn(text):
            behind = _ANCHOR + piece if self._anchor else piece
            tokens += self._ids(behind, split_special_tokens=True)[len(self._anchor) :]
        return tuple(tokens)

    def start(self, ours: Sequence[str], outside: str | Sequence[str]) -> tuple[int, ...]:
        """Tokens of a text that starts here: the pieces of `ours`, with `outside` between each two of them.

        One text stands in every gap; several fill the gaps in order.

        The text is encoded as one piece, as the model saw such texts in training, unless something in `outside` would
        then be read as a control token: in that case piece by piece.
        """
        first, *others = ours
        texts = [outside] * len(others) if isinstance(outside, str) else list(outside)
        whole = self._ids(first + "".join(text + piece for text, piece in zip(texts, others, strict=True)))
        pieces = [self._ids(first) if first or not self._anchor else (), *map(self.encode, others)]
        expected = [token for piece in pieces for token in piece if token in self._special]
        if [token for token in whole if token in self._special] == expected:
            return whole
        plain = {text: self.encode_plain(text) for text in texts}
        behind = zip(texts, pieces[1:], strict=True)
        return pieces[0] + tuple(token for text, piece in behind for token in (*plain[text], *piece))

    def decode(self, tokens: Sequence[int]) -> str:
        visible = [t for t in tokens if t not in self._silent]
        text = self._text([*self._anchor, *visible])
        return text.removeprefix(_ANCHOR) if self._anchor else text

    def _torn(self, text: str) -> list[str]:
        """`text` in pieces, so that no added token stands whole in one of them: each is cut behind its first sign."""
        if self._stubborn is None:
            return [text]
        # Inside of a found word another may begin, so the search goes on one sign later.
        cuts, at = [0], 0
        while found := self._stubborn.search(text, at):
            at = found.start() + 1
            cuts.append(at)
        return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]

    def _token_text(self, token: int) -> str:
        return self.decode((token,))

    def _ids(self, text: str, **options: Any) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False, **options))

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _dummy_space(self) -> tuple[int, ...]:
        """The tokens of the anchor if this tokenizer adds a space before a first word, else nothing.

        Only an anchor that never grows together with what follows it is of use; a line end is none where pairs of
        bytes are merged, and those tokenizers add no space.
        """
        anchor = self._ids(_ANCHOR)
        behind = self._ids(_ANCHOR + "a")
        grown = self._ids(_ANCHOR + "\n")[: len(anchor)] != anchor or behind[: len(anchor)] != anchor
        return () if grown or behind[len(anchor) :] == self._ids("a") else anchor

    def _begin(self) -> tuple[int, ...]:
        """What the tokenizer itself puts before a text (`add_bos_token`), as a model without a chat template wants."""
        bare = self._ids("a")
        full = tuple(self.tokenizer.encode("a"))
        for at in range(len(full) - len(bare) + 1):
            if full[at : at + len(bare)] == bare:
                return full[:at]
        return ()

    def _turn_end(self) -> int:
        """The end token that the chat template writes after what the model said; without one the first known.

        A control token that stands right behind the words is one, also if neither the tokenizer nor the model's
        settings say so (Phi-3's `<|end|>`, Gemma's `<end_of_turn>`): else no answer would ever end.
        """
        if self.tokenizer.chat_template is not None:
            turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _SAID}]
            try:
                written = str(self.tokenizer.apply_chat_template(turns, tokenize=False))
            except (jinja2.TemplateError, ValueError, TypeError, AttributeError, KeyError):
                return self.end_ids[0]  # `prompts` says what is wrong with the template when it is used
            behind = self._ids(written.rpartition(_SAID)[2])
            if behind and behind[0] not in self.end_ids and behind[0] in self._special:
                self.end_ids += behind[:1]
            for token in behind:
                if token in self.end_ids:
                    return token
        return self.end_ids[0]
