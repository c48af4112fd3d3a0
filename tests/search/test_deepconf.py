"""Confidence-filtered voting: the measure by hand, the filter, chains stopped on the way, the planner and pools."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ponder.evaluation.pools.drawing import replayable
from ponder.runlog.files import write_json
from ponder.search.planner.planner import Auto
from ponder.search.planner.table import Plan, Row, as_data
from ponder.search.session.budget import Budget
from ponder.search.session.choose import Candidate
from ponder.search.strategies.confidence.deepconf import DeepConf
from ponder.search.strategies.confidence.deepconf_online import DeepConfOnline
from ponder.search.strategies.confidence.measure import filtered, lowest_group, surest, threshold
from ponder.search.strategies.vote import Vote
from ponder.types import PonderError, SearchResult, Step, StopReason, Trajectory
from tests.search.toys import QUESTION, TARGET, Digits, digits_of, run, texts

LIMITS: Any = {"max_tokens": 40, "answer_reserve": 6}
SURE, UNSURE = -0.05, -3.0


def chain(*logprobs: float, forced: bool = False) -> Step:
    return Step((1,) * len(logprobs), logprobs, "x", 0, StopReason.END, forced=forced)


def candidate(answer: str | None, *logprobs: float) -> Candidate:
    return Candidate(Trajectory(QUESTION, chain(*logprobs)), answer)


class Doubting(Digits):
    """The digits policy, unsure of every wrong digit and sure of every right one."""

    known: bool = True
    known_right: tuple[str, ...] = ()  # for chains of one digit: what it is sure of instead of the target's

    def _draw(self, prefix: Any, until: Any, left: int, rng: Any) -> Step:
        leaf: Step | None = super()._draw(prefix, until, left, rng)
        fresh: list[Step] = []
        while leaf is not None and leaf is not prefix:
            fresh.append(leaf)
            leaf = leaf.parent
        node: Step | None = prefix
        for step in reversed(fresh):
            node = replace(step, parent=node)
            said = digits_of(Trajectory(QUESTION, node))
            sure = self.known_right or TARGET[min(len(said), len(TARGET)) - 1]
            wrong = bool(said) and "</think>" not in node.text and said[-1] not in sure
            value = (UNSURE if wrong else SURE) if self.known else math.nan
            node = replace(node, logprobs=(value,) * len(step.tokens))
        assert node is not None
        return node


def search(strategy: Any, budget: float = 3000, seed: int = 0, propose: Any = None) -> SearchResult:
    result: SearchResult = run(strategy(QUESTION, propose or Doubting(), None, Budget(budget), seed=seed))
    return result


def test_the_lowest_group_by_hand() -> None:
    # Windows of two: -2, -2.5, -1.25.
    assert lowest_group(chain(-1, -3, -2, -0.5), 2) == pytest.approx(math.exp(-2.5))
    assert lowest_group(chain(-1, -3), 8) == pytest.approx(math.exp(-2))  # shorter than a window: one group
    assert lowest_group(chain(0.0, 0.0), 2) == 1.0
    read = replace(chain(0.0, 0.0, forced=True), parent=chain(-4, -4))
    assert lowest_group(replace(chain(-1, -1), parent=read), 2) == pytest.approx(math.exp(-4))
    assert lowest_group(replace(chain(-4, -4, forced=True)), 2) is None  # nothing was drawn
    assert lowest_group(chain(-1, math.nan), 2) is None


def test_the_threshold_by_hand() -> None:
    assert threshold([0.9, 0.5, None, 0.7, 0.1], 0.5) == pytest.approx(0.7)
    assert threshold([0.9, 0.5, 0.7, 0.1], 1.0) == pytest.approx(0.1)
    assert threshold([0.9, 0.5], 0.001) == pytest.approx(0.9)
    assert threshold([None], 0.5) == 0.0


def test_confidence_weighs_and_the_filter_drops_the_unsure() -> None:
    some = [candidate("a", -0.1), candidate("b", -0.7), candidate("b", -0.8), candidate(None, 0.0)]
    # exp: 0.905 for a; 0.497 + 0.449 = 0.946 for b.
    assert surest(some, 4).answer == "b"
    kept = filtered(some, 4, 0.4)  # two of three that have an answer
    assert [c.answer for c in kept] == ["a", "b"]
    assert surest(kept, 4).answer == "a"
    assert filtered([candidate(None, -1.0)], 4, 0.5)[0].answer is None


def test_unsure_chains_are_outvoted_however_many_they_are() -> None:
    right = {"vote": 0, "deepconf": 0}
    for seed in range(12):
        source = Doubting(base=5, depth=1)  # one in five is right; the wrong ones share the rest
        right["vote"] += search(Vote(**LIMITS, n_max=40), seed=seed, propose=source).answer == "3"
        found = search(DeepConf(**LIMITS, n_max=40, keep=0.1, window=3), seed=seed, propose=source)
        right["deepconf"] += found.answer == "3"
    # Some of 40 draws are right but for once in 7,500 searches, and only they are sure.
    assert right["deepconf"] == 12
    assert right["vote"] <= 9


def test_equal_confidence_and_no_filter_is_the_vote() -> None:
    for seed in range(10):
        source = Digits(base=3, depth=1)
        plain = search(Vote(**LIMITS, n_max=9), seed=seed, propose=source)
        ours = search(DeepConf(**LIMITS, n_max=9, keep=1.0), seed=seed, propose=source)
        assert (ours.answer, texts(ours), ours.usage) == (plain.answer, texts(plain), plain.usage)


def test_a_source_without_log_probabilities_gives_the_vote_and_a_note() -> None:
    for strategy in (DeepConf(**LIMITS, n_max=9), DeepConfOnline(**LIMITS, n_max=9, warm=4, every=4)):
        source = Doubting(base=2, depth=1)
        source.known = False
        result = search(strategy, propose=source)
        answers = [t.text.split("</think>")[1] for t in result.trajectories]
        assert answers.count(str(result.answer)) == max(map(answers.count, answers))
        assert "no log-probabilities" in str(result.degraded)


def test_online_stops_unsure_chains_and_pays_for_what_they_drew() -> None:
    # A digit and an answer of three tokens each; a wrong digit, four in five, can be stopped behind the first three.
    source = Doubting(base=5, depth=1)
    offline = search(DeepConf(**LIMITS, n_max=64, window=3), 1e4, 1, source)
    made = DeepConfOnline(**LIMITS, n_max=64, window=3, keep=0.1, warm=16, every=16, consensus=1.0)
    # Only right answers are sure, so all agree after the warm-up and the search ends.
    online = search(made, 1e4, 1, source)
    assert offline.usage.spent == 64 * 6
    assert {digits_of(t) for t in online.trajectories} == {"3"} == {str(online.answer)}
    assert online.usage.kept + online.usage.discarded == online.usage.spent == 16 * 6
    mixed = Doubting(base=5, depth=1)
    mixed.known_right = ("3", "1")  # two digits that it is sure of, so that the sure do not all agree
    going = search(made, 1e4, 1, mixed)
    right = len(going.trajectories)
    assert {digits_of(t) for t in going.trajectories} == {"3", "1"}
    # Sixteen chains whole; of the other 48 the sure ones whole and the rest for three tokens.
    most_whole = 16 * 6 + 48 * 3 + 3 * right
    assert 16 * 6 + 48 * 3 < going.usage.spent <= most_whole < offline.usage.spent


def test_online_ends_when_the_sure_agree() -> None:
    source = Doubting(base=1, depth=1)  # one answer there is
    result = search(DeepConfOnline(**LIMITS, n_max=256), 1e4, propose=source)
    assert len(result.trajectories) == 16
    assert result.answer == "0"


def test_online_with_a_long_warm_up_is_offline_without_the_second_filter() -> None:
    long = search(DeepConfOnline(**LIMITS, n_max=20, warm=64, keep=1.0))
    plain = search(DeepConf(**LIMITS, n_max=20, keep=1.0))
    assert (long.answer, texts(long), long.usage) == (plain.answer, texts(plain), plain.usage)


def test_online_never_spends_more_than_its_budget() -> None:
    for budget in (14, 47, 160, 333, 901, 2000):
        for seed in range(4):
            source = Doubting(base=3, ramble=0.6, size=5)
            made = DeepConfOnline(**LIMITS, window=4, keep=0.5, warm=4, every=3, consensus=1.0)
            result = search(made, budget, seed, source)
            assert result.usage.spent <= budget
            assert all(len(t) <= 40 for t in result.trajectories)


def test_a_plan_may_choose_it(tmp_path: Path) -> None:
    spec = "deepconf?keep=0.1&window=3&n_max=40"
    write_json(tmp_path / "plan.json", as_data(Plan(40, 4, (Row(64.0, spec),))))
    planned = search(Auto(**LIMITS, plan=str(tmp_path / "plan.json"), n_max=40), 2000)
    plain = search(DeepConf(**LIMITS, keep=0.1, window=3, n_max=40), 2000)
    assert (planned.answer, texts(planned)) == (plain.answer, texts(plain))
    assert replayable("deepconf?keep=0.1") and not replayable("deepconf_online")


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"keep": 0.0}, "keep=0.0: give the share"), ({"window": -1}, "window=-1"), ({"keep": 2.0}, "keep=2")],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(PonderError, match=says):
        DeepConf(**LIMITS, **changes)
    with pytest.raises(PonderError, match="warm=0"):
        DeepConfOnline(**LIMITS, warm=0)
