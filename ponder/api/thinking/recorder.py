"""The tree of one search as it can be shown and written at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from ponder.api.thinking import recorded_planner
from ponder.api.thinking.asked import Asked, question_of, strategy_of
from ponder.protocols import Judge, Price, Propose
from ponder.reports.tree.data import Bill, Node, SearchTree, State
from ponder.runlog import files
from ponder.search.progress import Node as Grown
from ponder.search.progress import Progress
from ponder.search.session.budget import Budget
from ponder.search.strategy import Thinking
from ponder.thinking import reading_of
from ponder.types import Question, SearchResult, Step, Trajectory, Verdict
from ponder.verifiers.votes import shown_answer


@dataclass
class StepScoreTap:
    """A judge whose step scores are told to `heard` as well."""

    judge: Judge
    heard: Callable[[Trajectory, Verdict], None]

    def price(self, question: Question) -> Price:
        return self.judge.price(question)

    def extra(self, trajectory: Trajectory) -> float:
        return self.judge.extra(trajectory)

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        verdicts = await self.judge(question, trajectories)
        for trajectory, verdict in zip(trajectories, verdicts, strict=False):
            self.heard(trajectory, verdict)
        return verdicts


class SearchRecorder(Progress):
    """The tree of one search as it can be shown and written at any moment, while it runs and afterwards."""

    def __init__(
        self,
        asked: Asked,
        propose: Propose,
        budget: Budget,
        exact: Callable[[], bool],
        strategy: Thinking,
        own: Thinking | None = None,
    ) -> None:
        super().__init__()
        self.asked, self.budget, self.strategy = asked, budget, strategy
        self._propose, self._exact = propose, exact
        self._settings = {**asdict(own or strategy_of(asked)), "temperature": asked.temperature}
        self._step_scores: dict[str, float] = {}
        self._started = time.monotonic()

    def heard(self, trajectory: Trajectory, verdict: Verdict) -> None:
        """Keep what the verifier said of each step of a trajectory."""
        scores = verdict.step_scores or ()
        if len(scores) == len(trajectory.steps):
            self._step_scores |= {self._place(s): x for s, x in zip(trajectory.steps, scores, strict=True)}

    def stopped(self, why: str = "by Ctrl-C") -> SearchResult:
        """The result of a search that was ended from outside (Ctrl-C): the best that was finished."""
        result = self._now()
        note = f"stopped {why} with the best answer so far" if result.trajectory else f"stopped {why}"
        result = replace(result, degraded="; ".join(filter(None, [result.degraded, note])))
        self.settle(result)
        return result

    def settle(self, result: SearchResult) -> None:
        """Take `result` as the end of the search."""
        self.attach(lambda: result)
        self.ended(result.trajectory)

    def tree(self) -> SearchTree:
        """The search as it stands."""
        result, asked = self._now(), self.asked
        usage = result.usage
        path = {self._place(step) for step in result.trajectory.steps} if result.trajectory else set()
        leaves = {self._place(t.leaf): self._shown(t) for t in result.trajectories}
        return SearchTree(
            question=asked.text,
            strategy=asked.strategy,
            settings=files.plain(self._settings),
            model=asked.model,
            verifier=asked.verifier,
            seed=asked.seed,
            budget=self.budget.limit,
            seconds=asked.seconds,
            usage=Bill(**asdict(usage), spent=usage.spent, exact=self._exact()),
            answer=self._shown(result.trajectory) if result.trajectory else result.answer,
            degraded=result.degraded,
            plan=recorded_planner.choice(self.strategy),
            nodes=tuple(self._node(node, path, leaves) for node in sorted(self.nodes.values(), key=_by_place)),
        )

    def _shown(self, trajectory: Trajectory) -> str | None:
        """The answer as it was written; the class in which votes count it may be a decimal number or another order."""
        voted = self._propose.answer(trajectory)
        return (
            voted
            if voted is None
            else shown_answer(trajectory.question, reading_of(self._propose)(trajectory)) or voted
        )

    def _node(self, node: Grown, path: set[str], answers: dict[str, str | None]) -> Node:
        state: State = "chosen" if node.id in path else "discarded" if node.discarded else "kept"
        return Node(
            id=node.id,
            parent=node.parent,
            text=node.text,
            tokens=node.tokens,
            score=node.score,
            step_score=self._step_scores.get(node.id),
            visits=node.visits,
            state=state,
            forced=node.forced,
            end=node.end,
            answer=answers.get(node.id),
        )

    def _now(self) -> SearchResult:
        """What the search would return now; an empty result before it began."""
        result = self.best or SearchResult(question_of(self.asked), None, None, self.budget.usage(0))
        return result if result.usage.seconds else result.with_seconds(time.monotonic() - self._started)

    def _place(self, step: Step) -> str:
        return self._ids.get(step, "?")


def _by_place(node: Grown) -> list[int]:
    """In the order in which calls were made, whatever came back first; parents come before their children."""
    return [int(part) for part in node.id.split(".")]
