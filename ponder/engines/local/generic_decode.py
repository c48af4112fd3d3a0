"""Generation for any causal model that transformers can load, through the model's own forward and cache.

Prompts are padded on the left so that all rows end together, and a new batch starts when the last one is done: slower
than the lean path and the same in what it promises.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from ponder.engines.local.decoder import Kept, Prefill
from ponder.engines.local.packing import chosen_logprobs, left_padded
from ponder.engines.local.work_counter import Tally


class GenericDecoder:
    """The `Decoder` of every other architecture."""

    continuous = False
    compiled = False

    def __init__(self, model: PreTrainedModel, cache_bytes: int) -> None:
        self._model = model
        self._max_bytes = cache_bytes
        self._bytes_per_token = _bytes_per_token(model)
        self.room = sys.maxsize  # nothing is kept when a row ends, so nothing is in the way
        self.tally = Tally()
        self._takes_positions = "position_ids" in inspect.signature(model.forward).parameters
        self.reset()

    def refresh(self) -> None:
        """Nothing is derived from the weights (the module itself is used), but rows hold what older ones computed."""
        self.reset()

    def drop_weights(self) -> None:
        """There are no copies."""

    @property
    def kept(self) -> Kept:
        return Kept(0, 0, 0, self.active * self._mask_BT.shape[1] * self._bytes_per_token)

    def forget(self) -> None:
        """A text is known only as long as its row is active."""

    def reset(self) -> None:
        self.active = 0
        self._cache: Any = None
        self._mask_BT = torch.zeros(0, 0, dtype=torch.long)

    def rows(self, length: int) -> int:
        return max(1, self._max_bytes // (length * self._bytes_per_token))

    @torch.inference_mode()
    def prefill(self, prompts: Sequence[tuple[int, ...]]) -> Prefill:
        ids_BT, mask_BT = left_padded(prompts, self._model.device)
        self._cache, self._mask_BT, self.active = DynamicCache(config=self._model.config), mask_BT, len(prompts)
        for prompt in prompts:
            self.tally.computed(len(prompt), 0)
        logits_BV = self._forward(ids_BT, mask_BT, (mask_BT.cumsum(-1) - 1).clamp(min=0))
        return Prefill(logits_BV, tuple(map(len, prompts)))

    @torch.inference_mode()
    def decode(self, tokens_B: NDArray[np.int64], positions_B: NDArray[np.int64]) -> Tensor:
        device = self._model.device
        mask_BT = torch.cat([self._mask_BT, self._mask_BT.new_ones(len(tokens_B), 1)], dim=-1)
        self._mask_BT = mask_BT
        self.tally.tokens += len(tokens_B)
        self.tally.contexts += int(positions_B.sum()) + len(tokens_B)
        tokens, positions = torch.from_numpy(tokens_B).to(device), torch.from_numpy(positions_B).to(device)
        return self._forward(tokens[:, None], mask_BT, positions[:, None])

    @torch.inference_mode()
    def select(self, order: Sequence[int]) -> None:
        order_B = torch.tensor(order, dtype=torch.long, device=self._model.device)
        self._cache.batch_select_indices(order_B)
        self._mask_BT, self.active = self._mask_BT[order_B], len(order)

    def _forward(self, ids_BT: Tensor, mask_BT: Tensor, positions_BT: Tensor) -> Tensor:
        positions = {"position_ids": positions_BT} if self._takes_positions else {}
        output = self._model(
            input_ids=ids_BT, attention_mask=mask_BT, past_key_values=self._cache, use_cache=True, **positions
        )
        logits: Tensor = output.logits[:, -1]
        self.tally.heads += ids_BT.numel()
        return logits

    @torch.inference_mode()
    def score(self, prompts: Sequence[tuple[int, ...]], continuations: Sequence[tuple[int, ...]]) -> list[list[float]]:
        for prompt, continuation in zip(prompts, continuations, strict=True):
            self.tally.computed(len(prompt) + len(continuation), 0)
            self.tally.heads += len(prompt) + len(continuation)

        def forward(ids_BT: Tensor) -> Tensor:
            # Causal attention needs no mask for padding on the right; one of ones says that it was thought of.
            mask_BT = torch.ones_like(ids_BT)
            logits_BTV: Tensor = self._model(input_ids=ids_BT, attention_mask=mask_BT, use_cache=False).logits
            return logits_BTV

        def head(logits_NV: Tensor) -> Tensor:
            return logits_NV

        return chosen_logprobs(prompts, continuations, forward, head, self._model.device)

    @torch.inference_mode()
    def hidden(self, texts: Sequence[tuple[int, ...]], positions: Sequence[Sequence[int]]) -> list[Tensor]:
        states: list[Tensor] = []
        for text, at in zip(texts, positions, strict=True):
            self.tally.computed(len(text), 0)
            ids = torch.tensor([text], device=self._model.device)
            states.append(self._model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0, list(at)])
        return states


def _bytes_per_token(model: PreTrainedModel) -> int:
    """Keys and values of one token; without grouped heads in the config, every head is counted."""
    c = model.config.get_text_config()
    heads = c.num_attention_heads
    head_dim = getattr(c, "head_dim", None) or c.hidden_size // heads
    kv_heads = getattr(c, "num_key_value_heads", None) or heads
    return int(2 * c.num_hidden_layers * kv_heads * head_dim * model.dtype.itemsize)
