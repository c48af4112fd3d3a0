from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ponder.evaluation.pools.pool import Pool, cut, make_pool
from ponder.evaluation.pools.replay import PoolJudge, PoolPropose
from ponder.evaluation.pools.runs import replay, run_live
from ponder.rollout.collect import collect
from ponder.search.session.verifier_cost import VerifierCost
from ponder.search.strategies.beam import Beam
from ponder.search.strategies.best_of_n import BestOfN
from ponder.search.strategies.sample import Sample
from ponder.search.strategies.vote import Vote
from ponder.search.strategies.weighted_vote import WeightedVote
from ponder.types import Group, PonderError, StopReason, Trajectory
from tests.evaluation.toy import CLOSE, ToyJudge, ToyPropose, decode, grade, group, live, problem, trajectory

TEXTS = [f"aa\nbb{CLOSE}1", f"cc\ndd{CLOSE}2", f"ee\nff{CLOSE}1"]


def pool_of(*texts: Sequence[str], max_tokens: int = 64, judge: ToyJudge | None = None) -> Pool:
    groups = [group(f"p{i}", some) for i, some in enumerate(texts)]
    return asyncio.run(make_pool(groups, live(judge=judge), max_tokens=max_tokens))


def draw(propose: PoolPropose, n: int, max_tokens: int = 64) -> list[Trajectory]:
    question = propose.entry.problem.question
    leaves = asyncio.run(propose(question, None, n, until="end", max_tokens=max_tokens, seed=0))
    return [Trajectory(question, leaf) for leaf in leaves]


def test_samples_come_once_each_in_an_order_that_the_seed_fixes():
    pool = pool_of(TEXTS)
    orders = {}
    for seed in range(20):
        propose = PoolPropose(pool.entries[0], pool, seed)
        texts = [t.text for t in draw(propose, 2) + draw(propose, 1)]
        assert sorted(texts) == sorted(TEXTS)
        again = PoolPropose(pool.entries[0], pool, seed)
        assert [t.text for t in draw(again, 3)] == texts
        orders[seed] = tuple(texts)
    assert len(set(orders.values())) == 6  # all orders of three turn up


def test_an_empty_pool_returns_fewer_and_says_that_it_ran_dry():
    pool = pool_of(TEXTS)
    propose = PoolPropose(pool.entries[0], pool, 0)
    assert len(draw(propose, 3)) == 3
    assert not propose.dry
    assert draw(propose, 2) == []
    assert propose.dry


def test_a_sample_beyond_the_limit_is_handed_out_as_far_as_it_goes():
    pool = pool_of([TEXTS[0]])
    propose = PoolPropose(pool.entries[0], pool, 0)
    (short,) = draw(propose, 1, max_tokens=4)
    assert (short.text, len(short), short.stop) == ("aa\nb", 4, StopReason.LENGTH)
    assert propose.answer(short) is None
    assert propose.outcome(short) == 0.0


def test_a_cut_at_a_step_end_and_at_the_last_token_keeps_whole_steps():
    leaf = trajectory(problem("p").question, "aa\nbb").leaf
    assert [s.text for s in cut(leaf, 3, decode).path] == ["aa\n"]
    assert cut(leaf, 3, decode).stop is StopReason.LENGTH
    assert [s.text for s in cut(leaf, 5, decode).path] == ["aa\n", "bb"]
    with pytest.raises(ValueError, match="shorter"):
        cut(leaf, 6, decode)


def test_a_forced_answer_is_drawn_graded_and_remembered_once():
    pool = pool_of([TEXTS[1]])
    entry, policy = pool.entries[0], pool.entries[0].live.propose
    for seed in range(3):
        propose = PoolPropose(entry, pool, seed)
        (short,) = draw(propose, 1, max_tokens=4)
        call = propose(entry.problem.question, short.leaf, 1, until="answer", max_tokens=9, seed=seed)
        answered = Trajectory(entry.problem.question, asyncio.run(call)[0])
        assert answered.text == f"cc\nd{CLOSE}1"
        assert propose.answer(answered) == "1"
        assert propose.outcome(answered) == 1.0
    assert isinstance(policy, ToyPropose)
    assert policy.forced == 1


