"""Corrections and continuations of samples whose final answer is wrong, and of no others, from the first wrong step.

    corrections     right part, wrong step, turn, then a continuation of the right part that ends right
    continuations   right part, then such a continuation: the error is left out

Both draw continuations after the last good step; the first whole one that ends right is taken.
"""

from __future__ import annotations

from ponder.factory.chain import Chain, Span
from ponder.factory.work import Work, prefix_before, some_right, text_after


async def corrections(work: Work) -> list[Chain]:
    """The error stays in the chain, and is taken back."""
    return await _made(work, keep_error=True)


async def continuations(work: Work) -> list[Chain]:
    """The chain goes on from before the error."""
    return await _made(work, keep_error=False)


async def _made(work: Work, *, keep_error: bool) -> list[Chain]:
    if not work.wrong:
        work.why["no sample is wrong"] += 1
    chains = []
    for at, sample in work.wrong[: work.most]:
        begun = await work.branch(at, sample, before=not keep_error)
        if begun is None:
            continue
        spans, error = begun
        prefix = prefix_before(sample, error)
        drawn = await work.rollouts.after(prefix, work.draws)
        leaf = None if drawn is None else some_right(drawn.leaves, drawn.outcomes)
        if leaf is None:
            work.why["no continuation ends right"] += 1
            continue
        text, note = text_after(leaf, prefix), f"after {error} steps of {work.source(at)}"
        if keep_error:
            ending = [work.turned(), Span("correction", text, work.model, note=note)]
        else:
            ending = [Span("continuation", text, work.model, note=note)]
        chains.append(Chain(work.problem, "corrections" if keep_error else "continuations", (*spans, *ending)))
    return chains
