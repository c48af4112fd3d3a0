"""Which engine is asked: the one that has read most of the text already, unless it has far more to do than another.

Samples of one prompt, and the steps of one search, then share what an engine's prefix tree holds. All questions of a
run begin alike (the frame around a question), so affinity alone would send everything to one engine; `slack` bounds by
how many questions an engine may be ahead of the least busy one. The choice changes no result.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

_BLOCK = 16  # tokens; ends of known texts are found to this precision
_MOST_KNOWN = 65536


class Router:
    """Remembers who was asked what; texts that were not asked for long are forgotten."""

    def __init__(self, slack: int = 16) -> None:
        self.slack = slack
        self._known: OrderedDict[int, int] = OrderedDict()  # hash of a beginning -> place of an engine

    def choose(self, text: Sequence[int], load: Mapping[int, int]) -> int:
        """The place to ask, of those in `load` (how many questions each has). `load` must not be empty."""
        least = min(load, key=lambda place: (load[place], place))
        beginnings = _beginnings(text)
        chosen = least
        for beginning in reversed(beginnings):
            place = self._known.get(beginning)
            if place is not None and place in load:
                chosen = place if load[place] <= load[least] + self.slack else least
                break
        for beginning in beginnings:
            if beginning not in self._known or self._known[beginning] not in load:
                self._known[beginning] = chosen
            self._known.move_to_end(beginning)
        if beginnings:
            self._known[beginnings[-1]] = chosen
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return chosen

    def forget(self, place: int) -> None:
        """The engine at `place` knows nothing any more."""
        for beginning in [b for b, known in self._known.items() if known == place]:
            del self._known[beginning]


def _beginnings(text: Sequence[int]) -> list[int]:
    """One number for each beginning of the text that ends at a block, and one for the whole; shortest first."""
    found: list[int] = []
    so_far = 0
    for start in range(0, len(text), _BLOCK):
        so_far = hash((so_far, tuple(text[start : start + _BLOCK])))
        found.append(so_far)
    return found
