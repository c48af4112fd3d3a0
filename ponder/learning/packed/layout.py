"""Rows to one packed sequence without padding, in which a prompt that several rows share stands once.

    tokens   [ stem 0 | stem 1 | ... | branch | branch | ... ]      N tokens, every one a real one

A *stem* is a prompt that more than one row begins with; a *branch* is such a row's response, which attends to its stem
and to itself. A row that shares nothing is one piece, prompt and response. All that works on single tokens (products,
norms) runs over the N tokens; only attention needs rows again (see `tiles`). The last token of a row predicts nothing,
so it is not computed. A stem's gradient is the sum over its branches: the result equals that of separate rows to
rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ponder.types import Sample

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """A sample and the weight of each of its trained tokens in the loss of the whole step."""

    sample: Sample
    weight: float


@dataclass(frozen=True)
class Group:
    """Rows with the same prompt, computed together; a single one is an ordinary causal row."""

    rows: tuple[Row, ...]

    @property
    def prompt(self) -> tuple[int, ...]:
        return self.rows[0].sample.prompt

    @property
    def bodies(self) -> tuple[int, ...]:
        """Response tokens of each row that are computed."""
        return tuple(len(row.sample.response) - 1 for row in self.rows)

    @property
    def shares(self) -> bool:
        return len(self.rows) > 1

    @property
    def longest(self) -> int:
        """Tokens of the longest row, all of them counted."""
        return len(self.prompt) + max(self.bodies) + 1

    def halves(self) -> tuple[Group, Group]:
        middle = len(self.rows) // 2
        return Group(self.rows[:middle]), Group(self.rows[middle:])


@dataclass(frozen=True)
class Piece:
    """`length` packed tokens from `start` on that attend to each other and to `shared` tokens from `stem_start` on."""

    start: int
    length: int
    stem: int = 0
    stem_start: int = 0
    shared: int = 0


@dataclass
class Packing:
    """Tokens, the position of each in its row, the pieces, and for each sample where its tokens are predicted."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    stems: list[Piece] = field(default_factory=list)
    predictors: list[Ints] = field(default_factory=list)

    def add(self, tokens: Sequence[int], first: int) -> int:
        """Append tokens whose positions begin at `first`; returns the place of the first."""
        start = len(self.ids)
        self.ids += tokens
        self.positions += range(first, first + len(tokens))
        return start


def packed(groups: Sequence[Group]) -> Packing:
    """Groups that share a prompt come before those that do not (`stems_first`); samples keep the order given."""
    packing = Packing()
    for group in groups:
        if group.shares:
            packing.stems.append(Piece(packing.add(group.prompt, 0), len(group.prompt)))
    packing.pieces += packing.stems
    for index, group in enumerate(groups):
        for row in group.rows:
            body, p = row.sample.response[:-1], len(group.prompt)
            if group.shares:
                stem = packing.stems[index]
                start = packing.add(body, p)
                packing.pieces.append(Piece(start, len(body), index, stem.start, p))
                first = [stem.start + p - 1]
            else:
                start = packing.add((*group.prompt, *body), 0) + p
                packing.pieces.append(Piece(start - p, p + len(body)))
                first = [start - 1]
            packing.predictors.append(np.array([*first, *range(start, start + len(body))], dtype=np.int64))
    packing.pieces = [piece for piece in packing.pieces if piece.length]
    return packing


@dataclass(frozen=True)
class Groups:
    """Pieces [P, 4] (start, length, start of the stem, tokens of it) in groups of one stem and all that see it.

    Group i are the pieces from `borders[i]` to before `borders[i + 1]`, the stem first.
    """

    pieces: Ints
    borders: Ints


def groups(packing: Packing) -> Groups:
    """A piece without a stem is a group of its own."""
    stems = len(packing.stems)
    some: list[list[Piece]] = [[piece] for piece in packing.pieces[:stems]]
    for piece in packing.pieces[stems:]:
        if piece.shared:
            some[piece.stem].append(piece)
        else:
            some.append([piece])
    rows = [(p.start, p.length, p.stem_start, p.shared) for group in some for p in group]
    borders = np.cumsum([0, *map(len, some)])
    return Groups(np.array(rows, dtype=np.int64).reshape(-1, 4), borders)


def stems_first(groups: Sequence[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: not group.shares)
