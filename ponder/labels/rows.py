"""One labelled response as a row that explains itself, and what every row must satisfy.

Rows of our own making carry tokens and say which tokenizer and step rule cut them: labels stand at token positions,
and a file of another tokenizer or rule would train nonsense without a complaint. Rows read from other people's data
have text only (`tokens`, `tokenizer` and `step_rule` empty).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ponder.labels.labelled import NO_ERROR, Labelled
from ponder.types import PonderError, Question, Step, StepLabel, StopReason, Trajectory


@dataclass(frozen=True, slots=True)
class LabelRow:
    """`labels[i]` and `rollouts[i]` belong to step `label_steps[i]`; steps may be without a label.

    `outcome` is the grade of the whole response (None: unknown). `first_error` as in `labelled.py`. `advantages`
    is empty or has one for each step. `correctness` says that labels call steps right or wrong (1 or 0) and therefore
    stop at the first error; otherwise they are values of prefixes.
    """

    id: str
    family: str
    question: str
    instructions: str
    steps: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    label_steps: tuple[int, ...]
    labels: tuple[float, ...]
    rollouts: tuple[int, ...]
    outcome: float | None
    first_error: int | None
    advantages: tuple[float, ...] = ()
    method: str = ""
    correctness: bool = False
    model: str = ""
    tokenizer: str = ""
    step_rule: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """What all rows of a job share."""

    method: str
    model: str
    tokenizer: str
    step_rule: str
    seed: int
    correctness: bool = False

    def row(self, item: Labelled) -> LabelRow:
        """A labelled trajectory as a row."""
        question, steps = item.trajectory.question, item.trajectory.steps
        return LabelRow(
            id=question.id,
            family=question.family,
            question=question.text,
            instructions=question.instructions,
            steps=tuple(step.text for step in steps),
            tokens=tuple(step.tokens for step in steps),
            label_steps=tuple(label.step for label in item.labels),
            labels=tuple(label.value for label in item.labels),
            rollouts=tuple(label.rollouts for label in item.labels),
            outcome=item.outcome,
            first_error=item.first_error,
            advantages=item.advantages_S,
            method=self.method,
            correctness=self.correctness,
            model=self.model,
            tokenizer=self.tokenizer,
            step_rule=self.step_rule,
            seed=self.seed,
        )


def labelled(row: LabelRow, where: str) -> Labelled:
    """The trajectory of a row, as if it had just been labelled; PonderError for a row of text alone."""
    if not row.tokens:
        raise PonderError(
            f"{where}: no tokens, only text; convert the file with `ponder convert-labels` for this model"
        )
    question = Question(row.id, row.family, row.question, row.instructions)
    leaf: Step | None = None
    for k, (tokens, text) in enumerate(zip(row.tokens, row.steps, strict=True)):
        stop = StopReason.END if k == len(row.steps) - 1 else StopReason.STEP
        leaf = Step(tokens, (0.0,) * len(tokens), text, 0, stop, leaf)
    if leaf is None:
        raise PonderError(f"{where}: a response without steps; correct or remove the row")
    labels = tuple(map(StepLabel, row.label_steps, row.labels, row.rollouts))
    return Labelled(Trajectory(question, leaf), labels, row.outcome, row.first_error, row.advantages)


def fingerprint(vocabulary: Mapping[str, int]) -> str:
    """A short name of a vocabulary (token text -> id). Two tokenizers with one vocabulary share it."""
    pairs = sorted(vocabulary.items(), key=lambda pair: pair[1])
    return hashlib.sha256(repr(pairs).encode()).hexdigest()[:16]


def check(row: LabelRow, where: str) -> LabelRow:
    """The row itself if it can be trained on; else a PonderError that begins with `where` (file and row)."""
    fault = _fault(row)
    if fault:
        raise PonderError(f"{where}: {fault}; correct or remove the row")
    return row


def check_origin(row: LabelRow, where: str, *, tokenizer: str | None, step_rule: str | None) -> None:
    """Refuse labels that stand at the tokens of another tokenizer or of another step rule. None accepts any."""
    if tokenizer is not None and row.tokenizer != tokenizer:
        raise PonderError(
            f"{where}: labels for tokenizer {row.tokenizer or '(none)'}, but this model's is {tokenizer}; "
            "label with this model or load the one that the labels were made for"
        )
    if step_rule is not None and row.step_rule != step_rule:
        raise PonderError(
            f"{where}: steps end at {row.step_rule!r}, but {step_rule!r} is asked for; "
            "label again with --separator or use the rule of the file"
        )


def cut_after_first_error(row: LabelRow) -> LabelRow:
    """Without the labels after the first step that is labelled 0, and with that step as the first error."""
    error = next((k for k, value in zip(row.label_steps, row.labels, strict=True) if value == 0), None)
    if error is None:
        return row
    kept = [i for i, step in enumerate(row.label_steps) if step <= error]
    return replace(
        row,
        label_steps=tuple(row.label_steps[i] for i in kept),
        labels=tuple(row.labels[i] for i in kept),
        rollouts=tuple(row.rollouts[i] for i in kept),
        first_error=error,
    )


def _fault(row: LabelRow) -> str | None:
    if not row.steps:
        return "a response without steps"
    return _bad_steps(row) or _bad_labels(row)


def _bad_steps(row: LabelRow) -> str | None:
    if row.tokens and len(row.tokens) != len(row.steps):
        return f"{len(row.tokens)} lists of tokens for {len(row.steps)} steps"
    # A step of tokens that print as nothing (the end of the turn alone) is not empty.
    empty = [k for k, text in enumerate(row.steps) if not (row.tokens[k] if row.tokens else text.strip())]
    if empty:
        return f"step {empty[0]} is empty"
    if row.advantages and len(row.advantages) != len(row.steps):
        return f"{len(row.advantages)} advantages for {len(row.steps)} steps"
    return None


def _bad_labels(row: LabelRow) -> str | None:
    last = len(row.steps) - 1
    if not len(row.label_steps) == len(row.labels) == len(row.rollouts):
        return f"{len(row.labels)} labels and {len(row.rollouts)} rollouts for {len(row.label_steps)} labelled steps"
    if list(row.label_steps) != sorted(set(row.label_steps)) or any(not 0 <= k <= last for k in row.label_steps):
        return f"labelled steps {list(row.label_steps)} are not rising within 0..{last}"
    numbers = [*row.labels, *row.advantages, *(() if row.outcome is None else (row.outcome,))]
    if not all(math.isfinite(number) for number in numbers):
        return "a value that is not finite"
    if not all(0 <= value <= 1 for value in row.labels):
        return f"a label outside 0..1: {next(v for v in row.labels if not 0 <= v <= 1)}"
    if row.first_error is not None and not NO_ERROR <= row.first_error <= last:
        return f"first error {row.first_error} outside {NO_ERROR}..{last}"
    wrong = [k for k, value in zip(row.label_steps, row.labels, strict=True) if value == 0]
    if row.correctness and wrong and wrong[0] != row.label_steps[-1]:
        return f"labels after the first error (step {wrong[0]}), where labels of correctness mean nothing"
    return None


def as_data(row: LabelRow) -> dict[str, Any]:
    """The row in JSON's types."""
    return {name: getattr(row, name) for name in LabelRow.__dataclass_fields__}


def from_data(data: Mapping[str, Any], where: str) -> LabelRow:
    """The row that `as_data` gave. Raises PonderError with `where` for missing fields and wrong types."""
    missing = sorted(LabelRow.__dataclass_fields__.keys() - data.keys())
    if missing:
        raise PonderError(f"{where}: no {', '.join(missing)}; this is not a label file of `ponder label`")
    try:
        given = {name: data[name] for name in LabelRow.__dataclass_fields__}
        for name in ("steps", "label_steps", "labels", "rollouts", "advantages"):
            given[name] = tuple(given[name])
        given["tokens"] = tuple(tuple(tokens) for tokens in given["tokens"])
        given["labels"] = tuple(math.nan if value is None else float(value) for value in given["labels"])
    except (TypeError, ValueError) as error:
        raise PonderError(f"{where}: a field has the wrong type ({error}); restore the file") from error
    return check(LabelRow(**given), where)
