"""Where the thinking of a response ends and its answer begins; the one rule that families and verifiers share."""

from __future__ import annotations

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


def final_answer(response: str) -> str | None:
    """The text after the last `</think>`, stripped; None if the thinking never ends or nothing follows it.

    A response without any thinking marks is all answer. Thinking that opens and never closes has no answer: what
    stands inside it is not one.
    """
    if THINK_CLOSE in response:
        answer = response.rsplit(THINK_CLOSE, 1)[1].strip()
    elif THINK_OPEN in response:
        return None
    else:
        answer = response.strip()
    return answer or None
