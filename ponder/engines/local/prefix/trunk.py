"""Hidden states of texts over a prefix tree: a token after a given prefix goes through the model once.

Generation, scoring and heads all ask the same thing: what did the model compute at these tokens? `ensure` finds the
longest known beginning of each text, computes the rest after it and keeps it. Texts of one call that begin alike are
taken one after the other, so that the second finds what the first left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from ponder.engines.cpu.forward import Batch, Native, even, native
from ponder.engines.cpu.scratch import Scratch
from ponder.engines.cpu.slots import Slots, TiledSlots, load
from ponder.engines.local import packed_weights as packed
from ponder.engines.local.packed_weights import Buffers, Packed, Workspace
from ponder.engines.local.prefix.arena import NOWHERE, Arena, Cells
from ponder.engines.local.prefix.tree import PrefixTree, Tokens
from ponder.engines.local.work_counter import Tally
from ponder.models import lean
from ponder.types import PonderError

# New tokens at once, by device: enough for full speed of the products, on a CPU few enough that what lies between them
# stays in its cache. Known tokens are only read, so a batch may have more of them.
_NEW_TOKENS = {"cpu": 1024, "cuda": 8192}
_ALL_TOKENS = {"cpu": 8192, "cuda": 32768}


@dataclass(frozen=True)
class Known:
    """The cells of a text, held for the caller (`release` them), and how many of its tokens were computed for it."""

    cells: Cells
    computed: int


@dataclass(frozen=True)
class Piece:
    """Tokens of text `text` to compute after what `before` holds, and the cells that take them."""

    text: int
    tokens: Tokens
    before: Cells
    cells: Cells


class Trunk:
    """The model without its head, over weights laid out for it. Works for token classifiers too (no output head)."""

    def __init__(self, model: PreTrainedModel, context: int, cache_bytes: int) -> None:
        self._model, self._context = model, context
        self.device = model.device
        shape = lean.Shape.of(model)
        layers, hidden = model.config.num_hidden_layers, model.config.hidden_size
        cell = (2 * layers * shape.kv_heads * shape.head_dim + hidden) * model.dtype.itemsize
        # One text as long as the context must fit beside one that is scored, or nothing could ever run.
        most = max(2 * context, cache_bytes // cell)
        self.arena = Arena(layers, shape.kv_heads, shape.head_dim, hidden, model.dtype, model.device, most)
        self.tree = PrefixTree(self.arena)
        self.tally = Tally()
        self._held: Packed | None = None
        self.refresh()

    @torch.inference_mode()
    def refresh(self) -> None:
        """Take the model's weights as they are now; what older ones computed is forgotten."""
        self.native: Native | None = None  # old copies go before new ones are made
        weights = packed.pack(self._model, self._context)
        self.native = native(weights)
        if self.native is not None:
            self.weights = weights.without_head()
        else:
            if self._held is None or not packed.renew(self._held, weights):
                self._held = packed.held(weights)
            self.weights = self._held
        self._workspace, self._scratch = Workspace(self.weights), Scratch(self.weights)
        self.forget()

    def drop_weights(self) -> None:
        """Give back the copies of the weights; nothing can be computed before `refresh`."""
        self.native = self._held = None
        self.weights = replace(self.weights, layers=packed.Laid(self._model)).without_head()
        self.forget()

    @property
    def weight_bytes(self) -> int:
        """Memory of copies of the weights."""
        return self.weights.copied if self.native is None else self.native.copied

    def forget(self) -> None:
        """Forget every text."""
        self.tree.forget()
        self.arena.forget()

    @property
    def room(self) -> int:
        """How many tokens' worth of texts `ensure` may be asked for."""
        return self.arena.most - self.arena.held

    def take(self, count: int, spare: int = 0) -> Cells:
        """Cells for new tokens, old texts making way; `NOWHERE` for all if fewer than `spare` would be left."""
        if lacking := self.arena.lacks(count + spare):
            self.tree.evict(max(lacking, self.arena.most // 16))
            if self.arena.lacks(count + spare):
                return np.full(count, NOWHERE, dtype=np.int64)
        return self.arena.take(count)

    def release(self, cells: Cells) -> None:
        self.arena.drop(cells)

    @torch.inference_mode()
    def ensure(self, texts: Sequence[Tokens], slots: TiledSlots | None = None, first: int = 0) -> list[Known]:
        """Every token of these texts in a cell. Their lengths together may not exceed `room`.

        Compiled code also fills slots with them, that of row `first` + i with text i.
        """
        known: dict[int, Known] = {}
        waiting = list(range(len(texts)))
        while waiting:
            pieces: dict[tuple[int, int], Piece] = {}
            whole: list[int] = []
            later: list[int] = []
            for i in waiting:
                cells = self.tree.match(texts[i])
                if (found := len(cells)) == len(texts[i]):
                    self.arena.hold(cells)
                    known[i] = Known(cells, 0)
                    whole.append(i)
                    continue
                # The place in the tree and the first new token: a second text that goes on there waits for the first.
                place = (int(cells[-1]) if found else NOWHERE, texts[i][found])
                if place in pieces:
                    later.append(i)
                    continue
                self.arena.hold(cells)
                piece = Piece(i, texts[i][found:], cells, self.take(len(texts[i]) - found))
                pieces[place] = piece
                known[i] = Known(np.concatenate([cells, piece.cells]), len(piece.tokens))
            for piece in pieces.values():
                self.tally.computed(len(piece.tokens), len(piece.before))
            if slots is not None:
                load(slots, [int(slots.places[first + i]) for i in whole], [known[i].cells for i in whole], self.arena)
            for batch in _batches(pieces.values(), self.device.type):
                if self.native is None:
                    self._compute(batch)
                elif slots is None:
                    self._scratch.sized(len(batch), max(len(p.before) + len(p.tokens) for p in batch))
                    self._compute_natively(batch, self.native, self._scratch, list(range(len(batch))))
                else:
                    self._compute_natively(
                        batch, self.native, slots, [int(slots.places[first + p.text]) for p in batch]
                    )
            for i in waiting:
                if i in known and known[i].computed:
                    self.tree.insert(texts[i], known[i].cells)
            waiting = later
        return [known[i] for i in range(len(texts))]

    def hidden(self, cells: Cells) -> Tensor:
        """Hidden states [N, hidden] before the final norm."""
        states: Tensor = self.arena.hidden.index_select(0, self._tensor(cells))
        return states

    def logits(self, cells: Cells) -> Tensor:
        """What the output head says at these cells [N, V]."""
        hidden = self.hidden(cells)
        return packed.logits(hidden, self.weights) if self.native is None else self.native.logits(hidden)

    def _tensor(self, array: Cells) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _compute(self, batch: Sequence[Piece]) -> None:
        """One forward over right-padded pieces; what padding computes goes nowhere."""
        new, old = max(len(p.tokens) for p in batch), max(len(p.before) for p in batch)
        ids, cells = np.zeros((len(batch), new), np.int64), np.full((len(batch), new), NOWHERE)
        before = np.full((len(batch), old), NOWHERE)
        lengths = np.array([len(p.before) for p in batch])
        for i, piece in enumerate(batch):
            ids[i, : len(piece.tokens)], cells[i, : len(piece.tokens)] = piece.tokens, piece.cells
            before[i, : lengths[i]] = piece.before
        positions = np.minimum(lengths[:, None] + np.arange(new), self._context - 1)
        self._forward(ids, positions, cells, before, lengths, self._workspace.sized(ids.size))

    def _compute_natively(self, batch: Sequence[Piece], forward: Native, slots: Slots, places: list[int]) -> None:
        """The same by compiled code in these slots, without padding; a text's tokens stay in one share."""
        load(slots, places, [piece.before for piece in batch], self.arena)
        ends = np.cumsum([len(piece.tokens) for piece in batch])
        starts = ends - [len(piece.tokens) for piece in batch]
        rows = np.repeat(np.arange(len(batch)), ends - starts)
        tokens = np.concatenate([np.array(piece.tokens) for piece in batch])
        if tokens.min() < 0 or tokens.max() >= len(self.weights.embedding):  # compiled code would read other memory
            raise PonderError(
                f"token ids up to {tokens.max()}; this model's embedding has {len(self.weights.embedding)}"
            )
        positions = np.arange(ends[-1]) + (np.array([len(piece.before) for piece in batch]) - starts)[rows]
        shares = np.searchsorted(ends, even(int(ends[-1]))[1:])  # the texts that end nearest behind an even border
        borders = np.unique(np.concatenate([[0], ends[shares]]))
        job = Batch(tokens, positions, np.array(places)[rows], np.concatenate([p.cells for p in batch]), borders)
        forward.forward(job, slots, self.arena)

    def _forward(
        self, ids: Cells, positions: Cells, cells: Cells, before: Cells, lengths: Cells, buffers: Buffers
    ) -> None:
        w, (rows, new) = self.weights, ids.shape
        rotation = packed.rotation_for(w, self._tensor(positions.reshape(-1)))
        past = self.arena.kv[self._tensor(before)] if before.shape[1] else None
        mask = None if past is None else self._mask(lengths, new, before.shape[1])
        x = packed.embed(self._tensor(ids.reshape(-1)), w, buffers)
        for i in range(len(w.layers)):
            heads = packed.project(x, i, w, rotation, buffers).unflatten(0, (rows, new)).permute(0, 2, 3, 1, 4)
            q, k, v = heads[:, :, : w.group].flatten(1, 2), heads[:, :, w.group], heads[:, :, w.group + 1]
            if past is not None:
                k = torch.cat([past[:, :, i, :, 0].transpose(1, 2), k], dim=2)
                v = torch.cat([past[:, :, i, :, 1].transpose(1, 2), v], dim=2)
            # The rotation has scaled the queries.
            attended = F.scaled_dot_product_attention(
                q, k, v, mask, is_causal=mask is None, scale=1.0, enable_gqa=w.group > 1
            )
            packed.finish(x, attended.transpose(1, 2).reshape(rows * new, -1), i, w, buffers)
        kv = buffers.heads[:, :, :, w.group :].transpose(0, 1)
        self.arena.write(self._tensor(cells.reshape(-1)), kv, x)

    def _mask(self, lengths: Cells, new: int, old: int) -> Tensor:
        """What is added to the scores [B, 1, new, old + new]: minus infinity where a token may not look."""
        before_BT = torch.arange(old, device=self.device) >= self._tensor(lengths)[:, None]
        causal_TT = torch.ones(new, new, dtype=torch.bool, device=self.device).triu(1)
        shape = (len(lengths), new, -1)
        hidden = torch.cat([before_BT[:, None].expand(shape), causal_TT.expand(shape)], dim=-1)
        return torch.zeros(hidden.shape, dtype=self._model.dtype, device=self.device).masked_fill_(hidden, -torch.inf)[
            :, None
        ]


def _batches(pieces: Iterable[Piece], place: str) -> Iterator[list[Piece]]:
    """Pieces of like length together, those without a past apart (their attention needs no mask)."""
    most_new, most = _NEW_TOKENS.get(place, 1024), _ALL_TOKENS.get(place, 8192)
    batch: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: (len(p.before) > 0, len(p.tokens), len(p.before))):
        if batch:
            rows, new = len(batch) + 1, len(piece.tokens)
            old = max(len(piece.before), *(len(p.before) for p in batch))
            mixed = bool(len(piece.before)) != bool(len(batch[0].before))
            if mixed or rows * new > most_new or rows * (new + old) > most:
                yield batch
                batch = []
        batch.append(piece)
    if batch:
        yield batch
