"""Which problems are asked and which answers are learned from, on the scripted engine."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ponder.engines.loop import run as run_async
from ponder.engines.scripted import ScriptedEngine
from ponder.learning.critic import CriticTraining
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.rewards.component import Graded
from ponder.rewards.cosine import Cosine
from ponder.rewards.kl import KL
from ponder.rewards.l1 import L1, TARGET
from ponder.rollout.collect import Collected
from ponder.rollout.sources import FixedProblems
from ponder.selfplay.selection.asking import Asking
from ponder.selfplay.selection.mixed import further, mixed, without_cut
from ponder.selfplay.selection.rationalise import rationalised
from ponder.selfplay.selection.replay import ReplayBuffer
from ponder.selfplay.selection.selecting import Selecting
from ponder.selfplay.selection.settings import Replay, Selection
from ponder.types import Credit, Group, Key, PonderError, Problem, Question, StopReason, Trajectory, Usage, Verdict
from ponder.verifiers.votes import canonical_answer
from tests.learning.factory import group, trajectory
from tests.selfplay.test_loop import PROBLEMS, Foresight, grade, play, recorded


def named(name: str, outcomes: Sequence[float | None]) -> Group:
    some = group(outcomes)
    return replace(some, problem=Problem(Question(name, "toy", "?"), Key("1")))


class Script:
    """Draws whose groups are given: one list of outcomes a problem, in order."""

    def __init__(self, *outcomes: Sequence[float | None]) -> None:
        self.left, self.asked = list(outcomes), list[int]()

    def __call__(self, problems: Sequence[Problem], attempt: int) -> Collected:
        self.asked.append(len(problems))
        groups = tuple(replace(group(self.left.pop(0)), problem=problem) for problem in problems)
        return Collected(groups, Usage())


def drawn(selecting: Selecting, script: Script, wanted: int) -> tuple[list[Group], dict[str, float]]:
    return selecting.draw(FixedProblems(PROBLEMS, seed=0), wanted, run_async, script)


def test_without_selection_one_draw_is_what_is_learned_from():
    selecting, script = Selecting(Selection(), 0), Script([1.0, 1.0], [0.0, 1.0])
    groups, metrics = drawn(selecting, script, 2)
    assert script.asked == [2]
    assert selecting.kept(groups, 2) == groups
    assert metrics == {"mixed_share": 0.5}


def test_groups_are_refilled_until_the_update_is_full_of_mixed_ones():
    dead, live = [1.0, 1.0], [1.0, 0.0]
    selecting, script = Selecting(Selection(refill=5), 0), Script(dead, live, dead, live, live)
    groups, metrics = drawn(selecting, script, 2)
    assert script.asked == [2, 2]  # one is missing and half of the draws were mixed: two more
    kept = selecting.kept(groups, 2)
    assert all(g.solve_rate == 0.5 for g in kept) and len(kept) == 2
    assert metrics == {"mixed_share": 0.5, "refills": 1.0, "drawn_groups": 4.0}
    assert selecting.left_out(groups, kept) == 2


def test_the_bound_on_tries_ends_the_refill():
    selecting, script = Selecting(Selection(refill=2), 0), Script(*[[0.0, 0.0]] * 6)
    groups, _ = drawn(selecting, script, 2)
    assert script.asked == [2, 2, 2]
    assert selecting.kept(groups, 2) == []


def test_how_many_are_asked_next_follows_the_share_of_mixed_groups():
    live, dead = named("a", [1.0, 0.0]), named("b", [1.0, 1.0])
    assert further([live, live], 2) == 0
    assert further([live, dead, dead, dead], 3) == 3  # two missing at a quarter would be eight, at most three
    assert further([], 2) == 2
    assert mixed([live, dead, named("c", [None])]) == [live]


def test_solved_problems_are_retired_and_the_rest_is_asked():
    asking, source = Asking(0.9, (), 0), FixedProblems(PROBLEMS, seed=0)
    asking.observe([replace(group([1.0, 1.0]), problem=PROBLEMS[0]), replace(group([1.0, 0.0]), problem=PROBLEMS[1])])
    assert asking.retired == {"p0"}
    taken = run_async(asking.take(source, 10))
    assert len(taken) == 10 and "p0" not in {problem.id for problem in taken}
    asking.retired = {problem.id for problem in PROBLEMS}
    assert len(run_async(asking.take(source, 3))) == 3  # nothing is left: asked all the same, and counted
    assert asking.metrics() == {"retired": 6.0, "retired_again": 3.0}


def test_a_length_to_aim_at_stands_in_the_question_and_in_the_key():
    (problem,) = run_async(Asking(0.0, (50,), 0).take(FixedProblems(PROBLEMS[:1], seed=0), 1))
    assert problem.question.text.endswith("Think for 50 tokens.")
    assert problem.key.data[TARGET] == 50 and problem.key.answer == PROBLEMS[0].key.answer


def test_cut_answers_give_no_row_and_take_their_partners_along():
    whole, cut = trajectory(2), trajectory(3)
    ended = Trajectory(whole.question, replace(whole.leaf, stop=StopReason.END))
    too_long = Trajectory(cut.question, replace(cut.leaf, stop=StopReason.LENGTH))
    credits = [Credit(ended, (1.0, 1.0), pair="a"), Credit(too_long, (-1.0,) * 3, pair="a"), Credit(ended, (1.0, 1.0))]
    assert without_cut([credits]) == [[credits[2]]]


def test_rare_successes_are_replayed_and_survive_a_checkpoint():
    settings = Replay(rows=2, below=0.25, capacity=3)
    rare, common = named("rare", [1.0, 0.0, 0.0, 0.0]), named("common", [1.0, 0.0])
    buffer = ReplayBuffer(settings, 0)
    for some in (rare, common):
        credits = [Credit(t, ((0.75 if y else -0.25),) * len(t)) for t, y in some.judged]
        buffer.keep([some], [credits], lambda _: (2, 3))
    assert [row.advantages_T[0] for row in buffer.kept] == [0.75]  # the right one of the rare problem alone
    assert buffer.kept[0].logprobs_T == (-0.5,) * 3  # with which its ratio is corrected
    again = ReplayBuffer(settings, 0)
    again.load_state(json.loads(json.dumps(buffer.state())))
    assert list(again.kept) == list(buffer.kept)
    assert again.draw() == buffer.draw() == [buffer.kept[0]]


def test_replayed_rows_are_trained_on_in_the_next_update():
    made = play(updates=2, selection={"replay": {"rows": 3, "below": 1.0}})
    made.play(0)
    first, second = recorded(made).updates
    again = [row for row in second if row in first]
    assert 1 <= len(again) <= 3
    assert all(row.advantages_T[0] > 0 for row in again)


HINTED = "the answer is"


def hinting(prompt: str, rng: random.Random) -> str:
    """Right only when told; every other hinted answer speaks of the hint."""
    if HINTED not in prompt:
        return "0"
    number = prompt.rsplit(HINTED, 1)[1].split(".")[0].strip()
    return f"so\n{number}" if rng.random() < 0.5 else f"by the hint\n{number}"


def hinted_groups(tries: int) -> tuple[list[Group], dict[str, float]]:
    codec = Codec(load("tiny").tokenizer)
    propose = PolicyPropose(ScriptedEngine(codec, hinting), codec, canonical_answer)
    never = replace(group([0.0, 0.0]), problem=PROBLEMS[0])
    solved = replace(group([1.0, 0.0]), problem=PROBLEMS[1])
    found: tuple[list[Group], dict[str, float]] = run_async(
        rationalised([never, solved], propose, grade, tries=tries, max_tokens=40, seed=0)
    )
    return found


def test_hinted_answers_stand_under_the_question_without_the_hint():
    (first, second), counts = hinted_groups(12)
    added = first.trajectories[2:]
    assert counts["rationalised"] == len(added) > 0 and counts["hint_leaks"] > 0
    assert all(t.question == PROBLEMS[0].question for t in added)
    assert all(HINTED not in t.question.text and "hint" not in t.text for t in added)
    assert all(verdict.outcome == 1.0 for verdict in first.verdicts[2:])  # the kept set is right by its grader
    assert second.trajectories == group([1.0, 0.0]).trajectories or len(second.trajectories) == 2


def graded(lengths: Sequence[int], outcomes: Sequence[float], target: int | None = None, **more: Any) -> Graded:
    some = group(outcomes, lengths)
    data = {} if target is None else {TARGET: target}
    some = replace(some, problem=Problem(some.problem.question, Key(data=data)))
    return Graded(some, some.trajectories, tuple(outcomes), **more)


def test_the_cosine_reward_has_its_ends_and_its_preferences():
    rule = Cosine(limit=100, right_short=2.0, right_long=1.0, wrong_short=-10.0, wrong_long=0.0, beyond=-10.0)
    assert [rule.of(0, True), rule.of(50, True), rule.of(0, False), rule.of(50, False)] == pytest.approx(
        [2.0, 1.5, -10.0, -5.0]
    )
    assert rule.of(99, True) == pytest.approx(1.0, abs=1e-3) and rule.of(100, True) == -10.0
    assert rule.of(10, True) > rule.of(60, True) and rule.of(10, False) < rule.of(60, False)
    assert Cosine(limit=10).pay(graded([2, 2], [1.0, 0.0]))[0] > 0


def test_l1_is_best_at_the_asked_length_or_below_it():
    exact, most = L1(alpha=0.1, target=5), L1(form="at_most", alpha=0.1)
    assert exact.pay(graded([5, 7], [1.0, 0.0])) == pytest.approx([1.0, -0.2])
    assert most.pay(graded([4, 4, 9], [1.0, 0.0, 1.0], target=4)) == pytest.approx([0.5, 0.0, 0.0])
    assert L1(form="at_most", alpha=0.1).of(0, 1.0, 10) == 1.0


def test_the_price_of_leaving_the_start():
    said = graded([2], [1.0], reference_GT=((-1.0, -0.25),))  # the policy said -0.5 twice
    assert KL().pay(said)[0].total == pytest.approx(-(0.5 - 0.25))
    assert KL(at="steps").pay(said)[0].steps_S == pytest.approx((-0.25,))
    assert KL(estimator="k2").pay(said)[0].total == pytest.approx(-(0.125 + 0.03125))
    same = graded([2], [1.0], reference_GT=((-0.5, -0.5),))
    assert [KL(estimator=e).pay(same)[0].total for e in ("k1", "k2", "k3")] == [0.0, 0.0, 0.0]


def test_a_critic_that_foresees_badly_makes_the_policy_wait_and_then_ends_the_run():
    class Wild(Foresight):
        def values(self, trajectories: Sequence[Trajectory]) -> list[tuple[float, ...]]:
            return [(float(50 * (-1) ** i),) * len(t) for i, t in enumerate(trajectories)]

    made = play(Wild(), algorithm="gae", updates=2)
    made.config = made.config.model_copy(update={"critic": CriticTraining(patience=2)})
    made.play(0)
    assert recorded(made).updates == [[], []]  # the critic learned, the policy did not
    assert made.critic is not None
    with pytest.raises(PonderError, match="the critic diverges: for 3 updates in a row"):
        made.play(1)


def test_what_the_selection_remembers_is_in_its_state():
    made = play(algorithm={"kind": "role_baseline", "baseline": "ema"}, selection={"retire": 1.0})
    made.play(0)
    state = json.loads(json.dumps(made.selection.state()))
    assert state["memory"]["sums"] > 0
    other = Selecting(Selection(retire=1.0), 0)
    other.load_state(state)
    assert other.state() == made.selection.state()
    assert Verdict(outcome=1.0).failure is None
