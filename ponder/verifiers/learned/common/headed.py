"""A judge with one trunk and one head, which makes a number of each state it looks at: all kinds but the implicit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ponder.models.heads import hidden_states
from ponder.verifiers.learned.common.batched import BatchedJudge, by_row, indices
from ponder.verifiers.learned.common.reader import Places, Tokens


class HeadedJudge(BatchedJudge):
    """A `BatchedJudge` whose head sees the trunk's hidden states alone, whoever shows them."""

    @abstractmethod
    def numbers(self, states_NH: Tensor) -> Tensor:
        """A number [N] for each state after the final norm."""

    async def shown(self, rows: Sequence[Tokens], places: Places) -> list[list[float]]:
        assert self.reader is not None
        return self._headed(await self.reader.read(rows, places), places)

    @torch.inference_mode()
    def _headed(self, states: Sequence[Tensor], places: Places) -> list[list[float]]:
        """One product with the head for all rows."""
        return by_row(self.numbers(torch.cat(list(states))), places)

    def batch(self, ids_BT: Tensor, places: Places) -> Tensor:
        return self.numbers(hidden_states(self.model, ids_BT)[indices(places, ids_BT.device)])
