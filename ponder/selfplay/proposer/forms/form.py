"""A form of proposals: how they are asked for, how they are read, and what may be wrong with them.

A proposal is the text behind the thinking, and must be one problem in the form's grammar and nothing else. The gold
answer is computed here and never taken from the model. What is wrong is one of these refusals:

    no_answer   the proposer said nothing behind its thinking, or was cut
    unparsable  the text is not one problem in the grammar
    too_large   numbers or sizes beyond the form's limits (what could take long to solve is one of them)
    trivial     nothing is left to solve
    unsolvable  there is no answer, or none of the type that is asked for
    held_out    the problem belongs to the validation or test split
    duplicate   the same problem was proposed before (asked of the source, which remembers)
    ungrounded  the answer does not stand in the passage that was shown (`corpus`, as the next two)
    leaked      the question holds its own answer
    dependent   the question points at the passage, which the solver does not see
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ponder.problems.splits import split_of
from ponder.protocols import Family
from ponder.types import Key, Problem, Question

LIKE = "Propose like: "
REFUSALS = (
    "no_answer",
    "unparsable",
    "too_large",
    "trivial",
    "unsolvable",
    "held_out",
    "duplicate",
    "ungrounded",
    "leaked",
    "dependent",
)


class Refused(Exception):
    """A proposal that is no problem; `reason` is one of `REFUSALS`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        assert reason in REFUSALS, reason
        self.reason = reason


@dataclass(frozen=True)
class Draft:
    """A proposal that is a problem: its text, the key that was computed for it, and its level.

    Two problems with one `content` are the same (canonical, as the family's splits have it); two with one `shape` are
    variations of each other.
    """

    text: str
    key: Key
    level: int
    content: str
    shape: str


class Form(Protocol):
    """One grammar. `family` makes examples of it, and its grader judges the answers to what is proposed."""

    @property
    def family(self) -> Family: ...

    @property
    def instructions(self) -> str:
        """What the proposer is told."""
        ...

    def read(self, text: str) -> Draft:
        """The problem that `text` is. Raises `Refused`."""
        ...


@runtime_checkable
class Grounded(Protocol):
    """A form whose proposals are about something that the proposer is shown."""

    def ask(self, number: int, seed: int) -> Question:
        """The question to the proposer."""
        ...

    def read_about(self, asked: Question, text: str) -> Draft:
        """The problem that `text` is as a reply to `asked`. Raises `Refused`."""
        ...


def drafted(form: Form, question: Question, text: str) -> Draft:
    """The problem that `text` is as a reply to `question`. Raises `Refused`."""
    return form.read_about(question, text) if isinstance(form, Grounded) else form.read(text)


def asked(form: Form, number: int, seed: int, *, shown: bool = False) -> Question:
    """The question to the proposer: an example of the form, as it stands in the training split, to go on from.

    With `shown` a turn before it shows such a question and a reply to it, both of the training split: a small chat
    model that is told the form alone solves the example instead.
    """
    if isinstance(form, Grounded):
        return form.ask(number, seed)
    example = form.family.problem(number, split="train", seed=seed)
    before = [form.family.problem(number + at, split="train", seed=seed).question.text for at in (1, 2)]
    return Question(
        id=f"propose-{form.family.name}-{seed}-{number}",
        family=f"propose {form.family.name}",
        text=f"{LIKE}{example.question.text}",
        instructions=form.instructions,
        level=example.level,
        history=(("user", f"{LIKE}{before[0]}"), ("assistant", before[1])) if shown else (),
    )


def made(form: Form, draft: Draft, id: str) -> Problem:
    """The problem for the solver, asked exactly as the family asks it."""
    example = form.family.problem(0, split="train", seed=0)
    question = Question(id, form.family.name, draft.text, example.question.instructions, draft.level)
    return Problem(question, draft.key)


def trained(draft: Draft) -> Draft:
    """`draft`, unless it belongs to a split that nobody may train on."""
    if split_of(draft.content) != "train":
        raise Refused("held_out", draft.content)
    return draft
