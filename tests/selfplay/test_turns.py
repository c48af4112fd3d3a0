"""Families take turns when only some groups can be labelled."""

from ponder.selfplay.report import in_turns
from ponder.types import Group, Key, Problem, Question, Step, StopReason, Trajectory, Verdict


def group(name: str) -> Group:
    question = Question(name, name[0], "?")
    leaf = Step((1,), (0.0,), "x", 0, StopReason.END)
    return Group(Problem(question, Key("x")), (Trajectory(question, leaf),), (Verdict(outcome=1.0),))


def test_the_first_of_each_family_come_first():
    names = ["a1", "a2", "a3", "b1", "c1", "c2"]
    assert [g.problem.id for g in in_turns([group(n) for n in names])] == ["a1", "b1", "c1", "a2", "c2", "a3"]
