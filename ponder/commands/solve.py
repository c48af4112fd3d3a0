"""`ponder solve`: think about one question, show the tree as it grows, and leave it as a file and as a page.

Ctrl-C and a deadline end the thinking and not the program: the best answer that was finished by then is returned, with
its bill, and the tree is written all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ponder.commands import assemble, planned
from ponder.commands.verifier import load_judge
from ponder.engines.loop import run as run_async
from ponder.protocols import Judge, Price, Propose
from ponder.reports.tree import page, terminal
from ponder.reports.tree.data import Bill, Node, SearchTree, State
from ponder.reports.tree.live import View, follow
from ponder.runlog import files
from ponder.search.planner.efforts import budget_of
from ponder.search.progress import Node as Grown
from ponder.search.progress import Progress
from ponder.search.registry import make, needs_judge
from ponder.search.session.budget import Budget
from ponder.search.strategy import Thinking
from ponder.types import PonderError, Question, SearchResult, Step, Trajectory, Verdict
from ponder.verifiers.votes import shown_answer

BUDGET = 1024.0  # token-equivalents, where neither a budget nor an effort is given
_LEAST_LENGTH = 64
_STARTS = {"Compute ": "arithmetic", "Decode ": "cipher", "Make ": "countdown"}


@dataclass(frozen=True)
class Asked:
    """What `ponder solve` was asked."""

    text: str
    model: str = "tiny"
    strategy: str = "vote"
    budget: float | None = None
    effort: str | None = None
    seconds: float | None = None
    verifier: Path | None = None
    problems: str | None = None
    seed: int = 0
    temperature: float = 1.0
    max_tokens: int = 400
    out: Path | None = None
    plan: Path | None = None

    @property
    def limit(self) -> float:
        """The budget in token-equivalents."""
        if self.budget is not None and self.effort is not None:
            raise PonderError("--budget and --effort are two ways to say the same; give one of them")
        if self.effort is not None:
            return budget_of(self.effort, max_tokens=self.max_tokens)
        return BUDGET if self.budget is None else self.budget


@dataclass(frozen=True)
class Solved:
    """A search that has ended: its result, its tree, and whether Ctrl-C ended it."""

    result: SearchResult
    tree: SearchTree
    interrupted: bool


def solve(asked: Asked, view: View | None = None) -> Solved:
    """Think, and write `asked.out`/tree.json and tree.html if a folder is named."""
    _check(asked)
    source = assemble.source(asked.model, temperature=asked.temperature)
    judge = load_judge(asked.verifier, source.readable()) if asked.verifier else None
    if asked.out is not None:
        with files.explained(asked.out):
            asked.out.mkdir(parents=True, exist_ok=True)
    solved = think(asked, source.propose, judge, view, exact=lambda: bool(source.told()["exact"]))
    if asked.out is not None:
        page.write(solved.tree, asked.out)
    return solved


def _check(asked: Asked) -> None:
    """Refuse before a model is loaded what cannot work with any."""
    if not asked.text.strip():
        raise PonderError('the question is empty; write one, for example: ponder solve "Make 18 from 3, 6, 1."')
    if needs_judge(asked.strategy) and asked.verifier is None:
        raise PonderError(f"strategy {asked.strategy} needs --verifier FOLDER; or use sample or vote")
    if asked.seconds is not None and not asked.seconds > 0:
        raise PonderError(f"--seconds {asked.seconds:g}: give a number above 0")
    if asked.out is not None and asked.out.exists() and not asked.out.is_dir():
        raise PonderError(f"--out {asked.out} is a file; name a folder for tree.json and tree.html")
    if asked.plan is not None and asked.strategy != "auto":
        raise PonderError(f"--plan is for --strategy auto, not for {asked.strategy}; leave one of the two out")
    planned.check(_strategy(asked))


def _strategy(asked: Asked) -> Thinking:
    plan = {} if asked.plan is None else {"plan": str(asked.plan)}
    return make(asked.strategy, max_tokens=min(asked.max_tokens, max(_LEAST_LENGTH, int(asked.limit))), **plan)


def think(
    asked: Asked,
    propose: Propose,
    judge: Judge | None,
    view: View | None = None,
    *,
    exact: Callable[[], bool] = lambda: True,
) -> Solved:
    """Search with these parts. The tree is shown in `view` while it grows; Ctrl-C (a cancellation) ends it."""
    strategy = planned.told(_strategy(asked))
    watch = Watch(asked, propose, Budget(asked.limit), exact, strategy)
    search = strategy(
        question(asked),
        propose,
        None if judge is None else Listening(judge, watch.heard),
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


@dataclass
class Listening:
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


class Watch(Progress):
    """The tree of one search as it can be shown and written at any moment, while it runs and afterwards."""

    def __init__(
        self, asked: Asked, propose: Propose, budget: Budget, exact: Callable[[], bool], strategy: Thinking
    ) -> None:
        super().__init__()
        self.asked, self.budget, self.strategy = asked, budget, strategy
        self._propose, self._exact = propose, exact
        self._settings = {**asdict(_strategy(asked)), "temperature": asked.temperature}
        self._step_scores: dict[str, float] = {}
        self._started = time.monotonic()

    def heard(self, trajectory: Trajectory, verdict: Verdict) -> None:
        """Keep what the verifier said of each step of a trajectory."""
        scores = verdict.step_scores or ()
        if len(scores) == len(trajectory.steps):
            self._step_scores |= {self._place(s): x for s, x in zip(trajectory.steps, scores, strict=True)}

    def stopped(self) -> SearchResult:
        """The result of a search that Ctrl-C ended: the best that was finished."""
        result = self._now()
        note = "stopped by Ctrl-C with the best answer so far" if result.trajectory else "stopped by Ctrl-C"
        result = replace(result, degraded="; ".join(filter(None, [result.degraded, note])))
        self.attach(lambda: result)
        self.ended(result.trajectory)
        return result

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
            verifier=None if asked.verifier is None else str(asked.verifier),
            seed=asked.seed,
            budget=self.budget.limit,
            seconds=asked.seconds,
            usage=Bill(**asdict(usage), spent=usage.spent, exact=self._exact()),
            answer=self._shown(result.trajectory) if result.trajectory else result.answer,
            degraded=result.degraded,
            plan=planned.choice(self.strategy),
            nodes=tuple(self._node(node, path, leaves) for node in sorted(self.nodes.values(), key=_by_place)),
        )

    def _shown(self, trajectory: Trajectory) -> str | None:
        """The answer as it was written; the class in which votes count it may be a decimal number or another order."""
        voted = self._propose.answer(trajectory)
        return voted if voted is None else shown_answer(trajectory.question, trajectory.text) or voted

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
        result = self.best or SearchResult(question(self.asked), None, None, self.budget.usage(0))
        return result if result.usage.seconds else result.with_seconds(time.monotonic() - self._started)

    def _place(self, step: Step) -> str:
        return self._ids.get(step, "?")


def _by_place(node: Grown) -> list[int]:
    """In the order in which calls were made, whatever came back first; parents come before their children."""
    return [int(part) for part in node.id.split(".")]


def question(asked: Asked) -> Question:
    """The question, with the instructions of the family it is said (or, for the embedded ones, seen) to be of."""
    spec = asked.problems or next((name for start, name in _STARTS.items() if asked.text.startswith(start)), None)
    if spec is None:
        return Question("asked", "", asked.text)
    example = assemble.families([spec])[0].problem(0).question
    return Question("asked", example.family, asked.text, example.instructions, example.level)


def as_data(solved: Solved, out: Path | None) -> dict[str, Any]:
    """The tree as plain data, for --json, with the steps of the answer and where the files are."""
    where = None if out is None else {"json": str(out / page.JSON), "page": str(out / page.PAGE)}
    return {
        **solved.tree.as_data(),
        "steps": [node.text for node in solved.tree.chosen],
        "interrupted": solved.interrupted,
        "files": where,
    }


def show(solved: Solved, out: Path | None, console: Console) -> None:
    """The tree, the answer, the bill and where the files are, for people."""
    console.print(terminal.outcome(solved.tree, console.width), highlight=False)
    if out is None:
        console.print("--out FOLDER writes the whole tree as JSON and as a page.", style="dim", highlight=False)
    else:
        console.print(
            f"Tree: {out / page.JSON}   Page: {out / page.PAGE}", markup=False, highlight=False, soft_wrap=True
        )
