"""A second check of an answer, by other means than the first, where one exists.

    math          value at sampled points or as an exact fraction (`numeric`), against algebra
    constraints   the loose reading against the strict one, and the other way round
    numbers       families that carry `numbers` and `target`: the value and the numbers used, against their grader
    answer        families with a numeric key: extraction and comparison of the mathematics verifier
    letters       families with a key in words: letters alone, against their grader

No second check exists for programs. Two checks that agree may both be wrong; one that stands alone is worth a look.
In the caller's process and without algebra: a thousand opinions take a fraction of a second.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ponder.thinking import final_answer
from ponder.types import Problem, Verdict
from ponder.verifiers.rules.constraints.combination import judge as by_constraints
from ponder.verifiers.rules.mathematics import numeric
from ponder.verifiers.rules.mathematics.equivalence import GoldError, settle
from ponder.verifiers.rules.mathematics.extraction import extract
from ponder.verifiers.rules.mathematics.input_limits import RefusedError, check

SHOWN = 200
_ALPHABET = re.compile(r"[A-Za-z][A-Za-z ]*")


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the second check says (None: it cannot say), and its name."""

    check: str
    outcome: float | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One answer that exactly one of two checks accepts."""

    problem: str
    family: str
    question: str
    key: str | None
    answer: str | None
    first: float
    second: float
    check: str

    def row(self) -> dict[str, Any]:
        return asdict(self)


def second_opinion(problem: Problem, response: str) -> Opinion | None:
    """The second check of a response; None if there is none for this problem."""
    data, gold = problem.key.data, problem.key.answer
    named = data.get("verifier")
    if named == "math":
        return Opinion("numeric", None if gold is None else _by_numbers(gold, response))
    if named in ("constraints", "constraints_loose"):
        other = by_constraints(data.get("constraints"), response, loose=named == "constraints")
        return Opinion("loose reading" if named == "constraints" else "strict reading", other.outcome)
    if named is not None:
        return None
    if isinstance(data.get("numbers"), Sequence) and "target" in data:
        return Opinion("numbers", _by_target(response, data["numbers"], data["target"]))
    if gold is None:
        return None
    if _ALPHABET.fullmatch(gold):
        return Opinion("letters", float(_letters(gold) == _letters(final_answer(response) or "")))
    return Opinion("mathematics", _by_mathematics(gold, response))


def disagreements(
    problems: Sequence[Problem], responses: Sequence[str], verdicts: Sequence[Verdict]
) -> tuple[Counter[str], list[Disagreement]]:
    """How many answers of each family two checks could judge, and those on which they differ."""
    compared: Counter[str] = Counter()
    found = []
    for problem, response, verdict in zip(problems, responses, verdicts, strict=True):
        opinion = second_opinion(problem, response) if verdict.outcome is not None else None
        if opinion is None or opinion.outcome is None or verdict.outcome is None:
            continue
        compared[problem.family] += 1
        if (opinion.outcome > 0.5) != (verdict.outcome > 0.5):
            answer = verdict.extracted if verdict.extracted is not None else final_answer(response)
            found.append(
                Disagreement(
                    problem.id,
                    problem.family,
                    problem.question.text[:SHOWN],
                    None if problem.key.answer is None else problem.key.answer[:SHOWN],
                    None if answer is None else answer[:SHOWN],
                    verdict.outcome,
                    opinion.outcome,
                    opinion.check,
                )
            )
    return compared, found


def _by_numbers(gold: str, response: str) -> float | None:
    answers = extract(response).answers
    if not answers:
        return 0.0
    said = [numeric.agree(gold, answer) for answer in answers]
    return 0.0 if False in said else None if None in said else 1.0


def _by_mathematics(gold: str, response: str) -> float | None:
    answers = list(extract(response).answers)
    try:
        found = settle(gold, answers)
    except GoldError:
        return None
    return float(found) if found is not None else _by_numbers(gold, response)


def _by_target(response: str, numbers: Sequence[Any], target: Any) -> float | None:
    """The expression (before a claim "= 24") has the target's value and uses exactly the numbers."""
    text = (final_answer(response) or "").partition("=")
    try:
        check(text[0])
    except RefusedError:
        return 0.0
    if text[1] and text[2].strip() != str(target):
        return 0.0
    used = sorted(int(n) for n in re.findall(r"\d+", text[0])) == sorted(numbers)
    if not used or not text[0].strip():
        return 0.0
    made = numeric.agree(str(target), text[0])
    return 0.0 if made is None else float(made)  # with only numbers in it, what cannot be read is no expression


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
