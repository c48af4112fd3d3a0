"""Generation for Llama, Qwen2 and Qwen3 models, over weights laid out for it and a cache of our own.

A decode step writes each row's key and value at the row's own position and attends over the longest row with one mask,
so rows of any age share a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from ponder.engines import packed
from ponder.engines.cache import SlotCache
from ponder.engines.decoder import Prefill
from ponder.engines.packing import batches_by_length, chosen_logprobs, right_padded
from ponder.models import lean

# Enough for full speed of the products, few enough that what lies between them stays in the CPU's cache.
_PREFILL_TOKENS = 1024
_SPAN = 64


@dataclass(frozen=True)
class Span:
    """Rows that share one attention: their part of the cache's first axis, the longest of them, their mask."""

    heads: slice
    longest: int
    mask: Tensor | None


class LeanDecoder:
    """The `Decoder` of the standard family."""

    continuous = True

    def __init__(self, model: PreTrainedModel, context: int, max_rows: int, cache_bytes: int) -> None:
        self._model = model
        self._context = context
        self._device = model.device
        shape = lean.Shape.of(model)
        layers = model.config.num_hidden_layers
        self._cache = SlotCache(layers, shape, model.dtype, model.device, max_rows, cache_bytes)
        self._longest = 0  # positions of the cache in use
        self.refresh()

    @torch.inference_mode()
    def refresh(self) -> None:
        self._weights = packed.pack(self._model, self._context)

    def reset(self) -> None:
        self._cache.clear()

    def rows(self, length: int) -> int:
        return self._cache.rows(length)

    @torch.inference_mode()
    def prefill(self, prompts: Sequence[tuple[int, ...]], rows: Sequence[int]) -> Prefill:
        """Each distinct prompt goes through the model once; its other rows copy the cache."""
        longest = max(map(len, prompts))
        self._cache.reserve(max(rows) + 1, longest)
        self._longest = max(self._longest, longest)
        slot_of = dict(zip(reversed(prompts), reversed(rows), strict=True))
        order: dict[tuple[int, ...], int] = {}
        parts: list[Tensor] = []
        for batch in batches_by_length(list(slot_of), _PREFILL_TOKENS):
            hidden_BTH = self._hidden_states(right_padded(batch, self._device), [slot_of[p] for p in batch])
            last_B = torch.tensor([len(p) - 1 for p in batch], device=self._device)
            parts.append(hidden_BTH[torch.arange(len(batch), device=self._device), last_B])
            order |= {prompt: len(order) + i for i, prompt in enumerate(batch)}
        copies = [(slot_of[p], row) for p, row in zip(prompts, rows, strict=True) if slot_of[p] != row]
        self._cache.copy([source for source, _ in copies], [target for _, target in copies], longest)
        computed = tuple(len(p) if slot_of[p] == row else 0 for p, row in zip(prompts, rows, strict=True))
        logits = packed.logits(torch.cat(parts), self._weights)
        return Prefill(logits[torch.tensor([order[p] for p in prompts], device=self._device)], computed)

    def _hidden_states(self, ids_BT: Tensor, slots: Sequence[int] | None = None) -> Tensor:
        """Hidden states [B, T, hidden] of right-padded rows, before the final norm; keys and values go into `slots`.

        What padding writes behind a row's end is overwritten before the row's mask reaches it.
        """
        w, (rows, length) = self._weights, ids_BT.shape
        rotation = packed.rotation_for(w, torch.arange(length, device=self._device))
        x: Tensor = F.embedding(ids_BT.flatten(), w.embedding)
        for i, layer in enumerate(w.layers):
            heads = packed.project(x, layer, w, rotation).unflatten(0, (rows, length)).permute(0, 2, 3, 1, 4)
            q, k, v = heads[:, :, : w.group].flatten(1, 2), heads[:, :, w.group], heads[:, :, w.group + 1]
            if slots is not None:
                self._cache.write(i, slots, k, v)
            # The rotation has scaled the queries.
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0, enable_gqa=w.group > 1)
            x = packed.finish(x, attended.transpose(1, 2).reshape(rows * length, -1), layer, w)
        return x.view(rows, length, -1)

    @torch.inference_mode()
    def decode(self, tokens_B: NDArray[np.int64], positions_B: NDArray[np.int64]) -> Tensor:
        w, rows, kv = self._weights, len(tokens_B), self._weights.shape.kv_heads
        self._longest = int(positions_B.max()) + 1
        self._cache.reserve(rows, self._longest)
        positions = torch.from_numpy(positions_B).to(self._device)
        heads_at = torch.arange(rows * kv, device=self._device), positions.repeat_interleave(kv)
        spans = self._spans(positions_B, positions)
        rotation = packed.rotation_for(w, positions)
        x = F.embedding(torch.from_numpy(tokens_B).to(self._device), w.embedding)
        for layer, keys, values in zip(w.layers, self._cache.keys, self._cache.values, strict=True):
            heads = packed.project(x, layer, w, rotation).flatten(0, 1)
            keys[heads_at[0], :, heads_at[1]] = heads[:, w.group]
            values[heads_at] = heads[:, w.group + 1]
            attended = [_attend(heads[s.heads, : w.group], keys[s.heads], values[s.heads], s) for s in spans]
            x = packed.finish(x, _joined(attended).view(rows, -1), layer, w)
        return packed.logits(x, w)

    def _spans(self, positions_B: NDArray[np.int64], positions: Tensor) -> list[Span]:
        """Rows that attend together, each span only as far as its own longest row."""
        kv = self._weights.shape.kv_heads
        spans: list[Span] = []
        for first in range(0, len(positions_B), _SPAN):
            part = slice(first, min(first + _SPAN, len(positions_B)))
            longest = int(positions_B[part].max()) + 1
            ragged = int(positions_B[part].min()) + 1 < longest
            mask = self._mask(positions[part], longest) if ragged else None
            spans.append(Span(slice(part.start * kv, part.stop * kv), longest, mask))
        return spans

    def _mask(self, positions: Tensor, longest: int) -> Tensor:
        """What is added to the scores [B, 1, T]: minus infinity behind each row's position."""
        behind = torch.arange(longest, device=self._device) > positions[:, None]
        zeros = torch.zeros(behind.shape, dtype=self._model.dtype, device=self._device)
        return zeros.masked_fill_(behind, -torch.inf)[:, None]

    @torch.inference_mode()
    def compact(self, order: Sequence[int]) -> None:
        moved = [(source, target) for target, source in enumerate(order) if source != target]
        self._cache.copy([source for source, _ in moved], [target for _, target in moved], self._longest)

    @torch.inference_mode()
    def score(self, prompts: Sequence[tuple[int, ...]], continuations: Sequence[tuple[int, ...]]) -> list[list[float]]:
        def head(states: Tensor) -> Tensor:
            return packed.logits(states, self._weights)

        return chosen_logprobs(prompts, continuations, self._hidden_states, head, self._device)


def _attend(q: Tensor, keys: Tensor, values: Tensor, span: Span) -> Tensor:
    """Queries [B*K, group, D] over the cache; same shape. One batched product serves all queries of a key head."""
    scores = torch.bmm(q, keys[:, :, : span.longest])
    if span.mask is not None:
        scores.view(len(span.mask), -1, span.longest).add_(span.mask)
    return torch.bmm(scores.softmax(-1), values[:, : span.longest])


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
