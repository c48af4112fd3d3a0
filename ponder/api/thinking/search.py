"""`ponder solve`: think about one question, show the tree as it grows, and leave it as a file and as a page.

Ctrl-C and a deadline end the thinking and not the program: the best answer that was finished by then is returned, with
its bill, and the tree is written all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.api.policies import load_source
from ponder.api.thinking import recorded_planner
from ponder.api.thinking.asked import Asked, question, refuse_impossible, strategy_of
from ponder.api.thinking.recorder import SearchRecorder, StepScoreTap
from ponder.api.verifiers.judges import load_verifier
from ponder.engines.loop import run as run_async
from ponder.protocols import Judge, Propose
from ponder.reports.tree import page
from ponder.reports.tree.data import SearchTree
from ponder.reports.tree.live import View, follow
from ponder.runlog import files
from ponder.search.session.budget import Budget
from ponder.types import SearchResult


@dataclass(frozen=True)
class Solved:
    """A search that has ended: its result, its tree, and whether Ctrl-C ended it."""

    result: SearchResult
    tree: SearchTree
    interrupted: bool


def solve(asked: Asked, view: View | None = None) -> Solved:
    """Think, and write `asked.out`/tree.json and tree.html if a folder is named."""
    refuse_impossible(asked)
    source = load_source(asked.model, temperature=asked.temperature)
    judge = load_verifier(asked.verifier, source.readable()) if asked.verifier else None
    if asked.out is not None:
        with files.explained(asked.out):
            asked.out.mkdir(parents=True, exist_ok=True)
    solved = think(asked, source.propose, judge, view, exact=lambda: bool(source.told()["exact"]))
    if asked.out is not None:
        page.write(solved.tree, asked.out)
    return solved


def think(
    asked: Asked,
    propose: Propose,
    judge: Judge | None,
    view: View | None = None,
    *,
    exact: Callable[[], bool] = lambda: True,
) -> Solved:
    """Search with these parts. The tree is shown in `view` while it grows; Ctrl-C (a cancellation) ends it."""
    strategy = recorded_planner.recorded(strategy_of(asked))
    watch = SearchRecorder(asked, propose, Budget(asked.limit), exact, strategy)
    search = strategy(
        question(asked),
        propose,
        None if judge is None else StepScoreTap(judge, watch.heard),
        watch.budget,
        seed=asked.seed,
        progress=watch,
        seconds=asked.seconds,
    )

    async def watched() -> tuple[SearchResult, bool]:
        shown = None if view is None else asyncio.create_task(follow(watch.tree, view))
        try:
            return await search, False
        except asyncio.CancelledError:
            return watch.stopped(), True
        finally:
            if shown is not None:
                shown.cancel()

    if view is None:
        result, interrupted = run_async(watched())
    else:
        with view:
            result, interrupted = run_async(watched())
    return Solved(result, watch.tree(), interrupted)


def as_data(solved: Solved, out: Path | None) -> dict[str, Any]:
    """The tree as plain data, for --json, with the steps of the answer and where the files are."""
    where = None if out is None else {"json": str(out / page.JSON), "page": str(out / page.PAGE)}
    return {
        **solved.tree.as_data(),
        "steps": [node.text for node in solved.tree.chosen],
        "interrupted": solved.interrupted,
        "files": where,
    }
