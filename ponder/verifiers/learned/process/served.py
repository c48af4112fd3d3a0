"""A step verifier whose model another program serves (`ponder.engines.vllm.pooling`): all but the forward is ours.

Every verdict is a whole forward of the text and is charged as one, since the server keeps nothing of what it read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from transformers import PreTrainedModel

from ponder.verifiers.aggregation import Aggregation
from ponder.verifiers.learned.common.batched import PromptTokens
from ponder.verifiers.learned.common.reader import Places, Tokens
from ponder.verifiers.learned.process.judge import ProcessVerifier


class Server(Protocol):
    """What serves a token-classification model."""

    @property
    def shape(self) -> PreTrainedModel:
        """The model, with or without its weights."""
        ...

    def log_odds(self, rows: Sequence[Tokens], places: Places) -> list[list[float]]:
        """At each place of each row the head's only output, or the log-odds of label 1 of two."""
        ...


class ServedVerifier(ProcessVerifier):
    """`ProcessVerifier` over a `Server`; batches are what waits at the same time, and the server cuts them."""

    def __init__(
        self,
        server: Server,
        prompt_tokens: PromptTokens,
        *,
        policy_parameters: int,
        aggregation: Aggregation = "last",
        temperature: float = 1.0,
    ) -> None:
        super().__init__(
            server.shape,
            prompt_tokens,
            policy_parameters=policy_parameters,
            aggregation=aggregation,
            temperature=temperature,
        )
        self.server = server

    def forward(self, rows: Sequence[Tokens], places: Places) -> list[list[float]]:
        self._padded += sum(map(len, rows))
        return self.server.log_odds(rows, places)