def test_more_tokens_than_the_pool_was_drawn_with_are_refused_for_cut_samples_only():
    one = problem("p0")
    texts = ["aaaa", f"a{CLOSE}1"]
    stops = [StopReason.LENGTH, StopReason.END]

    trajectories = tuple(trajectory(one.question, t, s) for t, s in zip(texts, stops, strict=True))
    both = Group(one, trajectories, tuple(grade([one] * 2, texts)))
    pool = asyncio.run(make_pool([both], live(), max_tokens=4))
    with pytest.raises(PonderError, match="drawn with 4"):
        draw(PoolPropose(pool.entries[0], pool, 0), 2, max_tokens=64)
    whole = Group(one, trajectories[1:], tuple(grade([one], texts[1:])))
    pool = asyncio.run(make_pool([whole], live(), max_tokens=4))
    assert [t.text for t in draw(PoolPropose(pool.entries[0], pool, 0), 1, max_tokens=64)] == texts[1:]


def test_a_pool_cannot_branch():
    pool = pool_of(TEXTS)
    propose = PoolPropose(pool.entries[0], pool, 0)
    with pytest.raises(PonderError, match="run this strategy live"):
        asyncio.run(propose(propose.entry.problem.question, None, 1, until="step", max_tokens=64, seed=0))


def test_samples_that_could_not_be_graded_are_dropped_and_counted():
    pool = pool_of([*TEXTS, f"{CLOSE}broken"], [f"{CLOSE}broken"])
    assert [len(entry.draws) for entry in pool.entries] == [3]
    assert pool.dropped == 2
    with pytest.raises(PonderError, match="no sample of 1 problems"):
        pool_of([f"{CLOSE}broken"])


def test_verdicts_are_asked_once_and_cost_what_the_judge_costs():
    judge = ToyJudge()
    pool = pool_of(TEXTS, judge=judge)
    assert judge.asked == 3
    served = PoolJudge(pool.entries[0])
    trajectories = [d.trajectory for d in pool.entries[0].draws]
    verdicts = asyncio.run(served(pool.entries[0].problem.question, trajectories))
    assert [v.score for v in verdicts] == [0.9, 0.2, 0.9]
    reading = VerifierCost(served, trajectories[0].question)
    assert reading.take(trajectories) == 0.5 * (10 + sum(map(len, trajectories)))  # the question once
    assert reading.take(trajectories) == 0.0
    assert judge.asked == 3


def test_a_pool_without_a_verifier_has_no_judge():
    with pytest.raises(PonderError, match="without a verifier"):
        PoolJudge(pool_of(TEXTS).entries[0])


@pytest.fixture(scope="module")
def drawn() -> Pool:
    problems = [problem(f"p{i}") for i in range(40)]
    source = live(ToyPropose(0.4, (5, 25, 60)), ToyJudge())
    groups = asyncio.run(collect(problems, source.propose, grade, group_size=24, max_tokens=48, seed=1))
    return asyncio.run(make_pool(groups, source, max_tokens=48))


@pytest.mark.parametrize("budget", [45, 200, 500])
@pytest.mark.parametrize("strategy", [Sample(64, 16), Vote(64, 16), BestOfN(64, 16), WeightedVote(64, 16)])
def test_a_replay_has_the_accuracy_and_the_cost_of_a_live_run(drawn, strategy, budget):
    replayed = asyncio.run(replay("pool", strategy, drawn, budget, orders=6))
    problems = [entry.problem for entry in drawn.entries]
    direct = asyncio.run(run_live("live", strategy, problems, drawn.entries[0].live, budget, repeats=12, seed=3))
    for runs in (replayed, direct):
        assert all(u.spent <= budget for p in runs.problems for u in p.usages)
    accuracy = [sum(p.accuracy for p in runs.problems) / 40 for runs in (replayed, direct)]
    spent = [sum(p.spent for p in runs.problems) / 40 for runs in (replayed, direct)]
    assert accuracy[0] == pytest.approx(accuracy[1], abs=0.11)  # three standard errors of 240 and 480 runs
    assert spent[0] == pytest.approx(spent[1], rel=0.12)


def test_a_replay_is_fixed_by_its_seed(drawn):
    first, again, other = (asyncio.run(replay("vote", Vote(64, 16), drawn, 300, orders=2, seed=s)) for s in (5, 5, 6))
    assert first == again
    assert first != other


def test_beam_is_told_to_run_live(drawn):
    with pytest.raises(PonderError, match="run this strategy live"):
        asyncio.run(replay("beam", Beam(64, 16), drawn, 500, orders=1))


def test_zero_runs_are_refused(drawn):
    with pytest.raises(PonderError, match="0 runs"):
        asyncio.run(replay("vote", Vote(64, 16), drawn, 300, orders=0))
