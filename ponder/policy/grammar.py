"""Answers that must match a JSON schema or call a tool, bounded while they are drawn; the thinking before is free.

Which tokens may follow is worked out by llguidance (MIT): it keeps a parser of the schema for each text and tells after
every token which ones can still lead to a match (constrained decoding).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ponder.policy.codec import Codec
from ponder.policy.native.formats import Kind
from ponder.types import PonderError

_FRAGMENT = "\ufffd"  # what decoders put where a token holds part of a character's bytes
# Some room before the answer, as models write it, and one space at most inside of it: none without end.
_LEAD = "lead: /[ \\n]{0,2}/"
_OPTIONS = {"whitespace_pattern": "[ ]?", "lenient": True}


class Vocabulary:
    """A model's tokens as llguidance reads them; made once for a model, which takes up to a second for a large one."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec

    @cached_property
    def tokens(self) -> Any:
        """The `LLTokenizer`. PonderError for a tokenizer that cannot be read."""
        guidance = _library()
        try:
            from llguidance.hf import from_tokenizer

            tokenizer: Any = self.codec.tokenizer  # any other kind than a fast one is refused there
            return from_tokenizer(tokenizer, eos_token=list(self.codec.end_ids))
        except ValueError:
            return guidance.LLTokenizer(_Wrapped(self.codec), eos_token=list(self.codec.end_ids))


def json_rules(schema: Mapping[str, Any]) -> str:
    """Rules (Lark, as llguidance reads it) of one JSON value that matches a schema."""
    return f"start: lead body\n{_LEAD}\nbody: %json {_schema(schema)}"


def call_rules(tools: Sequence[tuple[str, Mapping[str, Any]]], kind: Kind) -> str:
    """Rules of one call of one of the tools (name and schema of the arguments), as the model's format writes it."""
    before, after = ("<tool_call>\n", "\n</tool_call>") if kind == "hermes" else ("", "")
    key = "arguments" if kind == "hermes" else "parameters"
    lines = [f"start: lead ({' | '.join(f'call{place}' for place in range(len(tools)))})", _LEAD]
    for place, (name, schema) in enumerate(tools):
        head = f'{before}{{"name": {json.dumps(name)}, "{key}": '
        lines.append(f"call{place}: {json.dumps(head)} args{place} {json.dumps('}' + after)}")
        lines.append(f"args{place}: %json {_schema({'type': 'object', **schema})}")
    return "\n".join(lines)


def _schema(schema: Mapping[str, Any]) -> str:
    return json.dumps({**schema, "x-guidance": _OPTIONS})


class Grammar:
    """Rules, compiled. `close` is the mark that ends the thinking; without one all of the text is the answer.

    PonderError where the rules or the tokenizer are beyond what can be compiled. Keywords of a schema that the library
    does not know are left out of the bound, so that an answer must still be checked.
    """

    def __init__(self, vocabulary: Vocabulary, rules: str, close: str) -> None:
        self._tokens, self._codec, self._close = vocabulary.tokens, vocabulary.codec, close
        matcher = _library().LLMatcher
        self._start = matcher(self._tokens, matcher.grammar_from_lark(rules), log_level=0)
        if self._start.is_error():
            raise PonderError(f"the schema cannot be compiled ({self._start.get_error().splitlines()[0][:200]})")

    def walk(self, said: Sequence[int] = ()) -> AnswerWalk:
        """A walk (`protocols.Walk`) that stands behind the tokens of a response so far."""
        walk = AnswerWalk(self._start.deep_copy(), self._tokens, self._codec, self._close)
        for token in said:
            walk.take(token)
        return walk


class AnswerWalk:
    """One response: free until its thinking ends, then bounded. A text that left the schema is free again."""

    def __init__(self, matcher: Any, tokens: Any, codec: Codec, close: str) -> None:
        self._matcher, self._tokens, self._codec, self._close = matcher, tokens, codec, close
        self._thought: list[int] | None = [] if close else None  # its last tokens; None: the answer has begun

    def allowed(self) -> NDArray[np.bool_] | None:
        """[tokens of the tokenizer], true where one may be drawn; None: any may."""
        if self._thought is not None or self._matcher.is_error():
            return None
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        return np.unpackbits(bits, bitorder="little")[: self._tokens.vocab_size].astype(np.bool_)

    def take(self, token: int) -> None:
        """What was drawn, or said by force."""
        if self._thought is None:
            if not self._matcher.is_error():
                self._matcher.consume_token(token)
            return
        self._thought = [*self._thought[-len(self._close) :], token]
        if self._close[-1] not in self._codec.token_text(token):
            return
        _, closed, behind = self._codec.decode(self._thought).rpartition(self._close)
        if closed:
            self._thought = None
            if behind.strip():  # a token that held the end of the mark and the beginning of the answer
                self._matcher.consume_tokens(self._tokens.tokenize_str(behind.lstrip()))


class _Wrapped:
    """A tokenizer whose tokens are texts of their own, for the few kinds that the library does not read by itself."""

    def __init__(self, codec: Codec) -> None:
        size = len(codec.tokenizer)
        texts = [codec.token_text(token) for token in range(size)]
        if any(_FRAGMENT in text for text in texts):
            raise PonderError("answers of this model cannot be bounded: its tokenizer is of a kind that is not read")
        silent = {int(token) for token in codec.tokenizer.all_special_ids}
        silent |= {int(token) for token in codec.tokenizer.get_added_vocab().values()}
        self.tokens = [text.encode() for text in texts]
        self.eos_token_id, self.bos_token_id = codec.eos_id, None
        self.special_token_ids = sorted(silent | {token for token, text in enumerate(texts) if not text})
        self.is_tokenizer_wrapper = True
        self._codec = codec

    def __call__(self, text: str | bytes) -> list[int]:
        return list(self._codec.encode_plain(text.decode() if isinstance(text, bytes) else text))


def _library() -> Any:
    try:
        import llguidance
    except ImportError:
        raise PonderError(
            "answers can be bounded by a schema with llguidance, which is not installed; pip install -e '.[serve]'"
        ) from None
    return llguidance
