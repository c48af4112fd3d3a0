"""What a server's JSON says: the text, why it ended, and how many tokens it cost.

The count is the server's own if it gives a believable one: tokens of a text are on average at most `_LONG` bytes long
(whole words, runs of blanks), so a count for which the text is too long is not believed. If there is none, tokens are
estimated from the bytes of the text (`_BYTES` a token, which errs on the dear side for prose) and the count is marked
as not exact.

A server may say more than it was allowed to. No budget could hold if the whole text were then used, so it is cut to
what was paid for: where the server reports 150 tokens of 100 asked, the first two thirds; where it reports none, what
100 tokens can hold at the very most. The answer counts as cut at the limit, it is charged the limit, and what came on
top is counted apart (`over`). A server that goes on and on is hung up on as soon as its text is longer than that.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ponder.engines.remote.quoting import Quoting
from ponder.types import EngineError, StopReason

_BYTES = 3
# No tokenizer writes more bytes a token over a whole text; a few tokens alone may.
_LONG, _SLACK = 16, 64
_SHOWN = 200
# Reasons that other servers give for the turn's end differ; what is not listed is one.
_CUT = {"length": StopReason.LENGTH, "content_filter": StopReason.CANCELLED, "abort": StopReason.CANCELLED}
_THINK_CLOSE = "</think>"


@dataclass(frozen=True, slots=True)
class Said:
    """One completion in words. `tokens` is what it is charged; `exact` whether the server counted them.

    `over` are tokens beyond the limit that the server was given, as it reports them or as they are estimated; `prompt`
    those of the prompt, as it says.
    """

    text: str
    stop: StopReason
    tokens: int
    exact: bool
    over: int = 0
    prompt: int = 0


class Reading:
    """An answer to a request for `max_tokens` while it comes: one object of a whole reply, or the events of a stream.

    Only the text is kept, and how it ended.
    """

    def __init__(self, max_tokens: int, stop: tuple[str, ...], quoting: Quoting | None = None) -> None:
        self.max_tokens, self.stop, self.quoting = max_tokens, stop, quoting or Quoting()
        self._thinking, self._text = io.StringIO(), io.StringIO()
        self._bytes = 0
        self._finish: Mapping[str, Any] = {}
        self._usage: Mapping[str, Any] = {}

    def take(self, each: Mapping[str, Any]) -> bool:
        """Read one object; returns whether more is wanted: no longer once the text has more than was asked for."""
        if each.get("error"):
            said = self.quoting.shown(str(each["error"]), _SHOWN)
            raise EngineError(f"the server broke off with an error: {said}")
        self._usage = each["usage"] if isinstance(each.get("usage"), dict) else self._usage
        choice = self._choice(each)
        thought, said = _words(choice)
        self._thinking.write(thought)
        self._text.write(said)
        self._bytes += len(thought) + len(said)  # at least so many bytes
        self._finish = choice if choice.get("finish_reason") else self._finish
        return self._bytes <= most_bytes(self.max_tokens)

    def said(self, ended: bool) -> Said:
        """The completion; `ended` says that the end of the stream itself was seen. EngineError if there was none."""
        thinking, text = self._thinking.getvalue(), self._text.getvalue()
        finish, cut_off = self._finish, self._bytes > most_bytes(self.max_tokens)
        if not finish and not ended and not cut_off:
            raise EngineError(
                f"the connection ended in the middle of an answer, after {len(thinking + text)} characters; "
                "it is not asked for again, since the server may count it twice"
            )
        if thinking:
            cut = not text and finish.get("finish_reason") == "length"
            text = thinking if cut else f"{thinking}\n{_THINK_CLOSE}{text}"
        whole = self.quoting.hide(_whole(text))
        return _charged(whole, finish, self._usage, self.max_tokens, self.stop)

    def _choice(self, each: Mapping[str, Any]) -> Mapping[str, Any]:
        choices = each.get("choices")
        if not isinstance(choices, list) or not all(isinstance(c, dict) for c in choices):
            fields = self.quoting.shown(str(sorted(map(str, each))[:8]), _SHOWN)
            raise EngineError(f"the server's answer has no list of choices; got the fields {fields}")
        first: Mapping[str, Any] = choices[0] if choices else {}
        return first


def most_bytes(tokens: int) -> int:
    """The longest text, in bytes, that so many tokens can be."""
    return _SLACK + _LONG * tokens


def estimate(text: str) -> int:
    """Tokens that a text may have, without its tokenizer: at least 1."""
    return max(1, -(-_size(text) // _BYTES))


def _words(choice: Mapping[str, Any]) -> tuple[str, str]:
    """Thinking (if the server tells it apart) and text, of a chat's message or of a plain completion."""
    message = choice.get("delta") or choice.get("message") or choice
    if not isinstance(message, dict):
        raise EngineError(f"the server's answer holds a {type(message).__name__} where a message belongs")
    thought = message.get("reasoning_content") or message.get("reasoning") or ""
    said = message.get("content") or message.get("text") or ""
    if not isinstance(thought, str) or not isinstance(said, str):
        raise EngineError("the server's answer holds something else than text where the text belongs")
    return thought, said


