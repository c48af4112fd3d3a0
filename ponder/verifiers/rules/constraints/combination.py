"""A response against all of its constraints: right if every one holds, and the verdict names those that do not.

Strict takes the answer as it stands. Loose (same paper, section 3) lets each constraint hold in one of eight readings:
with or without the first line, the last line and all asterisks, so that "Sure, here it is:" or bold type does not
count against an answer. Only strict is a reward; the detail says where the two disagree. An empty answer follows
nothing, although it has no comma in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ponder.thinking import final_answer
from ponder.types import Verdict
from ponder.verifiers.rules.constraints.kinds import ConstraintError, checked

LONGEST = 100_000  # characters of an answer that is looked at; a longer one is wrong
SHOWN = 500


@dataclass(frozen=True, slots=True)
class Checked:
    """One constraint and whether it held, in the strict and in the loose reading."""

    id: str
    strict: bool
    loose: bool


def judge(constraints: Any, response: str, *, loose: bool = False) -> Verdict:
    """The verdict on a whole response, thinking included. Constraints that cannot be checked are a failure ("gold")."""
    answer = (final_answer(response) or "").replace("\r\n", "\n")
    try:
        results = check(constraints, answer)
    except ConstraintError as error:
        return Verdict(failure="gold", extracted=_shown(answer), detail=str(error))
    if not answer or len(answer) > LONGEST:
        why = f"{len(answer)} characters; at most {LONGEST} are read" if answer else "no answer after the thinking"
        return Verdict(outcome=0.0, extracted=_shown(answer), detail=why)
    right = all(result.loose if loose else result.strict for result in results)
    return Verdict(outcome=float(right), extracted=_shown(answer), detail=_told(results))


def check(constraints: Any, answer: str) -> list[Checked]:
    """Each constraint by itself. Raises ConstraintError for one that cannot be checked, or if there is none."""
    if not isinstance(constraints, Sequence) or isinstance(constraints, str) or not constraints:
        raise ConstraintError('constraints must be a list of {"id", "kwargs"} with at least one member')
    kinds = [checked(constraint) for constraint in constraints]
    if len(answer) > LONGEST:
        return [Checked(name, False, False) for name, _, _ in kinds]
    texts = readings(answer)
    results = []
    for name, kind, parameters in kinds:
        strict = bool(answer.strip()) and kind.holds(answer, **parameters)
        others = (text for text in texts if text != answer)
        results.append(Checked(name, strict, strict or any(kind.holds(text, **parameters) for text in others)))
    return results


def readings(answer: str) -> list[str]:
    """The answer and its seven relaxed forms; empty and equal ones are left out."""
    lines = answer.split("\n")
    cut = [answer, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    both = [text for part in cut for text in (part, part.replace("*", ""))]
    return [text for text in dict.fromkeys(both) if text.strip()]


def _told(results: Sequence[Checked]) -> str:
    """Which constraints failed, and which of them only in the strict reading."""
    failed = [result.id + (" (holds loosely)" if result.loose else "") for result in results if not result.strict]
    return f"failed: {', '.join(failed)}" if failed else f"all {len(results)} hold"


def _shown(answer: str) -> str | None:
    return (answer if len(answer) <= SHOWN else answer[:SHOWN] + "…") or None
