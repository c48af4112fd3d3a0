"""Trajectories with what is known of them (cases), and the rows that a verifier learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ponder.labels import parquet
from ponder.labels.labelled import Labelled
from ponder.labels.rows import LabelRow
from ponder.learning.judged_rows import RIGHT, JudgedRow
from ponder.types import Group, PonderError, Question, Step, StopReason, Trajectory
from ponder.verifiers.learned.common.batched import step_ends
from ponder.verifiers.learned.generative import critique


@dataclass(frozen=True, slots=True)
class Case:
    """A trajectory with what is known of it: (step, label) pairs and the outcome (None: not known)."""

    problem: str
    trajectory: Trajectory
    labels: tuple[tuple[int, float], ...] = ()
    outcome: float | None = None


def cases_of(groups: Sequence[Group], labelled: Sequence[Labelled]) -> list[Case]:
    """Every judged trajectory, with its step labels where it has some. Trajectories with an empty step are left out."""
    known = {id(item.trajectory): item for item in labelled}
    found = []
    for group in groups:
        for trajectory, outcome in group.judged:
            if all(step.tokens for step in trajectory.steps):
                item = known.get(id(trajectory))
                labels = tuple((label.step, label.value) for label in item.labels) if item else ()
                found.append(Case(group.problem.id, trajectory, labels, outcome))
    return found


def read_labels(path: Path, separator: str, tokenizer: str) -> list[Case]:
    """The rows of a label file, which must be of this tokenizer and step rule."""
    rows = parquet.read(path, tokenizer=tokenizer, step_rule=separator)
    if not rows:
        raise PonderError(f"{path} holds no rows; label some problems first")
    return [_case(row, f"{path}, row {number}") for number, row in enumerate(rows)]


def _case(row: LabelRow, where: str) -> Case:
    if not row.tokens:
        raise PonderError(
            f"{where}: no tokens, only text; label with this model, or convert the file with its tokenizer"
        )
    question = Question(row.id, row.family, row.question, row.instructions)
    leaf: Step | None = None
    for k, (tokens, text) in enumerate(zip(row.tokens, row.steps, strict=True)):
        stop = StopReason.END if k == len(row.steps) - 1 else StopReason.STEP
        leaf = Step(tokens, (0.0,) * len(tokens), text, 0, stop, leaf)
    assert leaf is not None  # a row without steps was refused when it was read
    labels = tuple(zip(row.label_steps, row.labels, strict=True))
    return Case(row.id, Trajectory(question, leaf), labels, row.outcome)


def row(case: Case, prompt: Callable[[Question], tuple[int, ...]], said: tuple[int, ...] = ()) -> JudgedRow:
    """The case in tokens; `said` are those of a critique."""
    before = prompt(case.trajectory.question)
    tokens = before + case.trajectory.tokens
    ends = tuple(step_ends(len(tokens), case.trajectory))
    known = dict(case.labels)
    labels = tuple(known.get(k) for k in range(len(ends))) if known else ()
    return JudgedRow(case.problem, tokens, len(before), ends, labels, case.outcome, said)


def written(case: Case) -> str:
    """The critique that the labels ask for; empty if a step up to the first wrong one has none."""
    right = verdicts_of(case)
    return critique.write(right) if right else ""


def verdicts_of(case: Case) -> list[bool] | None:
    """Whether each step is right, up to the first wrong one. None if a step before that has no label."""
    known, found = dict(case.labels), []
    for k in range(len(case.trajectory.steps)):
        if k not in known:
            return None
        found.append(known[k] >= RIGHT)
        if not found[-1]:
            break
    return found


def kept(case: Case, text: str) -> bool:
    """Whether a critique that a model wrote may be learned from: each of its verdicts is that of the labels."""
    right = verdicts_of(case)
    return right is not None and critique.agrees(text, right)
