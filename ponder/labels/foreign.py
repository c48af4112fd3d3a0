"""Label files of other people: Math-Shepherd, PRM800K and MATH-APS rows become `LabelRow`s without tokens.

`ponder convert-labels` gives them the tokens of a model, so that a verifier can learn from them (`tokenised`).

Files are JSON lines, or one JSON list. The labels of all three call steps right (1) or wrong (0); what stands after
the first wrong step is cut on reading unless `strict`, which refuses it. A row that does not have the form of its
data set is a PonderError with file and row (rows count from 0).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ponder.labels.labelled import NO_ERROR
from ponder.labels.rows import LabelRow, Origin, check, cut_after_first_error
from ponder.types import PonderError

STEP_TAG = "\u043a\u0438"  # the two Cyrillic letters that end a step in Math-Shepherd
APS_TAG = "\n" * 5
_SIGNS = {"+": 1.0, "-": 0.0, 1: 1.0, 0: 0.0, "1": 1.0, "0": 0.0}
Pairs = tuple[str, list[str], list[float]]  # question, steps, labels of the first steps


class _Malformed(ValueError):
    """What is wrong with a row, in words."""


def math_shepherd(path: Path, *, strict: bool = False) -> list[LabelRow]:
    """`input`: question and steps, each step closed by the tag; `label`: the same text with + or - for each tag.

    `task` names the family. The question is what stands before "Step 1:".
    """
    return _rows(path, "math-shepherd", _shepherd, strict)


def math_aps(path: Path, *, strict: bool = False) -> list[LabelRow]:
    """`question`; `process`: the steps, each closed by five line ends; `label`: a list of + and -, one a step."""
    return _rows(path, "math-aps", _aps, strict)


def prm800k(path: Path, *, strict: bool = False) -> list[LabelRow]:
    """`question.problem`; `label.steps[i].completions[j]` with `text` and `rating` (-1, 0, 1 or null).

    The completion that `chosen_completion` names is the step; where none was chosen the only rated one is, or the
    first one rated -1, and the solution ends there. A person's own step (`human_completion`) counts as right. Neutral
    (0) counts as right, as in the paper's scoring. A step without a rating ends the labels.
    """
    return _rows(path, "prm800k", _prm800k, strict)


FORMATS: dict[str, Callable[[Path], list[LabelRow]]] = {
    "math-shepherd": math_shepherd,
    "math-aps": math_aps,
    "prm800k": prm800k,
}


def tokenised(row: LabelRow, encode: Callable[[str], tuple[int, ...]], origin: Origin) -> LabelRow:
    """The row in tokens of one tokenizer, with steps that end where `origin.step_rule` says.

    A separator inside a step becomes a blank, and each step but the last ends with one.
    """
    last, rule = len(row.steps) - 1, origin.step_rule
    texts = tuple(" ".join(step.split(rule)) + (rule if k < last else "") for k, step in enumerate(row.steps))
    return replace(
        row,
        steps=texts,
        tokens=tuple(map(encode, texts)),
        model=origin.model,
        tokenizer=origin.tokenizer,
        step_rule=rule,
    )


def _rows(path: Path, method: str, parse: Callable[[Mapping[str, Any]], Pairs], strict: bool) -> list[LabelRow]:
    rows = []
    for number, data in enumerate(_objects(path)):
        where = f"{path}, row {number}"
        try:
            question, steps, labels = parse(data)
        except (_Malformed, KeyError, TypeError, IndexError, AttributeError) as error:
            what = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise PonderError(f"{where}: not a {method} row ({what}); give a file of that data set") from error
        row = _row(f"{method}-{number}", str(data.get("task", method)), method, question, steps, labels)
        rows.append(check(row if strict else cut_after_first_error(row), where))
    return rows


def _row(id: str, family: str, method: str, question: str, steps: list[str], labels: list[float]) -> LabelRow:
    complete = len(labels) == len(steps)
    error = labels.index(0.0) if 0.0 in labels else NO_ERROR if complete else None
    return LabelRow(
        id=id,
        family=family,
        question=question,
        instructions="",
        steps=tuple(steps),
        tokens=(),
        label_steps=tuple(range(len(labels))),
        labels=tuple(labels),
        rollouts=(0,) * len(labels),
        outcome=None,
        first_error=error,
        method=method,
        correctness=True,
    )


def _objects(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PonderError(f"{path}: cannot be read ({error}); give a JSON or JSON-lines file") from error
    if text.lstrip().startswith("["):
        found = _json(text, f"{path}")
    else:
        lines = [line for line in text.split("\n") if line.strip()]
        found = [_json(line, f"{path}, row {number}") for number, line in enumerate(lines)]
    for number, value in enumerate(found):
        if not isinstance(value, dict):
            raise PonderError(f"{path}, row {number}: not a JSON object; give a file of that data set")
        yield value


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise PonderError(f"{where}: not valid JSON ({error}); correct or remove the row") from error


def _shepherd(data: Mapping[str, Any]) -> Pairs:
    given, labelled = data["input"], data["label"]
    pieces = given.split(STEP_TAG)
    if len(pieces) < 2:
        raise _Malformed("no step tag in the input")
    signs: list[float] = []
    at = 0
    for piece in pieces[:-1]:
        at += len(piece)
        # The label repeats the input, with one sign where the input has the tag.
        if labelled[at - len(piece) : at] != piece or labelled[at : at + 1] not in ("+", "-"):
            raise _Malformed(f"the label does not follow the input at step {len(signs)}")
        signs.append(_SIGNS[labelled[at]])
        at += 1
    question, mark, first = pieces[0].rpartition("Step 1:")
    if not mark:
        raise _Malformed("no Step 1: in the input")
    return question.strip(), [mark + first.rstrip(), *(piece.strip() for piece in pieces[1:-1])], signs


def _aps(data: Mapping[str, Any]) -> Pairs:
    steps = [step.strip() for step in data["process"].split(APS_TAG)]
    if steps and not steps[-1]:
        steps.pop()
    labels = data["label"]
    if not isinstance(labels, list) or len(labels) != len(steps) or any(label not in _SIGNS for label in labels):
        raise _Malformed(f"{len(steps)} steps need as many labels + or -")
    return data["question"], steps, [_SIGNS[label] for label in labels]


def _prm800k(data: Mapping[str, Any]) -> Pairs:
    steps: list[str] = []
    labels: list[float] = []
    for step in data["label"]["steps"]:
        text, rating = _chosen(step)
        if text is None:
            break
        steps.append(text)
        if rating is None:
            break
        if rating not in (-1, 0, 1):
            raise _Malformed(f"rating {rating!r} is none of -1, 0, 1")
        labels.append(float(rating >= 0))
    return data["question"]["problem"], steps, labels


def _chosen(step: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """The text and rating of the step that the solution went on with or ended at."""
    if step.get("human_completion") is not None:
        return step["human_completion"]["text"], 1
    completions = step["completions"] or []
    if step.get("chosen_completion") is not None:
        completion = completions[step["chosen_completion"]]
    else:
        wrong = [c for c in completions if c.get("rating") == -1]
        completion = (wrong or completions or [None])[0]
    return (None, None) if completion is None else (completion["text"], completion.get("rating"))
