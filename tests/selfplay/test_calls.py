"""How tools were used: counted by hand on answers made by hand."""

from __future__ import annotations

from ponder.selfplay.stages.calls import calls, shares
from ponder.types import Group, Key, Problem, Question, Step, StopReason, Trajectory, Verdict

QUESTION = Question("q", "toy", "Compute 2+2.")


def answer(*steps: tuple[str, StopReason, bool]) -> Trajectory:
    leaf: Step | None = None
    for text, stop, forced in steps:
        leaf = Step((1,), (0.0,), text, 0, stop, leaf, forced=forced)
    assert leaf is not None
    return Trajectory(QUESTION, leaf)


PLAIN = answer(("4", StopReason.END, False))
TAGGED = answer(
    ("<calc>2+2</calc>", StopReason.STEP, False),
    ("<result>4</result>", StopReason.STEP, True),
    ("<calc>4</calc>", StopReason.STEP, False),
    ("<result>4</result>", StopReason.STEP, True),
    ("4", StopReason.END, False),
)
NATIVE = answer(
    ('{"name": "calc"}', StopReason.CALL, False), ("4", StopReason.STEP, True), ("so 4", StopReason.END, False)
)
# Forced words, an observation and a result that the policy only writes itself are no calls.
NONE = answer(
    ("Wait,", StopReason.STEP, True),
    ("<result>4</result>", StopReason.STEP, False),
    ("5", StopReason.END, False),
    ("<result> is wrong", StopReason.STEP, True),
    ("4", StopReason.END, False),
)


def test_calls_are_the_results_that_were_read() -> None:
    assert [calls(one) for one in (PLAIN, TAGGED, NATIVE)] == [0, 2, 1]
    assert calls(NONE) == 0


def test_shares_of_judged_answers() -> None:
    verdicts = (Verdict(outcome=0.0), Verdict(outcome=1.0), Verdict(outcome=0.0), Verdict(failure="tool"))
    group = Group(Problem(QUESTION, Key("4")), (PLAIN, TAGGED, NATIVE, TAGGED), verdicts)
    assert shares([group]) == {
        "answers": 3.0,
        "share": 2 / 3,
        "per_answer": 1.0,
        "right_with": 0.5,
        "right_without": 0.0,
    }
    assert "right_with" not in shares([Group(group.problem, (PLAIN,), (Verdict(outcome=1.0),))])
    assert shares([]) == {}
