"""Planner, elaborator, critic and verifier: roles of one model or of several, each a question of its own.

    planner      writes a plan and no solution
    elaborator   solves the problem along the plan
    verifier     ground truth: right, and the chain is plan and elaboration
    critic       reads a wrong elaboration and says what is wrong; the elaborator then tries once more

A second try that is right gives a chain with the wrong elaboration, the critique as the turn, and the right one. What a
role says behind its thinking counts, or all of it where it has no thinking; a role that says nothing is counted and
makes no chain.
"""

from __future__ import annotations

from dataclasses import replace

from ponder.factory.chain import Chain, Span
from ponder.factory.work import Work
from ponder.search.common import new_tokens
from ponder.seeds import derive_seed
from ponder.thinking import THINK_CLOSE, final_answer
from ponder.types import Question, StopReason, Trajectory

PLAN = "{question}\n\nWrite a short plan for solving this, in a few lines. Do not solve it."
ELABORATE = "{question}\n\nPlan:\n{plan}\n\nSolve it along this plan."
CRITIQUE = "{question}\n\nAn attempt:\n{attempt}\n\nThe answer of this attempt is wrong. Say in a few lines where."
AGAIN = "{question}\n\nAn attempt:\n{attempt}\n\nA critic says:\n{critique}\n\nSolve it again, without this mistake."


async def roles(work: Work) -> list[Chain]:
    """At most one chain a problem."""
    text = work.problem.question.text
    plan = await _said(work, "planner", PLAN.format(question=text))
    if plan is None:
        return []
    first = await _solved(work, ELABORATE.format(question=text, plan=plan), "first")
    if first is None:
        return []
    planned = Span("plan", f"{plan}\n", work.roles["planner"].model)
    solution, right = first
    by = work.roles["elaborator"].model
    if right:
        return [Chain(work.problem, "roles", (planned, Span("elaboration", solution, by)))]
    critique = await _said(work, "critic", CRITIQUE.format(question=text, attempt=solution))
    if critique is None:
        return []
    second = await _solved(work, AGAIN.format(question=text, attempt=solution, critique=critique), "second")
    wrong = solution.partition(THINK_CLOSE)[0].rstrip("\n")
    if second is None or not second[1] or not wrong:
        work.why["the second try is not right"] += 1
        return []
    turn = Span("critique", f"{critique}\n", work.roles["critic"].model)
    return [
        Chain(
            work.problem,
            "roles",
            (planned, Span("wrong", f"{wrong}\n", by), turn, Span("elaboration", second[0], by)),
        )
    ]


async def _said(work: Work, role: str, text: str) -> str | None:
    """What a role says, on one line or several; None if it says nothing."""
    trajectory = await _asked(work, role, text)
    said = None if trajectory is None else final_answer(trajectory.text)
    if not said:
        work.why[f"the {role} said nothing"] += 1
        return None
    return said


async def _solved(work: Work, text: str, which: str) -> tuple[str, bool] | None:
    """A solution and whether ground truth accepts it; None if there is none or it could not be judged."""
    trajectory = await _asked(work, "elaborator", text, which)
    if trajectory is None or trajectory.stop is not StopReason.END:
        work.why["the elaborator did not end"] += 1
        return None
    (verdict,) = await work.rollouts.source.grade(work.problem, [trajectory.leaf])
    if verdict.outcome is None:
        work.why["an elaboration could not be judged"] += 1
        return None
    return trajectory.text, verdict.outcome == 1.0


async def _asked(work: Work, role: str, text: str, which: str = "") -> Trajectory | None:
    question: Question = replace(work.problem.question, id=f"{work.problem.id}#{role}{which}", text=text)
    seed = derive_seed("factory", work.seed, question.id)
    most = work.rollouts.source.max_tokens
    leaves = await work.roles[role].propose(question, None, 1, until="end", max_tokens=most, seed=seed)
    work.tokens += sum(new_tokens(leaf, None) for leaf in leaves)
    return Trajectory(question, leaves[0]) if leaves else None
