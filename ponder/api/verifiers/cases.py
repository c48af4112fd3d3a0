"""Labelled trajectories, from groups and from files, and the rows that a verifier learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ponder.labels import parquet
from ponder.labels.labelled import Labelled
from ponder.labels.rows import labelled
from ponder.learning.judged_rows import RIGHT, JudgedRow
from ponder.types import Group, PonderError, Question
from ponder.verifiers.learned.common.batched import step_ends
from ponder.verifiers.learned.generative import critique


def cases_of(groups: Sequence[Group], items: Sequence[Labelled]) -> list[Labelled]:
    """Every judged trajectory, with its step labels where it has some. Trajectories with an empty step are left out."""
    known = {id(item.trajectory): item.labels for item in items}
    return [
        Labelled(trajectory, known.get(id(trajectory), ()), outcome)
        for group in groups
        for trajectory, outcome in group.judged
        if all(step.tokens for step in trajectory.steps)
    ]


def read_labels(path: Path, separator: str, tokenizer: str) -> list[Labelled]:
    """The rows of a label file, which must be of this tokenizer and step rule."""
    rows = parquet.read(path, tokenizer=tokenizer, step_rule=separator)
    if not rows:
        raise PonderError(f"{path} holds no rows; label some problems first")
    return [labelled(row, f"{path}, row {number}") for number, row in enumerate(rows)]


def row(case: Labelled, prompt: Callable[[Question], tuple[int, ...]], said: tuple[int, ...] = ()) -> JudgedRow:
    """The case in tokens; `said` are those of a critique."""
    before = prompt(case.trajectory.question)
    tokens = before + case.trajectory.tokens
    ends = tuple(step_ends(len(tokens), case.trajectory))
    known = {label.step: label.value for label in case.labels}
    labels = tuple(known.get(k) for k in range(len(ends))) if known else ()
    return JudgedRow(case.problem, tokens, len(before), ends, labels, case.outcome, said)


def written(case: Labelled) -> str:
    """The critique that the labels ask for; empty if a step up to the first wrong one has none."""
    right = verdicts_of(case)
    return critique.write(right) if right else ""


def verdicts_of(case: Labelled) -> list[bool] | None:
    """Whether each step is right, up to the first wrong one. None if a step before that has no label."""
    known: dict[int, float] = {label.step: label.value for label in case.labels}
    found: list[bool] = []
    for k in range(len(case.trajectory.steps)):
        if k not in known:
            return None
        found.append(known[k] >= RIGHT)
        if not found[-1]:
            break
    return found


def kept(case: Labelled, text: str) -> bool:
    """Whether a critique that a model wrote may be learned from: each of its verdicts is that of the labels."""
    right = verdicts_of(case)
    return right is not None and critique.agrees(text, right)
