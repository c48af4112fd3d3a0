"""Credit to rows for the trainer.

A row is the prompt and the whole response. Tokens that the policy was forced to say get mask 0: they are context for
the tokens after them and nothing is learned from them. A group whose advantages are all zero (always solved, never
solved, or a single judged member) teaches nothing; it is dropped and counted, as are responses without a free token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ponder.losses.normalisation import LeftOut
from ponder.types import Credit, Question, Sample, Trajectory


@dataclass(frozen=True)
class Packed:
    """Rows for the trainer and what was left out: `dead` of `groups` had no gradient, `empty` rows no free token.

    `left_out` are the rows of dead groups and their free tokens, for losses that count them in their mean.
    """

    samples: tuple[Sample, ...]
    groups: int
    dead: int
    empty: int
    left_out: LeftOut

    @property
    def dead_share(self) -> float | None:
        return self.dead / self.groups if self.groups else None


def pack(credits_PG: Iterable[Sequence[Credit]], prompt_of: Callable[[Question], Sequence[int]]) -> Packed:
    """Rows of all groups that have a gradient. `prompt_of` gives the prompt tokens that the policy saw."""
    samples: list[Sample] = []
    groups = dead = empty = 0
    left_rows = left_tokens = 0.0
    for credits_G in credits_PG:
        groups += 1
        if not any(advantage for credit in credits_G for advantage in credit.advantages_T):
            dead += 1
            left_rows += len(credits_G)
            left_tokens += sum(sum(mask(credit.trajectory)) for credit in credits_G)
            continue
        if any(credit.pair for credit in credits_G):  # an answer without a partner is no row of a preference loss
            credits_G = [credit for credit in credits_G if credit.pair]
        kept = rows([credits_G], prompt_of)
        empty += len(credits_G) - len(kept)
        samples += kept
    return Packed(tuple(samples), groups, dead, empty, LeftOut(left_rows, left_tokens))


def rows(credits_PG: Iterable[Sequence[Credit]], prompt_of: Callable[[Question], Sequence[int]]) -> list[Sample]:
    """A row for each credit whose response has a free token, with a gradient or without (a critic learns from both)."""
    out = []
    for credits_G in credits_PG:
        prompt = tuple(prompt_of(credits_G[0].trajectory.question)) if credits_G else ()
        out += [_row(credit, prompt, index) for index, credit in enumerate(credits_G)]
    return [row for row in out if any(row.mask_T)]


def _row(credit: Credit, prompt: tuple[int, ...], index: int) -> Sample:
    trajectory = credit.trajectory
    return Sample(
        id=f"{trajectory.question.id}#{index}",
        prompt=prompt,
        response=trajectory.tokens,
        advantages_T=credit.advantages_T,
        mask_T=mask(trajectory),
        logprobs_T=trajectory.logprobs,
        version=min((step.version for step in trajectory.steps if not step.forced), default=0),
        returns_T=credit.returns_T,
        values_T=credit.values_T,
        teacher_logprobs_T=credit.teacher_T,
        pair=credit.pair,
        turn_T=turns(trajectory),
    )


def turns(trajectory: Trajectory) -> tuple[float, ...]:
    """The turn of each token, from 0."""
    return tuple(
        float(turn) for step, turn in zip(trajectory.steps, trajectory.turn_S, strict=True) for _ in step.tokens
    )


def mask(trajectory: Trajectory) -> tuple[float, ...]:
    """1.0 for each token that the policy chose, 0.0 for each that was forced."""
    return tuple(0.0 if step.forced else 1.0 for step in trajectory.steps for _ in step.tokens)


def demonstration(id: str, prompt: Sequence[int], response: Sequence[int]) -> Sample:
    """A row for behaviour cloning: every response token is imitated with weight one."""
    ones = (1.0,) * len(response)
    return Sample(id, tuple(prompt), tuple(response), advantages_T=ones, mask_T=ones)
