"""Two sets of problems that share one are refused: a problem seen in training measures nothing in a test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from ponder.protocols import Family
from ponder.types import PonderError

# How many shared problems an error names.
NAMED = 3


@runtime_checkable
class Located(Protocol):
    """A family of stored problems that can say where each stands."""

    def located(self, split: str) -> list[tuple[str, str]]:
        """(problem text, "file:line") of every problem of `split`."""
        ...


def normalise(text: str) -> str:
    """What makes two problems the same: their text without white space, in one case."""
    return "".join(text.split()).casefold()


def shared(one: Iterable[tuple[str, str]], other: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The places (in one, in other) of each problem that both hold, in the order of `other`."""
    places: dict[str, str] = {}
    for text, place in one:
        places.setdefault(normalise(text), place)
    return [(places[key], place) for text, place in other if (key := normalise(text)) in places]


def refuse_overlap(
    one: Iterable[tuple[str, str]], other: Iterable[tuple[str, str]], *, names: tuple[str, str] = ("train", "test")
) -> None:
    """Raise a PonderError that names the first few shared problems; do nothing if there are none."""
    pairs = shared(one, other)
    if not pairs:
        return
    first = "; ".join(f"{here} = {there}" for here, there in pairs[:NAMED])
    raise PonderError(
        f"{names[0]} and {names[1]} share {len(pairs)} problem{'s' if len(pairs) > 1 else ''}: {first}"
        f"{'; ...' if len(pairs) > NAMED else ''}. Take them out of one side or name other files"
    )


def refuse_overlapping(
    one: Iterable[Family], other: Iterable[Family], *, splits: tuple[str, str] = ("train", "test")
) -> None:
    """The same for families: all stored problems of `one` in the first split against those of `other` in the second.

    Generated families need no look: what their splits hold is decided by the content itself (see splits).
    """
    held = [place for family in one if isinstance(family, Located) for place in family.located(splits[0])]
    asked = [place for family in other if isinstance(family, Located) for place in family.located(splits[1])]
    refuse_overlap(held, asked, names=splits)
