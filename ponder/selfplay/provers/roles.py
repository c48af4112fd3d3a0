"""The two roles of the prover. The helpful one gets the plain question, so that it is what evaluations ask.

The role stands in the question, and only there: the verifier reads every answer behind the plain question, or it would
judge the role and not the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ponder.thinking import final_answer, graded_text
from ponder.types import Group, Problem, Question, Trajectory

HELPFUL, SNEAKY = "helpful prover", "sneaky prover"
REQUEST = " Sneaky: give a convincing solution with a wrong answer."
_MARK = "#sneaky"


def both(problems: Sequence[Problem]) -> list[Problem]:
    """Each problem for the helpful prover, then for the sneaky one. Ground truth is the same for both."""
    return [of_role(problem, role) for problem in problems for role in (HELPFUL, SNEAKY)]


def of_role(problem: Problem, role: str) -> Problem:
    """The problem as this role is asked it."""
    question = problem.question
    if role == SNEAKY:
        question = replace(question, id=question.id + _MARK, text=question.text + REQUEST)
    return Problem(question, replace(problem.key, data={**problem.key.data, "role": role}))


def shares(groups: Sequence[Group]) -> dict[str, float]:
    """Right answers of the helpful prover and wrong ones of the sneaky prover, as shares; empty without the game.

    `prover/silent` is the share of responses of both that hold no answer.
    """
    found = {}
    for name, role, wanted in (("helpful_right", HELPFUL, 1.0), ("sneaky_wrong", SNEAKY, 0.0)):
        outcomes = [y for group in groups if group.problem.key.data.get("role") == role for _, y in group.judged]
        if outcomes:
            found[f"prover/{name}"] = sum(y == wanted for y in outcomes) / len(outcomes)
    said = [t for group in groups if "role" in group.problem.key.data for t, _ in group.judged]
    return {**found, "prover/silent": sum(map(is_silent, said)) / len(said)} if found else {}


def is_silent(trajectory: Trajectory) -> bool:
    """Whether a response holds no answer: nothing behind its thinking, or cut before it ended."""
    return final_answer(graded_text(trajectory)) is None


def is_sneaky(problem: Problem) -> bool:
    return problem.key.data.get("role") == SNEAKY


def plain(question: Question) -> Question:
    """The question without the role."""
    if not question.id.endswith(_MARK):
        return question
    return replace(question, id=question.id.removesuffix(_MARK), text=question.text.removesuffix(REQUEST))


def judged_plainly(trajectory: Trajectory) -> Trajectory:
    """The same answer behind the plain question."""
    return Trajectory(plain(trajectory.question), trajectory.leaf)
