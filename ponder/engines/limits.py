"""What every engine asks of a request before it runs."""

from __future__ import annotations

from collections.abc import Sequence

from ponder.protocols import Request
from ponder.types import PonderError, StopReason


def limit_of(request: Request, context: int) -> tuple[int, StopReason]:
    """How many tokens may be drawn, and why the completion ends if they all are. Refuses what cannot be run.

    A prompt that fills the context is allowed; its completion is empty.
    """
    prompt = len(request.prompt)
    if not prompt:
        raise PonderError("the prompt is empty; a model needs at least one token to continue")
    if prompt > context:
        raise PonderError(f"the prompt has {prompt} tokens, the context holds {context}; shorten the prompt")
    if request.max_tokens < 0 or request.temperature < 0 or not 0 < request.top_p <= 1 or "" in request.stop:
        raise PonderError(
            f"got max_tokens={request.max_tokens}, temperature={request.temperature}, top_p={request.top_p}, "
            f"stop={request.stop}; max_tokens and temperature must be at least 0, top_p above 0 and at most 1, "
            "stop strings not empty"
        )
    room = context - prompt
    return (request.max_tokens, StopReason.LENGTH) if request.max_tokens <= room else (room, StopReason.CONTEXT)


def check_tokens(tokens: Sequence[int], vocabulary: int) -> None:
    """Refuse token ids that the model does not know, before they fail for everyone in the batch."""
    if tokens and not (min(tokens) >= 0 and max(tokens) < vocabulary):
        raise PonderError(
            f"got token ids from {min(tokens)} to {max(tokens)}, the model knows 0 to {vocabulary - 1}; "
            "tokenizer and model do not belong together"
        )


def check_scored(prompt: int, continuation: int, context: int) -> None:
    """Refuse a score that no forward can give; lengths in tokens."""
    if not prompt or prompt + continuation > context:
        raise PonderError(
            f"cannot score {continuation} tokens after a prompt of {prompt}: the prompt needs at least one token and "
            f"both together at most {context}"
        )


def check_positions(length: int, positions: Sequence[int], context: int) -> None:
    """Refuse a look at tokens that are not there."""
    if length > context or not all(0 <= position < length for position in positions):
        raise PonderError(
            f"cannot look at positions {list(positions)} of a text of {length} tokens: positions count from 0 and the "
            f"context holds {context}"
        )
