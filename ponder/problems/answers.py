"""When two answers to a question of a built-in family are one: the classes of a vote. Mathematics: `verifiers.votes`.

A class is a text that depends on the answer alone, so equality is transitive and no order matters.
"""

from __future__ import annotations

from ponder.problems.families.expressions import ExpressionError, evaluate, normal_form
from ponder.problems.families.stated import stated_integer
from ponder.thinking import THINK_CLOSE as THINK_CLOSE
from ponder.thinking import final_answer as final_answer
from ponder.types import Question

FAMILIES = ("arithmetic", "countdown", "cipher", "transforms")
_LETTERS = ("cipher", "transforms")  # families whose answers are letters, which have no case


def canonical_answer(question: Question, response: str) -> str | None:
    """The answer as votes count it; None if there is none. White space never matters.

    An integer is its value, an expression (countdown) does not depend on order and brackets, letters (cipher,
    transforms) have no case.
    """
    answer = final_answer(response)
    if answer is None:
        return None
    if question.family == "arithmetic":
        stated = stated_integer(answer)
        return "".join(answer.split()) if stated is None else str(stated)
    if question.family == "countdown":
        return _expression("".join(answer.split()))
    return " ".join((answer.lower() if question.family in _LETTERS else answer).split())


def _expression(text: str) -> str:
    """`(6*3)*1 = 18` as `1*3*6`; a claim that is not the value stays, since it makes the answer another one."""
    expression, equals, claim = text.replace("×", "*").replace("÷", "/").partition("=")
    try:
        form = normal_form(expression)
        return form if not equals or claim == str(evaluate(expression)) else f"{form}={claim}"
    except ExpressionError:
        return text
