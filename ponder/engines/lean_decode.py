"""Generation for Llama, Qwen2 and Qwen3 models: the lean forward of `models.lean` over a cache of our own.

Weights are fused once for each weight version. A decode step writes each row's key and value at the row's own
position and attends over the longest row with one mask, so rows of any age share a step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from ponder.engines.cache import SlotCache
from ponder.engines.decoder import Prefill
from ponder.engines.packing import batches_by_length, chosen_logprobs, right_padded
from ponder.models import lean

_PREFILL_TOKENS = 8192


class LeanDecoder:
    """The `Decoder` of the standard family."""

    continuous = True

    def __init__(self, model: PreTrainedModel, context: int, cache_bytes: int) -> None:
        self._model = model
        self._shape = lean.Shape.of(model)
        self._context = context
        self._cache = SlotCache(model.config.num_hidden_layers, self._shape, model.dtype, model.device, cache_bytes)
        self.refresh()

    @torch.inference_mode()
    def refresh(self) -> None:
        self._layers = lean.layers(self._model)
        self._embedding = self._model.get_input_embeddings().weight
        self._head = self._model.get_output_embeddings().weight
        cos, sin = lean.rotary(self._model, self._context, self._model.device)
        self._cos, self._sin = cos.to(self._model.dtype)[:, None], sin.to(self._model.dtype)[:, None]
        self._cache.clear()

    def rows(self, length: int) -> int:
        return self._cache.rows(length)

    @torch.inference_mode()
    def prefill(self, prompts: Sequence[tuple[int, ...]], first: int) -> Prefill:
        """Each distinct prompt goes through the model once; its other rows copy the cache."""
        unique = list(dict.fromkeys(prompts))
        slot_of = {prompt: first + prompts.index(prompt) for prompt in unique}
        self._cache.reserve(first + len(prompts), max(map(len, prompts)), kept=first)
        logits: dict[tuple[int, ...], Tensor] = {}
        for batch in batches_by_length(unique, _PREFILL_TOKENS):
            ids_BT = right_padded(batch, self._model.device)
            hidden_BTH = self._hidden_states(ids_BT, torch.tensor([slot_of[p] for p in batch]))
            last_B = torch.tensor([len(p) - 1 for p in batch], device=ids_BT.device)
            last_BH = hidden_BTH[torch.arange(len(batch), device=ids_BT.device), last_B]
            logits.update(zip(batch, F.linear(last_BH, self._head), strict=True))
        own = {slot_of[p] for p in unique}
        copies = [(slot_of[p], first + i) for i, p in enumerate(prompts) if first + i not in own]
        self._cache.copy([source for source, _ in copies], [target for _, target in copies], max(map(len, prompts)))
        computed = tuple(len(p) if first + i in own else 0 for i, p in enumerate(prompts))
        return Prefill(torch.stack([logits[p] for p in prompts]), computed)

    def _hidden_states(self, ids_BT: Tensor, slots_B: Tensor | None = None) -> Tensor:
        """Final hidden states [B, T, hidden] of right-padded rows; keys and values go into the slots, if named.

        What padding writes behind a row's end is overwritten before the row's mask reaches it.
        """
        length, shape = ids_BT.shape[1], self._shape
        cos, sin = self._cos[:length], self._sin[:length]
        x = F.embedding(ids_BT, self._embedding)
        for layer, cache in zip(self._layers, self._cache.layers, strict=True):
            q, k, v = lean.project(x, layer, shape)
            q, k, v = lean.rotate(q, cos, sin).transpose(1, 2), lean.rotate(k, cos, sin).transpose(1, 2), v.transpose(1, 2)
            if slots_B is not None:
                cache[0, slots_B, :, :length], cache[1, slots_B, :, :length] = k, v
            grouped = shape.heads != shape.kv_heads
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
            x = lean.finish(x, attended.transpose(1, 2).flatten(2), layer, shape)
        return F.rms_norm(x, x.shape[-1:], self._model.base_model.norm.weight, shape.epsilon)

    @torch.inference_mode()
    def decode(self, tokens_B: NDArray[np.int64], positions_B: NDArray[np.int64]) -> Tensor:
        rows, longest = len(tokens_B), int(positions_B.max()) + 1
        self._cache.reserve(rows, longest, kept=rows)
        device, shape = self._model.device, self._shape
        positions = torch.from_numpy(positions_B).to(device)
        slots = torch.arange(rows, device=device)
        cos, sin = self._cos[positions], self._sin[positions]
        hidden_by_mask = torch.arange(longest, device=device) > positions[:, None]
        mask = torch.zeros(rows, 1, 1, longest, dtype=self._model.dtype, device=device)
        mask.masked_fill_(hidden_by_mask[:, None, None], -torch.inf)
        x = F.embedding(torch.from_numpy(tokens_B).to(device), self._embedding)
        for layer, cache in zip(self._layers, self._cache.layers, strict=True):
            q, k, v = lean.project(x, layer, shape)
            q, k = lean.rotate(q, cos, sin), lean.rotate(k, cos, sin)
            cache[0, slots, :, positions], cache[1, slots, :, positions] = k, v
            # The heads that share a key head stand where a longer query would have its positions.
            grouped = q.unflatten(1, (shape.kv_heads, -1))
            attended = F.scaled_dot_product_attention(
                grouped, cache[0, :rows, :, :longest], cache[1, :rows, :, :longest], attn_mask=mask
            )
            x = lean.finish(x, attended.flatten(1), layer, shape)
        x = F.rms_norm(x, x.shape[-1:], self._model.base_model.norm.weight, shape.epsilon)
        return F.linear(x, self._head)

    @torch.inference_mode()
    def compact(self, holes: Sequence[int], movers: Sequence[int], rows: int) -> None:
        self._cache.copy(movers, holes, self._cache.length)

    @torch.inference_mode()
    def score(self, prompts: Sequence[tuple[int, ...]], continuations: Sequence[tuple[int, ...]]) -> list[list[float]]:
        def forward(ids_BT: Tensor) -> Tensor:
            return self._hidden_states(ids_BT)

        return chosen_logprobs(prompts, continuations, forward, self._head, self._model.device)
