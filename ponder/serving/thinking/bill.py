"""What an answer cost, so that every number can be added up and compared with the engine's own counters.

    kept + discarded + verifier == spent, and spent + unsettled <= limit
    kept + discarded == generated + forced

`generated` is what the engine drew for this request: draws that a deadline or the client's leaving cancelled are in it,
and in `discarded`. `forced` are tokens that the model was made to read in the middle of an answer (a closed thinking,
a request to revise). `prefilled` and `reused` are prompt tokens that went through the model and that came out of its
cache. `unsettled` is the most that calls to another server may have cost which were cancelled before it told.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from ponder.protocols import Drawn
from ponder.types import Usage

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Bill:
    """See above. `prompt` is the length of the prompt, once; `answer` the tokens of the visible answer."""

    limit: float = 0.0
    prompt: int = 0
    answer: int = 0
    kept: float = 0.0
    discarded: float = 0.0
    verifier: float = 0.0
    unsettled: float = 0.0
    forced: float = 0.0
    generated: int = 0
    prefilled: int = 0
    reused: int = 0
    calls: int = 0
    seconds: float = 0.0
    exact: bool = True

    @property
    def spent(self) -> float:
        """Token-equivalents."""
        return self.kept + self.discarded + self.verifier

    @property
    def completion(self) -> int:
        """Tokens of the completion as a client reads them: all that was spent, rounded up to a whole one."""
        return math.ceil(self.spent - _ROUNDING)

    @property
    def reasoning(self) -> int:
        """Tokens that were thought and are no part of the visible answer."""
        return self.completion - self.answer

    def __add__(self, other: Bill) -> Bill:
        values = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name != "exact"}
        return Bill(**values, exact=self.exact and other.exact)

    def as_data(self) -> dict[str, Any]:
        """All numbers, for the `ponder` part of a response's usage."""
        return {**asdict(self), "spent": self.spent}


def bill_of(usage: Usage, drawn: Drawn, *, limit: float, prompt: int, answer: int, exact: bool, counted: bool) -> Bill:
    """The bill of one search whose account is `usage`.

    `counted`: the engine tells what cancelled draws cost, so that nothing is left unsettled.
    """
    lost = drawn.generated - drawn.returned
    return Bill(
        limit=limit,
        prompt=prompt,
        answer=answer,
        kept=usage.kept,
        discarded=usage.discarded + lost,
        verifier=usage.verifier,
        unsettled=0.0 if counted else usage.unsettled,
        forced=usage.kept + usage.discarded - drawn.returned,
        generated=drawn.generated,
        prefilled=drawn.prefilled,
        reused=drawn.reused,
        calls=usage.calls,
        seconds=usage.seconds,
        exact=exact,
    )


def usage_of(bill: Bill, price: float | None = None) -> dict[str, Any]:
    """`usage` of a chat completion. `price` is by the operator's table (None: there is none)."""
    return {
        "prompt_tokens": bill.prompt,
        "completion_tokens": bill.completion,
        "total_tokens": bill.prompt + bill.completion,
        "completion_tokens_details": {
            "reasoning_tokens": bill.reasoning,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
            "audio_tokens": 0,
        },
        "prompt_tokens_details": {"cached_tokens": max(0, bill.prompt - bill.prefilled), "audio_tokens": 0},
        "ponder": {**bill.as_data(), "price": price},
    }
