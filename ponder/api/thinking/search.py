"""Run one search with the parts given, watch its tree grow, and end it well.

Ctrl-C and a deadline end the thinking and not the program: the best answer that was finished by then is returned, with
its bill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.api.thinking import checks, recorded_planner
from ponder.api.thinking.asked import Asked, question_of, strategy_of
from ponder.api.thinking.recorder import SearchRecorder, StepScoreTap
from ponder.engines.loop import run as run_async
from ponder.protocols import Judge, Propose
from ponder.reports.tree import page
from ponder.reports.tree.data import SearchTree
from ponder.reports.tree.live import View, follow
from ponder.search.session.budget import Budget
from ponder.search.strategy import Thinking
from ponder.types import SearchResult


@dataclass(frozen=True)
class Thought:
    """A search that has ended.

    `result` has the answer, its trajectory, all finished candidates and the bill; `tree` is the whole search.
    `checked` says whether the answer is right, told from the question alone (None: this question cannot be checked
    without its key). `score` is the verifier's of the answer. `warnings` are sentences that a reader should know;
    `unspent` says how much of the budget was left, and why, where it is a tenth or more.
    """

    result: SearchResult
    tree: SearchTree
    interrupted: bool = False
    checked: bool | None = None
    score: float | None = None
    warnings: tuple[str, ...] = ()
    unspent: str | None = None

    @property
    def answer(self) -> str | None:
        """The answer; None if nothing was finished."""
        return self.result.answer

    @property
    def text(self) -> str:
        """The whole response that the answer stands in, thinking included; empty if there is none."""
        return "" if self.result.trajectory is None else self.result.trajectory.text

    def as_data(self, out: Path | None = None) -> dict[str, Any]:
        """The tree as plain data for JSON, with the steps of the answer and where the files in `out` are."""
        where = None if out is None else {"json": str(out / page.JSON), "page": str(out / page.PAGE)}
        return {
            **self.tree.as_data(),
            "steps": [node.text for node in self.tree.chosen],
            "checked": self.checked,
            "score": self.score,
            "warnings": list(self.warnings),
            "unspent": self.unspent,
            "interrupted": self.interrupted,
            "files": where,
        }


class LiveSearch:
    """One search that its caller awaits, and that can be looked at meanwhile: `recorder.tree()`.

    `strategy` is used in place of the one that `asked` names; `exact` says whether every token was counted.
    """

    def __init__(
        self,
        asked: Asked,
        propose: Propose,
        judge: Judge | None,
        *,
        exact: Callable[[], bool] = lambda: True,
        strategy: Thinking | None = None,
    ) -> None:
        self.asked, self.question, self.propose = asked, question_of(asked), propose
        self.strategy = recorded_planner.recorded(strategy or strategy_of(asked))
        self.recorder = SearchRecorder(asked, propose, Budget(asked.limit), exact, self.strategy, strategy)
        self._judge = None if judge is None else StepScoreTap(judge, self.recorder.heard)

    async def run(self) -> SearchResult:
        """Think. A cancellation is passed on; `recorder.stopped()` then has the best that was finished."""
        return await self.strategy(
            self.question,
            self.propose,
            self._judge,
            self.recorder.budget,
            seed=self.asked.seed,
            progress=self.recorder,
            seconds=self.asked.seconds,
        )

    def thought(self, result: SearchResult, interrupted: bool = False) -> Thought:
        """The end of the search: a candidate that the question itself shows to be right takes the answer's place."""
        answers = [self.propose.answer(t) for t in result.trajectories]
        result, right, note = checks.checked_first(result, answers)
        self.recorder.settle(result)
        score = checks.chosen_score(result)
        said = checks.warnings(self.question, self.asked.model, score, right)
        told = tuple([note, *said] if note else said)
        stopped = interrupted or result.usage.unsettled > 0  # by somebody or by the deadline
        left = None if stopped else checks.unspent(result.usage, self.asked.limit, self.strategy)
        return Thought(result, self.recorder.tree(), interrupted, right, score, told, left)


def search(
    asked: Asked,
    propose: Propose,
    judge: Judge | None,
    view: View | None = None,
    *,
    exact: Callable[[], bool] = lambda: True,
) -> Thought:
    """Search with these parts. The tree is shown in `view` while it grows; Ctrl-C (a cancellation) ends it."""
    live = LiveSearch(asked, propose, judge, exact=exact)

    async def watched() -> tuple[SearchResult, bool]:
        shown = None if view is None else asyncio.create_task(follow(live.recorder.tree, view))
        try:
            return await live.run(), False
        except asyncio.CancelledError:
            return live.recorder.stopped(), True
        finally:
            if shown is not None:
                shown.cancel()

    if view is None:
        result, interrupted = run_async(watched())
    else:
        with view:
            result, interrupted = run_async(watched())
    return live.thought(result, interrupted)
