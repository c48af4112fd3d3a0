"""Where problems come from: the fixed list, and sources that must be awaited."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.problems.families.arithmetic import Arithmetic
from ponder.protocols import ProblemSource
from ponder.rollout.sources import FixedProblems, take
from ponder.selfplay.curriculum import Curriculum
from ponder.types import Group, Key, PonderError, Problem, Question


def problem(family: str, number: int, level: int = 0) -> Problem:
    return Problem(Question(f"{family}{number}", family, f"question {number}", level=level), Key("1"))


ROWS = [problem("a", i) for i in range(5)] + [problem("b", i, level=i) for i in range(3)]


def taken(source: ProblemSource, count: int) -> list[str]:
    return [p.id for p in asyncio.run(take(source, count))]


def test_families_take_turns_and_every_row_comes_once_in_an_epoch_of_its_family() -> None:
    source = FixedProblems(ROWS, seed=0)
    ids = taken(source, 30)
    assert [name[0] for name in ids] == ["a", "b"] * 15
    for family, size in (("a", 5), ("b", 3)):
        drawn = [name for name in ids if name[0] == family]
        epochs = [drawn[i : i + size] for i in range(0, 15, size)]
        assert all(Counter(epoch) == Counter(f"{family}{i}" for i in range(size)) for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) > 1  # reshuffled
    assert source.levels == {"a": 0, "b": 2}


@given(cuts=st.lists(st.integers(1, 7), max_size=6), saved=st.integers(0, 12))
def test_how_many_are_asked_for_at_once_and_a_restart_change_nothing(cuts: list[int], saved: int) -> None:
    whole = taken(FixedProblems(ROWS, seed=1), saved + sum(cuts)) if saved + sum(cuts) else []
    before = FixedProblems(ROWS, seed=1)
    first = taken(before, saved) if saved else []
    after = FixedProblems(ROWS, seed=1)
    after.load_state(json.loads(json.dumps(before.state())))
    assert first + [name for cut in cuts for name in taken(after, cut)] == whole


def test_another_seed_is_another_order() -> None:
    assert taken(FixedProblems(ROWS, seed=1), 16) != taken(FixedProblems(ROWS, seed=2), 16)


def test_a_list_that_is_empty_and_a_state_of_other_families_are_refused() -> None:
    with pytest.raises(PonderError, match="no problems"):
        FixedProblems([], seed=0)
    state = FixedProblems(ROWS, seed=0).state()
    with pytest.raises(PonderError, match="has the families a, b and this one has a;"):
        FixedProblems(ROWS[:5], seed=0).load_state(state)


class Proposer:
    """A source that waits for its problems, as one that asks a model does."""

    def __init__(self, short: int = 0) -> None:
        self.short, self.heard = short, list[Group]()

    async def next(self, count: int) -> list[Problem]:
        await asyncio.sleep(0)
        return [problem("p", i) for i in range(count - self.short)]

    def observe(self, groups: Sequence[Group]) -> None:
        self.heard += groups

    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: dict[str, Any]) -> None: ...


def test_a_source_may_be_plain_or_awaited_and_must_not_run_dry() -> None:
    curriculum: ProblemSource = Curriculum([Arithmetic()], seed=0)
    assert len(taken(curriculum, 3)) == 3
    assert taken(Proposer(), 2) == ["p0", "p1"]
    with pytest.raises(PonderError, match="Proposer gave 1 problems instead of 2"):
        taken(Proposer(short=1), 2)
