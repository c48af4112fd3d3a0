"""What can be read of a search while it runs: the best so far, the tree, deadlines, and what failed."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from ponder.protocols import Until
from ponder.search.progress import Node, Progress
from ponder.search.registry import STRATEGIES, make, needs_judge
from ponder.search.session.budget import Budget
from ponder.types import PonderError, Question, SearchResult, Step, StopReason, Trajectory, Usage, Verdict
from tests.search.toys import QUESTION, Digits, Scores, run, truth

NAMES = sorted(STRATEGIES)
JUDGED = [name for name in NAMES if needs_judge(name)]
STEPWISE = {"beam", "dvts", "lookahead", "particles", "mcts", "rest_mcts"}
WARM = Scores(lambda t: 0.3 + 0.4 * truth(t))


def strategy(name: str, **params: Any) -> Any:
    steps = {"step_tokens": 8} if name in STEPWISE else {}
    return make(name, max_tokens=40, answer_reserve=6, **steps, **params)


def watched(name: str, progress: Progress, budget: float = 900, **how: Any) -> SearchResult:
    propose, judge = how.pop("propose", None) or Digits(), how.pop("judge", None) or WARM
    result: SearchResult = run(
        strategy(name)(QUESTION, propose, judge, Budget(budget), seed=3, progress=progress, **how)
    )
    return result


@pytest.mark.parametrize("name", NAMES)
def test_the_nodes_that_were_not_discarded_hold_exactly_the_kept_tokens(name: str) -> None:
    progress = Progress()
    result = watched(name, progress)
    nodes = progress.nodes.values()
    assert sum(n.tokens for n in nodes if not n.discarded) == result.usage.kept
    requests = 0 if name not in ("revision", "critique", "mixed") else 4 * (len(result.trajectories) - 1)
    drawn = sum(n.tokens for n in nodes)
    assert drawn <= result.usage.kept + result.usage.discarded <= drawn + requests


@pytest.mark.parametrize("name", NAMES)
def test_watching_changes_nothing(name: str) -> None:
    alone = run(strategy(name)(QUESTION, Digits(), WARM, Budget(900), seed=3))
    seen = watched(name, Progress())
    assert (alone.answer, alone.usage) == (seen.answer, seen.usage)
    assert [t.tokens for t in alone.trajectories] == [t.tokens for t in seen.trajectories]


@pytest.mark.parametrize("name", NAMES)
def test_an_observer_hears_of_parents_before_children_and_ends_with_the_tree(name: str) -> None:
    heard: dict[str, Node] = {}

    def observe(node: Node) -> None:
        assert node.parent == "" or node.parent in heard
        heard[node.id] = node

    progress = Progress(observe)
    watched(name, progress)
    assert heard == progress.nodes
    json.dumps(progress.as_data())


def test_ids_are_places_and_do_not_depend_on_who_answers_first() -> None:
    class Late(Digits):
        """The first of several calls comes back last."""

        async def draw(self, *args: Any, **more: Any) -> list[Step]:
            for _ in range(5 - len(self.calls) % 5):
                await asyncio.sleep(0)
            return await super().draw(*args, **more)

    one, other = Progress(), Progress()
    watched("dvts", one)
    watched("dvts", other, propose=Late())
    assert {n.id: n.text for n in one.nodes.values()} == {n.id: n.text for n in other.nodes.values()}


def test_the_best_so_far_can_be_read_at_any_moment_and_never_spends_more_than_the_end() -> None:
    progress = Progress()
    seen: list[SearchResult] = []

    class Peeking(Digits):
        async def draw(self, *args: Any, **more: Any) -> list[Step]:
            if progress.best:
                seen.append(progress.best)
            return await super().draw(*args, **more)

    assert progress.best is None
    result = watched("mcts", progress, propose=Peeking())
    assert seen[0].answer is None and seen[-1].answer is not None
    assert all(a.usage.spent <= b.usage.spent <= 900 for a, b in pairwise(seen))
    assert all(r.usage.kept + r.usage.discarded + r.usage.verifier == r.usage.spent for r in seen)
    assert progress.best is result


@pytest.mark.parametrize("name", NAMES)
def test_the_account_holds_at_the_moment_an_answer_arrives(name: str) -> None:
    """A client that leaves just then reads the best so far: words that were forced into it are paid already."""
    progress = Progress()
    seen: list[SearchResult] = []

    class Told(Digits):
        heard: Callable[[int, Step], None] | None = None

        def say(self, prefix: Step | None, text: str) -> Step:
            return Step((98,) * 5, (0.0,) * 5, f"{text}\n", 0, StopReason.STEP, prefix, forced=True)

        def telling(self, ended: Callable[[int, Step], None]) -> Told:
            view = copy.copy(self)
            view.heard = ended
            return view

        async def draw(self, *args: Any, **more: Any) -> list[Step]:
            leaves = await super().draw(*args, **more)
            for place, leaf in enumerate(leaves):
                if self.heard is not None:
                    self.heard(place, leaf)
                if progress.best is not None:
                    seen.append(progress.best)
            return leaves

    for budget in (90, 900):  # with little there is one chain, and nothing else could have paid for its words
        end = watched(name, progress, budget, propose=Told())
        assert seen and all(r.usage.spent + r.usage.unsettled <= 900 for r in seen)
        assert end.usage.kept + end.usage.discarded + end.usage.verifier == end.usage.spent <= budget


class Stuck(Digits):
    """Answers a few calls and then never again."""

    async def draw(
        self, prefix: Step | None, n: int, until: Until, max_tokens: int, seed: int, greedy: bool = False
    ) -> list[Step]:
        if len(self.calls) >= 2:
            await asyncio.Event().wait()
        return await super().draw(prefix, n, until, max_tokens, seed, greedy)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "sample"])
def test_a_deadline_ends_the_search_with_the_best_so_far_and_says_so(name: str) -> None:
    result = watched(name, Progress(), propose=Stuck(), seconds=0.05, budget=600)
    usage = result.usage
    assert usage.kept + usage.discarded + usage.verifier == usage.spent
    if result.degraded is None:  # it needed no third call
        assert usage.unsettled == 0
    else:
        assert "stopped after 0.05 s with the best answer so far" in result.degraded
        assert usage.unsettled > 0
    assert usage.spent + usage.unsettled <= 600
    if name in ("vote", "best_of_n", "mcts"):
        assert result.answer is not None


def test_a_time_out_of_the_engine_itself_is_an_error_and_not_an_end() -> None:
    class Slow(Digits):
        async def draw(self, *args: Any, **more: Any) -> list[Step]:
            raise TimeoutError("the engine gave up")

    with pytest.raises(TimeoutError, match="gave up"):
        watched("vote", Progress(), propose=Slow(), seconds=60)


@pytest.mark.parametrize("name", JUDGED)
def test_a_failed_verifier_is_told_in_the_result(name: str) -> None:
    result = watched(name, Progress(), judge=Scores(fails_after=0))
    assert result.degraded is not None
    assert "the verifier failed (the judge is gone)" in result.degraded
    assert result.answer is not None
    assert watched(name, Progress()).degraded is None


@pytest.mark.parametrize("name", JUDGED)
def test_scores_that_are_missing_are_counted_in_the_result(name: str) -> None:
    half = Scores(lambda t: 0.5 if t.tokens[-1] % 2 else None)
    degraded = watched(name, Progress(), judge=half).degraded
    assert degraded is not None and "the verifier gave no score" in degraded


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("sample", "chain")])
def test_an_engine_that_dies_leaves_an_account_that_adds_up(name: str) -> None:
    class Dying(Digits):
        async def draw(self, *args: Any, **more: Any) -> list[Step]:
            if len(self.calls) >= 2:
                raise PonderError("the engine died")
            return await super().draw(*args, **more)

    budget, propose = Budget(900), Dying(ramble=0.7)
    with contextlib.suppress(PonderError):  # one that needed two calls ends in peace
        run(strategy(name)(QUESTION, propose, WARM, budget, seed=0))
    usage = budget.usage(0)
    assert usage.kept + usage.discarded + usage.verifier == usage.spent <= 900


def test_usage_knows_its_work_and_does_not_compare_clocks() -> None:
    assert Usage(kept=3, discarded=4, verifier=3).flops(1_000) == 20_000
    assert Usage(kept=1, seconds=2.0) == Usage(kept=1, seconds=3.0)
    assert (Usage(unsettled=2) + Usage(unsettled=3)).unsettled == 5
    assert run(strategy("vote")(QUESTION, Digits(), None, Budget(300), seed=0)).usage.seconds > 0


def test_a_critic_hears_of_each_attempt_before_it_is_revised() -> None:
    class Critic(Scores):
        async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
            verdicts = await super().__call__(question, trajectories)
            return [Verdict(score=v.score, detail="the second digit is wrong") for v in verdicts]

    said: list[str] = []

    class Listening(Digits):
        def revising(self, attempt: Trajectory, critique: str = "") -> Any:
            said.append(critique)
            return super().revising(attempt, critique)

    watched("critique", Progress(), propose=Listening(), judge=Critic())
    watched("revision", Progress(), propose=Listening(), judge=Critic())
    assert said == ["the second digit is wrong", ""]
