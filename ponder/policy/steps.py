"""Tokens to steps: a step ends with the token that completes the separator (a line end unless said otherwise)."""

from __future__ import annotations

from collections.abc import Sequence

from ponder.policy.codec import Codec
from ponder.types import Step, StopReason

_TAIL = 8  # tokens looked at for a separator; no separator spans more


class Splitter:
    """Cuts a generated run of tokens into a chain of `Step`s."""

    def __init__(self, codec: Codec, separator: str) -> None:
        if not separator:
            raise ValueError("a step separator cannot be empty")
        self.codec = codec
        self.separator = separator

    def chain(
        self,
        tokens: Sequence[int],
        logprobs: Sequence[float],
        version: int,
        versions: Sequence[int] = (),
        *,
        stop: StopReason,
        parent: Step | None,
    ) -> Step:
        """The leaf of the chain; its ancestors up to `parent` are the steps on the way.

        The last step carries `stop`. A run that produced no token at all is one empty step, so that every
        continuation has a leaf of its own. If the weights changed on the way, `versions` has one for each token, and
        a step has that of its first token.
        """
        start = 0
        of = versions or (version,) * (len(tokens) + 1)
        for end in range(1, len(tokens)):
            if self._ends(tokens[start:end]):
                parent = self._step(tokens[start:end], logprobs[start:end], of[start], StopReason.STEP, parent)
                start = end
        return self._step(tokens[start:], logprobs[start:], of[start], stop, parent)

    def apart(self, leaf: Step, mark: str) -> Step:
        """`leaf` with the `mark` that ends it as a step of its own; unchanged if it was not stopped by the mark.

        A token that holds the beginning of the mark and something before it goes with the mark.
        """
        at = leaf.text.rfind(mark)
        if leaf.stop is not StopReason.STEP or at < 0:
            return leaf
        keep = len(leaf.tokens)
        while keep and len(self.codec.decode(leaf.tokens[:keep])) > at:
            keep -= 1
        parent = leaf.parent
        if keep:
            parent = self._step(leaf.tokens[:keep], leaf.logprobs[:keep], leaf.version, StopReason.STEP, parent)
        return self._step(leaf.tokens[keep:], leaf.logprobs[keep:], leaf.version, StopReason.STEP, parent)

    def _ends(self, tokens: Sequence[int]) -> bool:
        text = self.codec.token_text(tokens[-1])
        if self.separator in text:
            return True
        if not text or text[-1] != self.separator[-1] or len(self.separator) == 1:
            return False
        return self.separator in self.codec.decode(tokens[-_TAIL:])

    def _step(
        self, tokens: Sequence[int], logprobs: Sequence[float], version: int, stop: StopReason, parent: Step | None
    ) -> Step:
        return Step(tuple(tokens), tuple(logprobs), self.codec.decode(tokens), version, stop, parent)
