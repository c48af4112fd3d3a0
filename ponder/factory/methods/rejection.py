"""Plain rejection sampling: the right samples as they are. The control of all other methods."""

from __future__ import annotations

from ponder.factory.chain import Chain, Span
from ponder.factory.work import Work


async def rejection(work: Work) -> list[Chain]:
    """Every right sample, each text once."""
    if not work.right:
        work.why["no sample is right"] += 1
    return [
        Chain(work.problem, "rejection", (Span("right", sample.text, work.model, work.source(at)),))
        for at, sample in work.right[: work.most]
    ]
