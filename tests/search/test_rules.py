"""What is particular to each strategy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from ponder.search.session.budget import Budget
from ponder.search.strategies.beam import Beam
from ponder.search.strategies.best_of_n import BestOfN
from ponder.search.strategies.dvts import DVTS
from ponder.search.strategies.vote import Vote
from ponder.search.strategies.weighted_vote import WeightedVote
from ponder.types import PonderError, SearchResult, Trajectory
from tests.search.toys import QUESTION, TARGET, Digits, Scores, digits_of, run, texts, truth

GOLDEN = Path(__file__).parent.parent / "golden" / "beam.json"
CHOICES: tuple[Literal["best", "weighted"], ...] = ("best", "weighted")
LIMITS: Any = {"max_tokens": 40, "answer_reserve": 6}


def search(strategy: Any, budget: float = 1e5, seed: int = 0, propose: Any = None, judge: Any = None) -> SearchResult:
    result: SearchResult = run(strategy(QUESTION, propose or Digits(), judge or Scores(), Budget(budget), seed=seed))
    return result


def test_best_of_n_with_an_oracle_is_right_exactly_when_any_draw_is() -> None:
    found = 0
    for seed in range(40):
        result = search(BestOfN(**LIMITS, n_max=8), seed=seed, propose=Digits(base=5, depth=1), judge=Scores())
        any_right = any(digits_of(t) == "3" for t in result.trajectories)
        assert (result.answer == "3") == any_right
        found += any_right
    # pass@8 at one in five is 1 - 0.8^8 = 83 %: 33 of 40, standard deviation 2.4.
    assert 24 <= found <= 40


def test_a_constant_judge_makes_the_weighted_vote_the_vote() -> None:
    for seed in range(20):
        source = Digits(base=3, depth=1)
        plain = search(Vote(**LIMITS, n_max=9), seed=seed, propose=source)
        judged = search(WeightedVote(**LIMITS, n_max=9), seed=seed, propose=source, judge=Scores(lambda _: 0.3))
        assert (judged.answer, texts(judged)) == (plain.answer, texts(plain))


def test_a_wave_asks_for_what_fits_at_the_worst_and_the_next_wave_spends_what_was_left() -> None:
    propose = Digits()  # every trajectory is 15 tokens of the 40 it may have
    result = search(Vote(**LIMITS), 200, propose=propose)
    # 200 // 40 = 5; 125 left: 3; 80 left: 2; 50 left: 1; 35 and 20 left: one each, capped there; 5 left: none.
    assert [n for _, n, _, _ in propose.calls] == [5, 3, 2, 1, 1, 1]
    assert result.usage.spent == 13 * 15


def test_what_judging_will_cost_is_held_back() -> None:
    propose, judge = Digits(), Scores(ratio=1.0, prompt=5)
    result = search(BestOfN(**LIMITS), 255, propose=propose, judge=judge)
    # The question takes 5, a trajectory 40 + 40 at worst: 250 // 80 = 3. Really 15 + 15: 160 left, 2; 100 left, 1; 70
    # left: 1 of at most 34 tokens, since 34 + 34 fit; 40 left: 1 of at most 20; 10 left: none.
    assert [n for _, n, _, _ in propose.calls] == [3, 2, 1, 1, 1]
    assert judge.asked == [8]
    assert (result.usage.kept + result.usage.discarded, result.usage.verifier) == (120, 5 + 120)


def test_a_judge_that_rereads_is_paid_for_the_question_with_every_trajectory() -> None:
    propose, judge = Digits(), Scores(ratio=1.0, prompt=5, rereads=True)
    result = search(BestOfN(**LIMITS), 255, propose=propose, judge=judge)
    # At worst 40 + 45: 255 // 85 = 3. Really 15 + 20: 150 left, 1; 115 left, 1; 80 left: 1 of at most 37 tokens, since
    # 37 + 42 fit; 45 left: 1 of at most 20; 10 left: none.
    assert [n for _, n, _, _ in propose.calls] == [3, 1, 1, 1, 1]
    assert (result.usage.kept + result.usage.discarded, result.usage.verifier) == (105, 140)


def test_answers_are_forced_only_if_no_trajectory_ended_by_itself() -> None:
    early = Digits(depth=1)  # ends within a few tokens, long before its thinking is cut
    assert "answer" not in {until for until, *_ in search_calls(early)}
    late = Digits(depth=30)
    assert [until for until, *_ in search_calls(late)].count("answer") == 3


def search_calls(propose: Digits) -> list[tuple[Any, ...]]:
    search(Vote(**LIMITS, n_max=3), propose=propose)
    return list(propose.calls)


def test_a_budget_for_one_draw_spends_nothing_on_a_judge() -> None:
    result = search(BestOfN(**LIMITS), 45)
    assert len(result.trajectories) == 1
    assert result.usage.verifier == 0
    assert result.scores == (None,)


def test_voting_may_stop_when_the_rest_cannot_change_the_answer() -> None:
    sure = Digits(base=1, depth=1)
    result = search(Vote(**LIMITS, n_max=20, stop_every=4), propose=sure)
    assert len(result.trajectories) == 12  # 12 equal votes, 8 to come
    assert len(search(Vote(**LIMITS, n_max=20), propose=sure).trajectories) == 20


def test_voting_does_not_stop_while_the_rest_could_change_the_answer() -> None:
    for seed in range(20):
        result = search(Vote(**LIMITS, n_max=12, stop_every=2), seed=seed, propose=Digits(base=2, depth=1))
        counts = sorted(map(texts(result).count, set(texts(result))))
        lead = counts[-1] - (counts[-2] if len(counts) > 1 else 0)
        assert lead > 12 - len(result.trajectories) or len(result.trajectories) == 12


def test_beam_keeps_n_over_m_and_judges_every_leaf() -> None:
    propose, judge = Digits(), Scores()
    search(Beam(**LIMITS, n_max=8, width=8, expand=4, step_tokens=8), propose=propose, judge=judge)
    # One root grows 8 leaves; then 8 / 4 = 2 survivors grow 4 each, four times, the last time to their end.
    assert [(until, n) for until, n, _, _ in propose.calls] == [("step", 8)] + [("step", 4)] * 8
    assert judge.asked == [8] * 5


def test_beam_with_an_oracle_follows_the_known_right_path() -> None:
    result = search(Beam(**LIMITS, n_max=32, width=32, expand=4, step_tokens=8), propose=Digits(base=5))
    assert result.answer == TARGET
    assert [c.text for c in result.trajectory.steps] == ["3\n", "1\n", "4\n", "1\n", "</think>3141"]  # type: ignore[union-attr]  # an answer has a trajectory


def test_beams_that_say_the_same_stay_distinct_samples() -> None:
    result = search(Beam(**LIMITS, n_max=8, width=8, expand=4, step_tokens=8), propose=Digits(base=1))
    assert len(set(texts(result))) == 1
    assert len({id(t.leaf) for t in result.trajectories}) == 8
    assert len({t.tokens for t in result.trajectories}) == 8


def test_beam_with_a_constant_judge_finds_no_more_than_sampling() -> None:
    flat = Scores(lambda _: 0.5)
    strategy = Beam(**LIMITS, n_max=4, width=4, expand=2, step_tokens=8)
    source = Digits(base=2, depth=2)
    right = sum(search(strategy, seed=s, propose=source, judge=flat).answer == "11" for s in range(100))
    # One in four, by symmetry of the four answers: 25 of 100, standard deviation 4.3.
    assert 8 <= right <= 42


def test_finished_beams_leave_while_others_go_on() -> None:
    class Ragged(Digits):
        def _next(self, node: Any, rng: Any) -> str:
            digits = "" if node is None else digits_of(Trajectory(QUESTION, node))
            done = len(digits) == self.depth or (len(digits) >= 1 and rng.random() < 0.3)
            return f"</think>{digits}" if done and not self._closed(node) else super()._next(node, rng)

    result = search(Beam(**LIMITS, n_max=8, width=8, expand=2, step_tokens=8), propose=Ragged())
    assert len({len(t) for t in result.trajectories}) > 1
    assert all(t.text.count("</think>") == 1 for t in result.trajectories)
    assert len(result.trajectories) == 8


def test_a_long_step_is_cut_judged_and_continued() -> None:
    judge = Scores(lambda _: 0.5)
    strategy = Beam(max_tokens=200, answer_reserve=20, n_max=2, width=2, expand=2, step_tokens=8)
    result = search(strategy, propose=Digits(size=12, base=1), judge=judge)
    assert len(judge.asked) > 5
    assert all(len(step.tokens) <= 20 for t in result.trajectories for step in t.steps)


def test_beams_that_run_out_of_tokens_are_made_to_answer_and_join_the_candidates() -> None:
    propose = Digits(ramble=1.0)
    result = search(Beam(**LIMITS, n_max=2, width=2, expand=1, step_tokens=8), propose=propose)
    assert {until for until, *_ in propose.calls} == {"step", "answer"}
    assert len(result.trajectories) == 2
    assert None not in result.scores


def test_dvts_keeps_the_best_of_every_subtree() -> None:
    propose, judge = Digits(), Scores()
    result = search(DVTS(**LIMITS, n_max=8, width=8, expand=4, step_tokens=8), propose=propose, judge=judge)
    assert [(until, n) for until, n, _, _ in propose.calls] == [("step", 4)] * 10
    assert judge.asked == [8] * 5
    assert len({t.steps[0] for t in result.trajectories}) == 2, "subtrees share no step"


def test_beam_concentrates_where_dvts_stays_diverse() -> None:
    one_good = Scores(lambda t: float(t.text.startswith("0")))
    parts: Any = {**LIMITS, "n_max": 16, "width": 16, "expand": 4, "step_tokens": 8}
    beam, dvts = (search(kind(**parts), judge=one_good, propose=Digits(base=2)) for kind in (Beam, DVTS))
    assert {t.text[0] for t in beam.trajectories} == {"0"}
    assert len({t.steps[0] for t in dvts.trajectories}) == 4


def test_choose_decides_how_the_finished_beams_are_read() -> None:
    score = Scores(lambda t: {"0": 0.9, "1": 0.6}[digits_of(t)] if "</think>" in t.text else 0.5)
    parts: Any = {**LIMITS, "n_max": 9, "width": 9, "expand": 3, "step_tokens": 8}
    seen = set()
    for seed in range(30):
        source = Digits(base=2, depth=1)
        best, weighted = (search(Beam(**parts, choose=c), seed=seed, propose=source, judge=score) for c in CHOICES)
        zeros = sum(digits_of(t) == "0" for t in best.trajectories)
        assert best.answer == ("0" if zeros else "1")
        assert weighted.answer == ("0" if zeros * 0.9 > (9 - zeros) * 0.6 else "1")
        seen.add((best.answer, weighted.answer))
    assert seen >= {("0", "1"), ("0", "0")}


def test_leaves_that_do_not_divide_evenly_go_to_the_best_parents() -> None:
    propose = Digits(depth=1)
    search(Beam(**LIMITS, n_max=7, width=7, expand=3, step_tokens=8), propose=propose)
    assert [n for _, n, _, _ in propose.calls] == [7, 4, 3]


def test_voting_in_parts_ends_when_the_source_does() -> None:
    result = search(Vote(**LIMITS, stop_every=2), propose=Digits(pool=5))
    assert len(result.trajectories) == 5


def test_without_a_pace_a_small_budget_narrows_the_beam_and_a_smaller_one_samples() -> None:
    strategy = Beam(**LIMITS, width=8, expand=4, step_tokens=8, planning="worst")
    widths = {}
    for budget in (60, 150, 300, 2000):
        propose = Digits()
        search(strategy, budget, propose=propose)
        widths[budget] = propose.calls[0][:2]
    assert widths[60] == ("end", 1)
    assert widths[2000] == ("step", 8)
    assert widths[150][0] == "step"
    assert 2 <= widths[150][1] < 8


def test_a_judge_lost_half_way_leaves_what_it_said_and_finishes_by_sampling() -> None:
    judge = Scores(fails_after=2)
    result = search(Beam(**LIMITS, n_max=8, width=8, expand=4, step_tokens=8), propose=Digits(), judge=judge)
    assert len(judge.asked) == 3
    assert set(result.scores) == {None}
    assert result.answer is not None


def test_the_beam_of_a_fixed_seed_is_the_stored_one() -> None:
    judge = Scores(lambda t: 0.8 * truth(t) + 0.01 * sum(map(int, digits_of(t))))
    result = search(Beam(**LIMITS, n_max=6, width=6, expand=3, step_tokens=8), 2000, seed=7, judge=judge)
    usage = result.usage
    tree = {
        "answer": result.answer,
        "candidates": [
            {"steps": [s.text for s in t.steps], "tokens": list(t.tokens), "score": score and round(score, 9)}
            for t, score in zip(result.trajectories, result.scores, strict=True)
        ],
        "usage": [usage.kept, usage.discarded, round(usage.verifier, 6), usage.calls],
    }
    assert tree == json.loads(GOLDEN.read_text()), "a change of the search must be a decision: store the new tree"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_tokens": 20}, "max_tokens=20.* at least 40 tokens"),
        ({"answer_reserve": 0}, "answer_reserve=0"),
        ({"width": 0}, "width=0"),
        ({"expand": 0}, "expand=0"),
        ({"n_max": 0}, "n_max=0"),
        ({"step_tokens": 0}, "step_tokens=0"),
        ({"choose": "worst"}, "choose='worst'.*'weighted', 'best'"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(params: Any, message: str) -> None:
    with pytest.raises(PonderError, match=message):
        Beam(**params)
