"""Generation for Llama, Qwen2 and Qwen3 models: prompts through the trunk's prefix tree, then a token a step.

A decode step writes each row's key and value at the row's own position and attends over the longest row with one mask,
so rows of any age share a step. What a step computed also goes into the arena, and when a row ends its text joins the
prefix tree: a request that goes on from any token of it computes only what is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from ponder.engines.cpu.forward import Batch, even
from ponder.engines.cpu.slots import TiledSlots
from ponder.engines.local import packed_weights as packed
from ponder.engines.local import step
from ponder.engines.local.decoder import Kept, Prefill
from ponder.engines.local.graphs import CudaRecord, Graphs
from ponder.engines.local.packed_weights import Packed, Workspace
from ponder.engines.local.prefix.arena import NOWHERE, Cells
from ponder.engines.local.prefix.slots import SlotCache
from ponder.engines.local.prefix.tree import Tokens
from ponder.engines.local.prefix.trunk import Known, Trunk
from ponder.engines.local.step import Step
from ponder.engines.local.work_counter import Tally
from ponder.models import lean

# Rows of logits at once; with a vocabulary of 150,000 this is 300 MB.
_ROWS = 512
_LOAD_TOKENS = 8192


class LeanDecoder:
    """The `Decoder` of the standard family. Half of `cache_bytes` is for the rows under way, half for texts."""

    continuous = True

    def __init__(self, model: PreTrainedModel, context: int, max_rows: int, cache_bytes: int) -> None:
        self._device = model.device
        shape = lean.Shape.of(model)
        layers = model.config.num_hidden_layers
        self.trunk = Trunk(model, context, cache_bytes // 2)
        slots = SlotCache if self.trunk.native is None else TiledSlots
        self._slots = slots(layers, shape, model.dtype, model.device, max_rows, cache_bytes // 2)
        self._context = context
        self._graphs = Graphs(CudaRecord) if self._device.type == "cuda" else None
        self._workspace = Workspace(self.trunk.weights)
        self.reset()

    def refresh(self) -> None:
        before = self.trunk.weights
        self.trunk.refresh()
        self._workspace = Workspace(self.trunk.weights)
        if self._graphs is not None and self.trunk.weights is not before:
            self._graphs.forget()
        self._end_rows()

    def drop_weights(self) -> None:
        self.trunk.drop_weights()
        if self._graphs is not None:
            self._graphs.forget()
        self._end_rows()

    def forget(self) -> None:
        self.trunk.forget()
        self._end_rows()

    def _end_rows(self) -> None:
        """Rows of requests that were cancelled and not yet settled: their cells are gone."""
        self._slots.vacate()
        self.active = 0

    def reset(self) -> None:
        self._slots.clear()
        self.trunk.forget()
        self.trunk.arena.clear()
        self.active = 0
        # The texts under way: their tokens that are computed, where, and how many.
        self._texts = np.zeros((0, 0), dtype=np.int64)
        self._cells = np.zeros((0, 0), dtype=np.int64)
        self._lengths = np.zeros(0, dtype=np.int64)

    @property
    def compiled(self) -> bool:
        """Whether forwards run as machine code of our own."""
        return isinstance(self._slots, TiledSlots)

    @property
    def tally(self) -> Tally:
        return self.trunk.tally

    @property
    def room(self) -> int:
        # A text as long as the context can always be scored.
        return self.trunk.room - self._context

    @property
    def kept(self) -> Kept:
        arena, tokens = self.trunk.arena, self.trunk.tree.size
        return Kept(tokens, tokens * arena.cell_bytes, arena.bytes, self._slots.bytes, self.trunk.weight_bytes)

    def rows(self, length: int) -> int:
        return self._slots.rows(length)

    @torch.inference_mode()
    def prefill(self, prompts: Sequence[Tokens]) -> Prefill:
        first, rows = self.active, self.active + len(prompts)
        self._slots.reserve(rows, max(int(self._lengths[:first].max(initial=0)), *map(len, prompts)))
        known = self.trunk.ensure(prompts, self._slots if isinstance(self._slots, TiledSlots) else None, first)
        self.active = rows
        self._make_room(self.active, max(map(len, prompts)))
        for row, (prompt, text) in enumerate(zip(prompts, known, strict=True), first):
            self._cells[row] = NOWHERE
            self._texts[row, : len(prompt)], self._cells[row, : len(prompt)] = prompt, text.cells
            self._lengths[row] = len(prompt)
        if not isinstance(self._slots, TiledSlots):
            self._load(first)
        last = np.array([text.cells[-1] for text in known])
        self.tally.heads += len(last)
        return Prefill(self.trunk.logits(last), tuple(text.computed for text in known))

    def _load(self, first: int) -> None:
        """Copy the texts of the rows from `first` on out of the arena, a few thousand tokens at a time."""
        while first < self.active:
            longest, end = int(self._lengths[first]), first + 1
            while end < self.active and max(longest, self._lengths[end]) * (end + 1 - first) <= _LOAD_TOKENS:
                longest, end = max(longest, int(self._lengths[end])), end + 1
            cells = torch.from_numpy(self._cells[first:end, :longest].copy()).to(self._device)
            self._slots.load(first, self.trunk.arena.kv[cells])
            first = end

    def _make_room(self, rows: int, length: int) -> None:
        """Space to note that many texts of that length; doubled, so that it is seldom made."""
        if rows > self._texts.shape[0] or length > self._texts.shape[1]:
            old = self._texts.shape
            grown = [
                (0, max(need, 2 * have) - have if need > have else 0)
                for need, have in zip((rows, length), old, strict=True)
            ]
            self._texts, self._cells = np.pad(self._texts, grown), np.pad(self._cells, grown)
            self._lengths = np.pad(self._lengths, grown[0])

    def decode(self, tokens_B: NDArray[np.int64], positions_B: NDArray[np.int64]) -> Tensor:
        cells_B = self.trunk.take(len(tokens_B), spare=self._context)
        rows = np.arange(self.active)
        self._make_room(self.active, int(positions_B.max()) + 1)
        self._texts[rows, positions_B], self._cells[rows, positions_B] = tokens_B, cells_B
        self._lengths[: self.active] = positions_B + 1
        self._slots.reserve(self.active, int(positions_B.max()) + 1)
        self.tally.tokens += len(tokens_B)
        self.tally.contexts += int(positions_B.sum()) + len(tokens_B)
        self.tally.heads += len(tokens_B)
        head = self.trunk.weights.head
        logits_BV = head.new_empty(len(tokens_B), head.shape[1])
        work = Step(tokens_B, positions_B, cells_B, self._slots, self.trunk.arena, logits_BV)
        self._run(work, self.trunk.weights)
        return logits_BV

    @torch.inference_mode()
    def _run(self, work: Step, weights: Packed) -> None:
        if self._graphs is not None:
            self._graphs.run(work, weights)
        elif (native := self.trunk.native) is not None:
            slots = self._slots.places if isinstance(self._slots, TiledSlots) else np.arange(self.active)
            batch = Batch(work.tokens_B, work.positions_B, slots, work.cells_B, even(self.active))
            native.forward(batch, work.slots, work.arena, work.logits_BV)
        else:
            step.forward(work, weights, self._workspace)

    @torch.inference_mode()
    def select(self, order: Sequence[int]) -> None:
        counts = np.bincount(order, minlength=self.active) if len(order) else np.zeros(self.active, np.int64)
        for row, count in enumerate(counts.tolist()):
            cells = self._cells[row, : self._lengths[row]]
            if count > 1:
                self.trunk.arena.hold(cells, count - 1)
            elif count == 0:
                self.trunk.tree.insert(tuple(self._texts[row, : self._lengths[row]].tolist()), cells)
                self.trunk.arena.drop(cells)
        self._make_room(len(order), 0)
        self._slots.select(order, self._lengths)
        moved = [(source, target) for target, source in enumerate(order) if source != target]
        if moved:
            sources, targets = map(list, zip(*moved, strict=True))
            for array in (self._texts, self._cells, self._lengths):
                array[targets] = array[sources]
        self.active = len(order)

    @torch.inference_mode()
    def score(self, prompts: Sequence[Tokens], continuations: Sequence[Tokens]) -> list[list[float]]:
        # The last token of a continuation is only asked about; what would follow it is not.
        texts = [prompt + continuation[:-1] for prompt, continuation in zip(prompts, continuations, strict=True)]
        scores: list[list[float]] = []
        for part in self._portions(texts):
            known = self.trunk.ensure(texts[part])
            asked = [k.cells[len(p) - 1 :] for k, p in zip(known, prompts[part], strict=True)]
            values = iter(self._logprobs(np.concatenate(asked), [t for c in continuations[part] for t in c]))
            scores += [[next(values) for _ in continuation] for continuation in continuations[part]]
            self._release(known)
        return scores

    def _logprobs(self, cells_N: Cells, targets_N: Sequence[int]) -> list[float]:
        self.tally.heads += len(cells_N)
        values: list[float] = []
        for cells, targets in zip(np.split(cells_N, range(_ROWS, len(cells_N), _ROWS)), _split(targets_N), strict=True):
            logits = self.trunk.logits(cells).float()
            chosen = logits.gather(-1, torch.tensor(targets, device=self._device)[:, None])[:, 0]
            values.extend((chosen - logits.logsumexp(-1)).tolist())
        return values

    @torch.inference_mode()
    def hidden(self, texts: Sequence[Tokens], positions: Sequence[Sequence[int]]) -> list[Tensor]:
        states: list[Tensor] = []
        for part in self._portions(texts):
            known = self.trunk.ensure(texts[part])
            for text, at in zip(known, positions[part], strict=True):
                states.append(packed.final(self.trunk.hidden(text.cells[list(at)]), self.trunk.weights))
            self._release(known)
        return states

    def _portions(self, texts: Sequence[Tokens]) -> Iterator[slice]:
        """Successive texts that have room together."""
        first = 0
        while first < len(texts):
            room, end = self.trunk.room - len(texts[first]), first + 1
            while end < len(texts) and len(texts[end]) <= room:
                room, end = room - len(texts[end]), end + 1
            yield slice(first, end)
            first = end

    def _release(self, known: Sequence[Known]) -> None:
        for text in known:
            self.trunk.release(text.cells)


def _split(targets_N: Sequence[int]) -> list[Sequence[int]]:
    return [targets_N[i : i + _ROWS] for i in range(0, max(1, len(targets_N)), _ROWS)]
