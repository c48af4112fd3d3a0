"""What several engines did together, those that were lost included as far as they told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ponder.distributed.messages import Told
from ponder.protocols import Work

_NOTHING = Work(0, 0, 0, 0, 0.0, 0.0)


class Counted:
    """`duplicates` are answers that had come before, `retried` questions that were asked again."""

    def __init__(self, engines: int) -> None:
        self.engines = engines
        self.duplicates = 0
        self.retried = 0
        self.losses = 0
        self._gone = Told(work=_NOTHING)

    def lost(self, told: Told) -> None:
        """An engine is gone; this was its last word."""
        self.losses += 1
        self._gone = _sum(self._gone, told)

    def total(self, told: Sequence[Told]) -> Told:
        """All counters, with those of engines that are gone."""
        found = self._gone
        for one in told:
            found = _sum(found, one)
        return found

    def work(self, told: Sequence[Told]) -> Work:
        return self.total(told).work or _NOTHING


def _sum(a: Told, b: Told) -> Told:
    x, y = a.work or _NOTHING, b.work or _NOTHING
    work = Work(
        x.tokens + y.tokens,
        x.generated + y.generated,
        x.prefilled + y.prefilled,
        x.reused + y.reused,
        x.flops + y.flops,
        x.seconds + y.seconds,
    )
    return replace(
        a,
        generated=a.generated + b.generated,
        prefilled=a.prefilled + b.prefilled,
        reused=a.reused + b.reused,
        work=work,
    )
