"""A verifier of one's own: an object that scores responses, handed to `think` or registered under a name.

It scores an answer to a countdown question by how near its value comes to the target, and never sees the key.
"""

import re
from collections.abc import Sequence

import ponder
from ponder.problems.families.expressions import ExpressionError, evaluate
from ponder.protocols import Price
from ponder.thinking import final_answer
from ponder.types import Question, Trajectory, Verdict


@ponder.register_verifier("nearness")
class Nearness:
    """Scores an expression by its distance d from the target: 1 / (1 + d)."""

    def __init__(self, source: ponder.Source) -> None:
        """`source` is the policy that is judged; this verifier does not need it."""

    def price(self, question: Question) -> Price:
        return Price()  # no token goes through a model

    def extra(self, trajectory: Trajectory) -> float:
        return 0.0

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        target = int(re.findall(r"\d+", question.text)[0])
        return [Verdict(score=score(final_answer(t.text), target)) for t in trajectories]


def score(answer: str | None, target: int) -> float | None:
    """None: there is no answer to score; 0: an answer that is no expression."""
    if answer is None:
        return None
    try:
        return 1 / (1 + abs(float(evaluate(answer)) - target))
    except (ExpressionError, ZeroDivisionError):
        return 0.0


policy = ponder.load_policy("tiny")
thought = ponder.think("Make 18 from 3, 6, 1.", policy, strategy="best_of_n", budget=1024, verifier="nearness")
print(f"answer {thought.answer}, score {thought.score:.2f}, spent {thought.result.usage.spent:.0f} token-equivalents")
