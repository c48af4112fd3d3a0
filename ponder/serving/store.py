"""Things that are kept for a while and no longer than memory allows: finished searches, stored conversations."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _Kept(Generic[T]):
    owner: str
    value: T
    size: int


class Store(Generic[T]):
    """Values by id, each seen by its owner alone; the oldest go when there are more than `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, id: str, owner: str, value: T, size: int) -> bool:
        """Keep a value; False if it alone is more than all that may be kept."""
        self.drop(id, owner)
        if size > self._most:
            return False
        self._kept[id] = _Kept(owner, value, size)
        self.size += size
        while self.size > self._most:
            _, old = self._kept.popitem(last=False)
            self.size -= old.size
        return True

    def get(self, id: str, owner: str) -> T | None:
        """The value, if there is one and it is this owner's."""
        kept = self._kept.get(id)
        return kept.value if kept is not None and kept.owner == owner else None

    def drop(self, id: str, owner: str) -> bool:
        """Forget a value; whether there was one."""
        kept = self._kept.get(id)
        if kept is None or kept.owner != owner:
            return False
        del self._kept[id]
        self.size -= kept.size
        return True
