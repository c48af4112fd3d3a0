"""A published step verifier as a judge.

It reads the words of the steps, without thinking tags, in its own layout and tokens. A step of white space has the
score of the step before it. Costs are counted in the policy's tokens, of which its own tokenizer makes about as many;
what its layout puts around a step is counted on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from torch import Tensor

from ponder.protocols import Price
from ponder.thinking import THINK_CLOSE, THINK_OPEN
from ponder.types import PonderError, Question, Step, Trajectory, Verdict
from ponder.verifiers.aggregation import Aggregation, aggregate
from ponder.verifiers.learned.common.batched import scores
from ponder.verifiers.learned.common.headed import HeadedJudge
from ponder.verifiers.learned.common.reader import Reader, Tokens
from ponder.verifiers.learned.public.folder import Published

_REMEMBERED = 4096


class PublishedVerifier(HeadedJudge):
    """`Judge` on a `Published` verifier. Steps are scored by the logistic of its head's log-odds."""

    def __init__(
        self,
        published: Published,
        *,
        policy_parameters: int,
        aggregation: Aggregation = "min",
        reader: Reader | None = None,
        micro_tokens: int = 8192,
    ) -> None:
        super().__init__(
            published.trunk,
            self._question_tokens,
            policy_parameters=policy_parameters,
            reader=reader,
            micro_tokens=micro_tokens,
        )
        self.published = published
        self.aggregation: Aggregation = aggregation
        self._laid = lru_cache(maxsize=_REMEMBERED)(self._lay)

    def row(self, trajectory: Trajectory) -> Tokens:
        return self._laid(trajectory.question, trajectory.leaf)[0]

    def places(self, length: int, trajectory: Trajectory) -> list[int]:
        return self._laid(trajectory.question, trajectory.leaf)[1]

    def numbers(self, states_NH: Tensor) -> Tensor:
        out: Tensor = self.published.head(states_NH.float())
        return out

    def verdict(self, trajectory: Trajectory, numbers: Sequence[float]) -> Verdict:
        known = scores(numbers, 1.0)
        read, now, scores_S = iter(known), known[0], list[float]()
        for words in _words(trajectory.leaf):
            now = next(read) if words else now
            scores_S.append(now)
        return Verdict(score=aggregate(scores_S, self.aggregation), step_scores=tuple(scores_S))

    def price(self, question: Question) -> Price:
        around = len(self.published.layout.lay(self.published.tokenizer, "", ["", ""])[0])
        around -= len(self.published.layout.lay(self.published.tokenizer, "", [""])[0])
        own = self._reading(question, self.ratio)
        return Price(own.question, own.token, 0.0, self.ratio * max(0, around), rereads=own.rereads)

    def extra(self, trajectory: Trajectory) -> float:
        return self.price(trajectory.question).step * len(trajectory.steps)

    def _question_tokens(self, question: Question) -> Tokens:
        return self.published.layout.lay(self.published.tokenizer, question.text, [""])[0]

    def _lay(self, question: Question, leaf: Step) -> tuple[Tokens, list[int]]:
        steps = [step for step in _words(leaf) if step] or [""]
        tokens, places = self.published.layout.lay(self.published.tokenizer, question.text, steps)
        if len(places) != len(steps):
            raise PonderError(
                f"the {self.published.kind} verifier finds {len(places)} ends of steps in a text of {len(steps)}; "
                "its tokenizer is not the one that it was published with"
            )
        return tokens, places


def _words(leaf: Step) -> list[str]:
    """The words of each step, without thinking tags."""
    return [step.text.replace(THINK_CLOSE, "").replace(THINK_OPEN, "").strip() for step in leaf.path]
