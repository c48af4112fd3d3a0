"""What a server's JSON says: the text, why it ended, and how many tokens it cost.

The count is the server's own if it gives a believable one. If it gives none, tokens are estimated from the bytes of
the text (`_BYTES` a token, which errs on the dear side for prose) and the count is marked as not exact.

A server may report more than it was allowed to draw. No budget could hold if the whole text were then used, so the
text keeps the share that was paid for: of 100 tokens asked and 150 reported, the first two thirds. It counts as cut at
the limit, it is charged the limit, and what came on top is counted apart (`over`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ponder.types import EngineError, StopReason

_BYTES = 3
# Reasons that other servers give for the turn's end differ; what is not listed is one.
_CUT = {"length": StopReason.LENGTH, "content_filter": StopReason.CANCELLED, "abort": StopReason.CANCELLED}
_THINK_CLOSE = "</think>"


@dataclass(frozen=True, slots=True)
class Said:
    """One completion in words. `tokens` is what it is charged; `exact` whether the server counted them.

    `over` are tokens that the server reports beyond the limit it was given; `prompt` those of the prompt, as it says.
    """

    text: str
    stop: StopReason
    tokens: int
    exact: bool
    over: int = 0
    prompt: int = 0


def read(objects: Sequence[Mapping[str, Any]], ended: bool, max_tokens: int, stop: tuple[str, ...]) -> Said:
    """The completion in a whole reply or in the events of a stream; `ended` says that the end itself was seen."""
    thinking, text = "", ""
    finish: Mapping[str, Any] = {}
    usage: Mapping[str, Any] = {}
    for each in objects:
        if each.get("error"):
            raise EngineError(f"the server broke off with an error: {str(each['error'])[:200]}")
        usage = each["usage"] if isinstance(each.get("usage"), dict) else usage
        choice = _choice(each)
        thought, said = _words(choice)
        thinking, text = thinking + thought, text + said
        finish = choice if choice.get("finish_reason") else finish
    if not finish and not ended:
        raise EngineError(
            f"the connection ended in the middle of an answer, after {len(thinking + text)} characters; "
            "it is not asked for again, since the server may count it twice"
        )
    if thinking:
        cut = not text and finish.get("finish_reason") == "length"
        text = thinking if cut else f"{thinking}\n{_THINK_CLOSE}{text}"
    return _charged(_whole(text), finish, usage, max_tokens, stop)


def estimate(text: str) -> int:
    """Tokens that a text may have, without its tokenizer: at least 1."""
    return max(1, -(-len(text.encode()) // _BYTES))


def _choice(each: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = each.get("choices")
    if not isinstance(choices, list) or not all(isinstance(c, dict) for c in choices):
        raise EngineError(f"the server's answer has no list of choices; got the fields {sorted(map(str, each))[:8]}")
    first: Mapping[str, Any] = choices[0] if choices else {}
    return first


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
    exact = told > 0 or (not text and "completion_tokens" in usage)
    why = _CUT.get(str(finish.get("finish_reason")), StopReason.END)
    if not exact:
        told = max_tokens if why is StopReason.LENGTH else min(estimate(text) if text else 1, max_tokens)
    over = max(0, told - max_tokens)
    if over:
        share = len(text) * max_tokens // told
        return Said(text[:share], StopReason.LENGTH, max_tokens, exact, over, prompt)
    if why is StopReason.LENGTH and told < max_tokens:
        why = StopReason.CONTEXT
    if why is StopReason.END and stop:
        text, why = _stepped(text, finish, stop)
    return Said(text, why, told, exact, 0, prompt)


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
