"""Pivot-stitched chains: a wrong branch up to its first error, a turn, then a right sample from its beginning.

What is learned: to notice, to turn round, to begin again. The two halves are independent samples of one problem.
"""

from __future__ import annotations

from ponder.factory.chain import Chain, Span
from ponder.factory.work import Work


async def pivots(work: Work) -> list[Chain]:
    """One chain for each wrong sample, right ones in turn."""
    right, wrong = work.right, work.wrong
    if not right or not wrong:
        work.why["no sample is right" if not right else "no sample is wrong"] += 1
        return []
    chains = []
    for number, (at, sample) in enumerate(wrong[: work.most]):
        begun = await work.branch(at, sample)
        if begun is None:
            continue
        other, good = right[number % len(right)]
        ending = Span("right", good.text, work.model, work.source(other))
        chains.append(Chain(work.problem, "pivots", (*begun[0], work.turned(), ending)))
    return chains
