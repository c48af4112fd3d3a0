"""The planner: exactly the fixed strategy where it does not look, bins by hand where it does, and never over budget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ponder.search.planner import table as planner_table
from ponder.search.planner.planner import Auto, Planning
from ponder.search.planner.table import Difficulty, Plan, Row, as_data, difficulty, mark, of_data, parsed
from ponder.search.registry import make
from ponder.search.session.budget import Budget
from ponder.search.session.choose import Candidate
from ponder.types import PonderError, Question, SearchResult
from tests.search.toys import QUESTION, Digits, Scores, run

LOOK = Row(100, "vote", (("agreement", (0.6,)),), ("weighted_vote", "stop"))


def plan(*rows: Row, probes: int = 4) -> Plan:
    return Plan(40, probes, rows)


def search(table: Plan, budget: float, seed: int = 0, judge: Scores | None = None, **digits: Any) -> SearchResult:
    planning = Planning(40, 6, table=table)
    return run(planning(QUESTION, Digits(**digits), judge, Budget(budget), seed=seed))


def test_a_row_that_does_not_look_is_exactly_its_strategy() -> None:
    for name in ("sample", "vote", "weighted_vote"):
        judge = Scores()
        fixed = run(make(name, max_tokens=40, answer_reserve=6)(QUESTION, Digits(), judge, Budget(400), seed=3))
        planned = search(plan(Row(400, name)), 400, seed=3, judge=Scores())
        assert [t.text for t in planned.trajectories] == [t.text for t in fixed.trajectories]
        assert (planned.answer, planned.usage) == (fixed.answer, fixed.usage)


def test_difficulty_by_hand() -> None:
    found = search(plan(Row(400, "vote", (("agreement", ()),), ("stop",))), 400, base=1)
    one = found.trajectories[0]
    some = [Candidate(one, "a", 0.5), Candidate(one, "a", None), Candidate(one, "b", 1.0), Candidate(one, None)]
    assert difficulty(some, 4, 80, 40) == Difficulty(0.5, 0.75, 0.5)
    assert difficulty([Candidate(one, "a")], 4, 160, 40) == Difficulty(0.25, None, 1.0)  # three were cut
    assert difficulty([], 4, 160, 40) == Difficulty(0.0, None, 1.0)


def test_samples_that_agree_are_enough_and_the_rest_of_the_budget_is_kept() -> None:
    easy = search(plan(LOOK), 900, judge=Scores(), base=1)
    assert len(easy.trajectories) == 4
    assert easy.usage.verifier == 0, "agreement costs nothing"
    hard = search(plan(LOOK), 900, judge=Scores(), base=9)
    assert len(hard.trajectories) > 4
    assert hard.usage.verifier > 0


def test_what_was_looked_at_stays_a_candidate_and_is_scored_for_a_strategy_that_needs_scores() -> None:
    table = plan(Row(100, "vote", (("agreement", (0.01,)),), ("weighted_vote", "weighted_vote")))
    judge = Scores()
    found = search(table, 900, judge=judge, base=9)
    assert len(found.scores) == len(found.trajectories)
    assert None not in found.scores
    assert found.usage.kept + found.usage.discarded == sum(map(len, found.trajectories))


def test_bins_are_counted_with_the_last_feature_fastest_and_an_edge_belongs_above() -> None:
    row = Row(1, "vote", (("agreement", (0.5,)), ("length", (0.2, 0.4))), tuple("abcdef"))
    assert [row.choose(Difficulty(a, None, x)) for a, x in ((0.1, 0.1), (0.1, 0.2), (0.1, 0.9), (0.5, 0.1))] == list(
        "abcd"
    )


def test_an_unknown_feature_falls_back_to_the_fixed_strategy() -> None:
    row = Row(1, "vote", (("score", (0.5,)),), ("beam", "stop"))
    assert row.choose(Difficulty(1.0, None, 0.1)) == "vote"


def test_without_a_verifier_a_choice_that_needs_one_is_the_vote() -> None:
    vote = run(make("vote", max_tokens=40, answer_reserve=6)(QUESTION, Digits(), None, Budget(400), seed=1))
    planned = search(plan(Row(400, "weighted_vote")), 400, seed=1)
    assert (planned.answer, planned.usage) == (vote.answer, vote.usage)
    assert search(plan(LOOK), 900, base=9).answer is not None


def test_a_problem_that_a_plan_was_fitted_on_is_answered_by_the_other_half() -> None:
    rows = [(Row(100, name),) for name in ("sample", "vote", "beam")]
    table = Plan(40, 4, rows[0], (rows[1], rows[2]), {mark(QUESTION): 0})
    assert table.row(QUESTION, 100, 40).fixed == "beam"
    assert table.row(Question("x", "toy", "Another?"), 100, 40).fixed == "sample"


def test_the_row_is_the_largest_that_the_budget_pays_measured_in_longest_answers() -> None:
    table = plan(Row(100, "sample"), Row(400, "vote"))
    found = [table.row(QUESTION, budget, 40).budget for budget in (10, 100, 399, 400, 9000)]
    assert found == [100, 100, 100, 400, 400]
    assert table.row(QUESTION, 4000, 400).budget == 400


@settings(deadline=None, max_examples=150)
@example(29.0, "sample", "agreement", 1, 0, 1)  # scoring what was seen took the last token
@given(
    st.floats(14, 60) | st.floats(14, 600),
    st.sampled_from(["sample", "vote", "best_of_n", "weighted_vote", "beam", "stop"]),
    st.sampled_from(["agreement", "score", "length"]),
    st.integers(1, 6),
    st.integers(0, 99),
    st.integers(1, 6),
)
def test_the_budget_holds_whatever_is_chosen(
    budget: float, choice: str, feature: str, probes: int, seed: int, base: int
) -> None:
    table = plan(Row(100, "vote", ((feature, (0.5,)),), (choice, "weighted_vote")), probes=probes)
    found = search(table, budget, seed=seed, judge=Scores(), base=base)
    usage = found.usage
    assert usage.kept + usage.discarded + usage.verifier == usage.spent <= budget
    assert found.answer is not None


@pytest.mark.parametrize("budget", range(14, 120, 3))
def test_a_budget_too_small_to_pay_for_scores_leaves_the_samples_unscored(budget: int) -> None:
    table = plan(Row(100, "weighted_vote", (("score", (0.5,)),), ("vote", "stop")))
    for seed in range(3):
        found = search(table, budget, seed=seed, judge=Scores())
        assert found.usage.spent <= budget
        assert found.answer is not None


def test_the_shipped_plan_serves_at_every_budget() -> None:
    shipped = planner_table.read("")
    assert {row.budget for row in shipped.table} == {64, 160, 400, 1000, 2500, 6400}
    assert set(shipped.half_of.values()) == {0, 1}
    for budget in (14, 100, 1000):
        auto = Auto(max_tokens=40, answer_reserve=6)
        assert run(auto(QUESTION, Digits(), Scores(), Budget(budget), seed=0)).usage.spent <= budget


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    made = Plan(40, 4, (LOOK,), ((LOOK,), (LOOK,)), {"a": 1}, {"n": 2})
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(as_data(made)))
    assert planner_table.read(str(file)) == made


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"schema": 9}, "schema 9"),
        ({"table": []}, "not a whole plan"),
        ({"table": [{"budget": 1}]}, "not a plan"),
        ({"halves": [[], []]}, "not a whole plan"),
    ],
)
def test_a_file_that_is_no_plan_is_refused_in_one_sentence(spoil: dict[str, object], said: str) -> None:
    data = json.loads(json.dumps(as_data(Plan(40, 4, (LOOK,), ((LOOK,), (LOOK,)), {"a": 1}))))
    with pytest.raises(PonderError, match=said):
        of_data({**data, **spoil}, "plan x")


def test_a_choice_is_written_with_its_size() -> None:
    assert parsed("beam?width=8&share=0.5&choose=best") == ("beam", {"width": 8, "share": 0.5, "choose": "best"})
    small = search(plan(Row(100, "vote?n_max=2")), 900)
    assert len(small.trajectories) == 2
    with pytest.raises(PonderError, match="the planner itself"):
        search(plan(Row(100, "auto")), 900)
