"""Instructions that a program can check, made anew: a small request and `count` constraints that go together.

    Write a short note about night trains. Do not use any commas. Include the keywords copper, lantern in your response.

The kinds are the 25 of IFEval (Zhou et al. 2023, arXiv 2311.07911); `constraints_kinds` says which go together, and
`constraints_gold` writes a response that follows them all, so no problem is unsolvable. At least one constraint of each
problem is broken by silence and by an echo of the request, so neither is ever right. The key names the verifier
"constraints" (strict); this family has no grader of its own.

The topic is not checked, so a policy may learn to ignore it; what is measured is the following of instructions.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ponder.problems.constraints.gold import write
from ponder.problems.constraints.kinds import ASKS, choose, stands_alone, wording
from ponder.problems.constraints.spoil import spoil
from ponder.problems.constraints.text import TOPICS
from ponder.problems.splits import draw
from ponder.types import Key, PonderError, Problem, Question

INSTRUCTIONS = "After your thinking, give the response that was asked for and nothing else."
_REQUESTS = ("Write a short note about {}.", "Write to a friend about {}.", "Tell a group of travellers about {}.")
_REPEAT, _CHOICE = "combination:repeat_prompt", "detectable_format:constrained_response"
_MOST = 6


@dataclass(frozen=True)
class Drawn:
    """A request before it is put into words; `wanted` is `{id: parameters}` in the order of asking."""

    topic: str
    wanted: Mapping[str, dict[str, Any]]

    @property
    def content(self) -> str:
        """The same for two draws that ask for the same, in whatever order."""
        return json.dumps([self.topic, self.wanted], sort_keys=True)


@dataclass(frozen=True)
class Constraints:
    """Requests with `count` checkable instructions of 25 kinds, which the verifier "constraints" judges."""

    count: int = 2
    name: str = "constraints"

    def __post_init__(self) -> None:
        if not 1 <= self.count <= _MOST:
            raise PonderError(f"constraints: count={self.count}; allowed are 1 to {_MOST}")

    @property
    def level(self) -> int:
        return self.count

    def at_level(self, level: int) -> Constraints:
        return Constraints(count=level)

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        stream = f"constraints/{self.count}/{seed}/{index}"
        drawn = draw(stream, split, self._draw, lambda item: item.content)
        text, wanted = _worded(drawn, random.Random(f"{stream}/{split}/words"))
        question = Question(
            id=f"constraints-{self.count}-{split}-{seed}-{index}",
            family=self.name,
            text=text,
            instructions=INSTRUCTIONS,
            level=self.count,
        )
        constraints = [{"id": name, "kwargs": given} for name, given in wanted.items()]
        return Problem(
            question, Key(write(drawn.topic, wanted), {"verifier": "constraints", "constraints": constraints})
        )

    def _draw(self, rng: random.Random) -> Drawn | None:
        names = choose(rng, self.count)
        if names is None:
            return None
        wanted = {name: ASKS[name].draw(rng) for name in names}
        if not any(stands_alone(name, given) for name, given in wanted.items()):
            return None
        return Drawn(rng.choice(TOPICS), wanted)

    def near_misses(self, problem: Problem) -> list[str]:
        """The gold answer with each constraint broken in turn, and evasions."""
        gold = problem.key.answer or ""
        spoiled = [spoil(c["id"], c["kwargs"], gold) for c in problem.key.data["constraints"]]
        return [*spoiled, "", "I do not know", f"<think>\n{gold}", problem.question.text]

    def demonstration(self, problem: Problem, seed: int) -> str:
        """The instructions one a line, then the gold answer."""
        lines = "".join(f"{wording(c['id'], c['kwargs'])}\n" for c in problem.key.data["constraints"])
        return f"{lines}</think>{problem.key.answer}"


def _worded(drawn: Drawn, rng: random.Random) -> tuple[str, dict[str, dict[str, Any]]]:
    """The question, and the constraints with the request that is to be repeated filled in."""
    request = rng.choice(_REQUESTS).format(drawn.topic)
    if _CHOICE in drawn.wanted:
        request = f"What do you say to {drawn.topic}: is that a good idea?"
    said = [wording(name, given) for name, given in drawn.wanted.items() if name != _REPEAT]
    text = " ".join([request, *said])
    if _REPEAT not in drawn.wanted:
        return text, dict(drawn.wanted)
    return f"{text}\n{ASKS[_REPEAT].wording}", {**drawn.wanted, _REPEAT: {"prompt_to_repeat": text}}