def _whole(text: str) -> str:
    """Join the two halves of a character that came in two events, and replace a half that stayed alone."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _charged(
    text: str, finish: Mapping[str, Any], usage: Mapping[str, Any], max_tokens: int, stop: tuple[str, ...]
) -> Said:
    told, prompt = _count(usage.get("completion_tokens")), _count(usage.get("prompt_tokens"))
    exact = (told > 0 or (not text and "completion_tokens" in usage)) and _size(text) <= most_bytes(told)
    why = _CUT.get(str(finish.get("finish_reason")), StopReason.END)
    if not exact:
        return _estimated(text, finish, why, prompt, max_tokens, stop)
    over = max(0, told - max_tokens)
    if over:
        share = len(text) * max_tokens // told
        return Said(text[:share], StopReason.LENGTH, max_tokens, exact, over, prompt)
    if why is StopReason.LENGTH and told < max_tokens:
        why = StopReason.CONTEXT
    if why is StopReason.END and stop:
        text, why = _stepped(text, finish, stop)
    return Said(text, why, told, exact, 0, prompt)


def _estimated(
    text: str, finish: Mapping[str, Any], why: StopReason, prompt: int, max_tokens: int, stop: tuple[str, ...]
) -> Said:
    """The answer of a server that does not count, or not believably: never more text than its charge can have paid."""
    paid = _cut(text, most_bytes(max_tokens))
    if len(paid) < len(text):
        return Said(paid, StopReason.LENGTH, max_tokens, False, estimate(text[len(paid) :]), prompt)
    if why is StopReason.LENGTH:
        return Said(text, why, max_tokens, False, 0, prompt)
    told = min(estimate(text) if text else 1, max_tokens)
    if why is StopReason.END and stop:
        text, why = _stepped(text, finish, stop)
    return Said(text, why, told, False, 0, prompt)


def _cut(text: str, most: int) -> str:
    """The beginning of a text that has at most so many bytes, without half a character."""
    return text if _size(text) <= most else text.encode()[:most].decode("utf-8", "ignore")


def _size(text: str) -> int:
    return len(text.encode())


def _stepped(text: str, finish: Mapping[str, Any], stop: tuple[str, ...]) -> tuple[str, StopReason]:
    """Tell a step's end from the turn's end, and put the stop string back where the server left it out.

    Some servers name the string that they met (null: the turn ended). Of the others only this is known: a model at the
    end of its turn adds nothing, so an empty text is the end and any other a step.
    """
    named = next((finish[field] for field in ("stop_reason", "matched_stop") if field in finish), ...)
    met = stop[0] if named is ... and text else named
    if not isinstance(met, str) or met not in stop:
        return text, StopReason.END
    return (text if text.endswith(met) else text + met), StopReason.STEP


def _count(value: object) -> int:
    """A believable number of tokens; 0 if it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
