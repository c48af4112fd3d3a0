"""A problem family of one's own: questions out of a seed, graded by its own rule; then it is a spec like all others."""

import random
from dataclasses import dataclass

import ponder
from ponder.problems.families.arithmetic import INSTRUCTIONS
from ponder.seeds import derive_seed
from ponder.thinking import final_answer
from ponder.types import Key, Problem, Question, Verdict


@ponder.register_family("doubles")
@dataclass(frozen=True)
class Doubles:
    """A number and itself, added."""

    largest: int = 9
    level: int = 0
    name: str = "doubles"

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        """A pure function of split, seed and index. Numbers of train, validation and test differ: n modulo 3."""
        rng = random.Random(derive_seed("doubles", split, seed, index))
        part = ("train", "validation", "test").index(split)
        n = rng.choice([n for n in range(1, self.largest + 1) if n % 3 == part])
        question = Question(f"doubles/{split}/{n}", self.name, f"Compute {n}+{n}.", INSTRUCTIONS, self.level)
        return Problem(question, Key(str(2 * n)))

    def grade(self, problem: Problem, response: str) -> Verdict:
        """1.0 right, 0.0 wrong; an exception would be a typed failure and count as neither."""
        answer = final_answer(response)
        return Verdict(outcome=float(answer == problem.key.answer), extracted=answer)

    def near_misses(self, problem: Problem) -> list[str]:
        """Responses that must be refused: `ponder.problems.selfcheck` tries them."""
        return [f"</think>{problem.key.answer}0", "</think>"]


problems = ponder.load_problems("doubles?largest=20", split="test", limit=5)
for problem in problems:
    print(problem.question.text, "->", problem.key.answer)
found = ponder.evaluate("tiny", problems, strategies=["sample", "vote"], budgets=[64, 256])
for row in found.accuracies:
    if row.family == "all":
        print(f"{row.strategy} at {row.budget:g}: {row.accuracy:.0%}")
