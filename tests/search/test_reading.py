"""What a judgement costs a search: each token once, extras with every verdict, and bounds that hold and are tight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.search.limits import Limits
from ponder.search.session.budget import Budget
from ponder.search.session.session import SearchSession
from ponder.search.session.stepwise import finish
from ponder.search.session.verifier_cost import VerifierCost
from ponder.search.strategies.beam import Beam
from ponder.search.strategies.mcts import MCTS
from ponder.search.tree import TreeNode
from ponder.types import Step, StopReason, Trajectory
from tests.search.toys import QUESTION, Digits, Scores, run


def after(parent: Trajectory | None, tokens: int) -> Trajectory:
    above = None if parent is None else parent.leaf
    return Trajectory(QUESTION, Step((1,) * tokens, (0.0,) * tokens, "x", 0, StopReason.STEP, above))


TRUNK = after(None, 10)
LEFT, RIGHT = after(TRUNK, 3), after(TRUNK, 4)
DEEP = after(LEFT, 2)


def test_siblings_share_what_was_read_and_the_question_is_read_once() -> None:
    reading = VerifierCost(Scores(ratio=2.0, prompt=5), QUESTION)
    assert reading.opening == 10.0
    assert reading.take([LEFT, RIGHT]) == 2.0 * (5 + 10 + 3 + 4)
    assert reading.opening == 0.0
    assert reading.take([DEEP]) == 2.0 * 2
    assert reading.take([DEEP, TRUNK]) == 0.0


def test_a_price_can_be_asked_without_reading() -> None:
    reading = VerifierCost(Scores(ratio=2.0, prompt=5), QUESTION)
    assert reading.cost([LEFT]) == reading.cost([LEFT]) == 36.0
    assert (reading.unread(DEEP), reading.cost([])) == (15, 0.0)
    reading.take([LEFT])
    assert (reading.unread(DEEP), reading.unread(LEFT)) == (2, 0)


def test_a_second_draw_of_the_same_tokens_is_read_as_well() -> None:
    reading = VerifierCost(Scores(ratio=1.0, prompt=0), QUESTION)
    reading.take([LEFT])
    assert reading.take([after(TRUNK, 3)]) == 3.0


def test_extras_come_with_every_verdict() -> None:
    reading = VerifierCost(Scores(ratio=1.0, prompt=5, verdict=7.0, step=0.5), QUESTION)
    assert reading.take([LEFT]) == 5 + 13 + 7 + 2 * 0.5
    assert reading.take([LEFT]) == 7 + 2 * 0.5


def test_a_judge_that_rereads_is_paid_for_all_of_it_each_time() -> None:
    reading = VerifierCost(Scores(ratio=1.0, prompt=5, rereads=True), QUESTION)
    assert [reading.take([LEFT, LEFT]), reading.take([DEEP])] == [2 * 18, 20]
    assert (reading.opening, reading.unread(DEEP), reading.most(15, 0)) == (0.0, 15, 20.0)


@given(
    lengths=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=12),
    calls=st.lists(st.integers(0, 11), max_size=12),
    rereads=st.booleans(),
    ratio=st.sampled_from([0.0, 0.7, 2.0]),
    step=st.sampled_from([0.0, 0.3]),
)
def test_no_judgement_costs_more_than_the_most(
    lengths: list[tuple[int, int]], calls: list[int], rereads: bool, ratio: float, step: float
) -> None:
    nodes: list[Trajectory] = []
    for above, tokens in lengths:
        nodes.append(after(nodes[above % len(nodes)] if nodes and above else None, tokens))
    reading, total = VerifierCost(Scores(ratio=ratio, rereads=rereads, verdict=1.0, step=step), QUESTION), 0.0
    for i in calls:
        one = nodes[i % len(nodes)]
        most = reading.opening + reading.most(len(one), reading.unread(one))
        cost = reading.take([one])
        assert cost <= most + 1e-9
        assert step or cost == pytest.approx(most), "without a head there is nothing to guess"
        total += cost
    if not rereads and not step:
        seen = {s for i in calls for s in nodes[i % len(nodes)].steps}
        assert total == pytest.approx(ratio * (5 * bool(calls) + sum(len(s.tokens) for s in seen)) + len(calls))


@pytest.mark.parametrize("strategy", [Beam(max_tokens=40, answer_reserve=6), MCTS(max_tokens=40, answer_reserve=6)])
def test_a_search_over_steps_pays_for_no_more_than_it_generated_and_uses_what_that_leaves(
    strategy: Beam | MCTS,
) -> None:
    def search(rereads: bool) -> tuple[float, float, float]:
        judge = Scores(ratio=1.0, prompt=5, rereads=rereads)
        usage = run(strategy(QUESTION, Digits(), judge, Budget(900), seed=3)).usage
        return usage.kept + usage.discarded, usage.verifier, usage.spent

    (once, paid, spent), (again, _, _) = search(False), search(True)
    assert paid <= 5 + once and once > again
    assert spent > 0.9 * 900


def session(judge: Scores) -> SearchSession:
    return SearchSession("test", Limits(40, 6), QUESTION, Digits(), judge, Budget(900), 0)


def test_a_visit_is_bounded_by_what_it_may_draw_and_what_of_that_is_new() -> None:
    strategy, at_work = (
        MCTS(max_tokens=40, answer_reserve=6, expand=3, step_tokens=8),
        session(Scores(ratio=1.0, prompt=5)),
    )
    node = TreeNode(TRUNK, None, 1.0)
    # A leaf of 10 tokens that was never judged: 10 to read; a forced answer of 6, which is read too.
    assert strategy.worst(at_work, node) == 10 + (6 + 6)
    assert at_work.owed([TRUNK]) == 5 + 10
    run(at_work.scores([TRUNK]))
    node.visits = 1
    # Judged, it is grown: 3 steps of at most 8, of which one is read, and a forced answer behind that.
    assert strategy.worst(at_work, node) == 3 * 8 + 8 + (6 + 6)
    # A judge that rereads is paid for the question and all that stands before it each time.
    again = session(Scores(ratio=1.0, prompt=5, rereads=True))
    assert strategy.worst(again, node) == 3 * 8 + (5 + 18) + (6 + (5 + 24))


def test_a_completed_branch_gets_the_tokens_that_its_judge_leaves() -> None:
    async def completed(read_before: bool) -> int:
        at_work = SearchSession(
            "test", Limits(40, 6), QUESTION, asked := Digits(), Scores(ratio=1.0, prompt=5), Budget(60), 0
        )
        if read_before:
            await at_work.scores([TRUNK])  # 15 of the 60
        await finish(at_work, [TRUNK])
        return asked.calls[0][2]

    # 45 left: 16 to think and 6 to answer, both read: 44. If nothing was read, the question and 10 tokens are as well.
    assert run(completed(True)) == 16
    assert run(completed(False)) == 16
