"""Repair: what is shown, when an episode ends, and that the hidden tests decide."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from ponder.engines.scripted import ScriptedEngine
from ponder.environments import Repair
from ponder.environments.repair import shown
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.problems.families.formula import Formula
from ponder.rollout.collect import collect
from ponder.types import Key, PonderError, Problem, Question, Trajectory, Verdict
from ponder.verifiers.truth import GroundTruth
from ponder.verifiers.votes import canonical_answer

CODEC = Codec(load("tiny").tokenizer)
# f(1)=3, f(2)=5, f(4)=9 are shown; f(0)=1 and f(7)=15 are not.
TASK = Problem(
    Question("q", "formula", "f(1)=3, f(2)=5, f(4)=9. Write f(n)."),
    Key("2*n+1", {"tests": [[1, 3], [2, 5], [4, 9], [0, 1], [7, 15]], "visible": 3}),
)
FITTED = "3 if n==1 else 5 if n==2 else 9"


def played(script: Mapping[str, str], environment: Repair) -> tuple[Trajectory, Verdict]:
    """Keys are ends of a prompt, values what is said then."""
    engine = ScriptedEngine(CODEC, {key: [(f"so\n</think>{said}", 1.0)] for key, said in script.items()})
    propose = PolicyPropose(engine, CODEC, canonical_answer)
    with GroundTruth({"formula": Formula()}) as truth:
        some = collect([TASK], propose, truth.grade, group_size=1, max_tokens=600, seed=0, environment=environment)
        (group,) = asyncio.run(some)
    return group.trajectories[0], group.verdicts[0]


START = "Write f(n).<assistant><think>\n"
AGAIN = "Find the mistake and write all of it again.<assistant><think>\n"


def test_what_fails_is_read_and_the_repaired_program_is_right() -> None:
    trajectory, verdict = played({START: "n+2", AGAIN: "2*n+1"}, Repair())
    assert verdict.outcome == 1.0 and trajectory.turns == 2
    assert "A test fails: f(2) is 4 and not 5. Find" in trajectory.text


def test_a_program_that_fits_what_is_shown_ends_the_episode_and_is_wrong() -> None:
    trajectory, verdict = played({START: FITTED, AGAIN: "2*n+1"}, Repair())
    assert verdict.outcome == 0.0 and trajectory.turns == 1


def test_hidden_tests_are_never_read() -> None:
    trajectory, verdict = played({"": FITTED, START: "n", AGAIN: FITTED}, Repair(turns=4))
    assert "f(0)" not in trajectory.text and "f(7)" not in trajectory.text and verdict.outcome == 0.0


def test_turns_end_it_and_their_outcomes_are_told_where_asked_for() -> None:
    trajectory, verdict = played({START: "n+2", AGAIN: "n+3"}, Repair(turns=3, each_turn=True))
    assert trajectory.turns == 3 and verdict.turns == (0.0, 0.0, 0.0)
    _, mended = played({START: "n+2", AGAIN: "2*n+1"}, Repair(turns=3, each_turn=True))
    assert mended.turns == (0.0, 1.0)


def test_the_problem_says_how_many_tests_are_shown_else_the_setting_does() -> None:
    assert len(shown(TASK, 1).key.data["tests"]) == 3
    plain = Problem(TASK.question, Key("2*n+1", {"tests": [[1, 3], [2, 5]]}))
    assert shown(plain, 1).key.data["tests"] == [[1, 3]]


def test_problems_without_a_list_of_tests_are_refused() -> None:
    with pytest.raises(PonderError, match=r"environment repair: problem q of toy has no list of tests"):
        shown(Problem(Question("q", "toy", "?"), Key("1", {"tests": "def check(f): ..."})), 3)
