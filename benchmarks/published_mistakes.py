"""BIG-Bench Mistake (arXiv 2311.08516): its counts, its keys worked out again, and its labels found by a program.

The labels of the bracket task (`dyck_languages`) follow from the task: after every symbol the stack is known. A second,
short implementation reads each step's brackets and names the first step that says something else. It must find every
published index but those of four traces, whose labels mark a space or a comma and no bracket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ponder.evaluation.audit.calibration import NO_ERROR, first_error_f1
from ponder.problems.families.expressions import evaluate

PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">"}
SOURCE = "arXiv 2311.08516"
SPELLED = ("202", "738", "790", "902")  # "{{" for "{ {", and a comma too many: no bracket is wrong
# Published: 2,186 traces, of which a file with every second row of each task has half.
TRACES = {
    "dyck_languages": (986, 493), "logical_deduction": (300, 150), "multistep_arithmetic": (300, 150),
    "tracking_shuffled_objects": (300, 150), "word_sorting": (300, 150),
}  # fmt: skip


def mistakes(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str, tuple[Any, ...], Any]]:
    """(claim, source, expected, found) for each figure."""
    by_task: dict[str, list[dict[str, Any]]] = {name: [row for row in rows if row["task"] == name] for name in TRACES}
    for name, some in by_task.items():
        yield f"{name}: traces", SOURCE, TRACES[name], len(some)
    sums = [row["id"] for row in by_task["multistep_arithmetic"] if value(row["problem"]) != int(row["answer"])]
    yield "multistep_arithmetic: answers that are not the value", "follows from the problem", ([],), sums
    unsorted = [r["id"] for r in by_task["word_sorting"] if sorted(r["problem"].split()) != r["answer"].split()]
    yield "word_sorting: answers that are not sorted", "follows from the problem", ([],), unsorted
    brackets = by_task["dyck_languages"]
    unclosed = [r["id"] for r in brackets if closing(r["problem"]) != r["answer"].split()]
    yield "dyck_languages: answers that do not close", "follows from the problem", ([],), unclosed
    marked = [NO_ERROR if row["first_error"] is None else int(row["first_error"]) for row in brackets]
    found = [first_wrong(row["problem"], row["steps"]) for row in brackets]
    apart = [row["id"] for row, a, b in zip(brackets, marked, found, strict=True) if a != b]
    apart = [name for name in apart if name.rsplit("-", 1)[-1] not in SPELLED]
    yield f"dyck_languages: first errors that a program does not find, beside {SPELLED}", SOURCE, ([],), apart
    never = first_error_f1([NO_ERROR] * len(marked), marked)
    yield "dyck_languages: F1 of 'never wrong'", "arXiv 2412.06559", (0.0,), never
    flawless = [row for row, place in zip(brackets, marked, strict=True) if place == NO_ERROR]
    wrong = sum(row["answer"].split() != row["model_answer"].split() for row in flawless)
    yield "dyck_languages: traces without an error that end wrong", "cannot be", (0,), wrong


def value(problem: str) -> int:
    """The value of `((-4 + 5) * 3) = `."""
    return int(evaluate(problem.split("=")[0].strip()))


def stacks(problem: str) -> list[list[str]]:
    """The open brackets after each symbol."""
    found: list[list[str]] = [[]]
    for symbol in problem.split():
        closes = found[-1] and PAIRS[found[-1][-1]] == symbol
        found.append(found[-1][:-1] if closes else [*found[-1], symbol])
    return found[1:]


def closing(problem: str) -> list[str]:
    """What closes all that is open at the end."""
    return [PAIRS[symbol] for symbol in reversed(stacks(problem)[-1])]


def first_wrong(problem: str, steps: list[str]) -> int:
    """The index of the first step whose brackets are not those that the task gives; -1 if there is none.

    Steps 0 and 1 begin, then one step a symbol says the symbol and the stack, then three steps say the last stack, what
    is popped, and what closes it (once quoted and once as the answer).
    """
    symbols, open_after = problem.split(), stacks(problem)
    wanted = [[], [], *([symbol, *stack] for symbol, stack in zip(symbols, open_after, strict=True))]
    last, ends = open_after[-1], closing(problem)
    wanted += [last, last[::-1], [*ends, *ends]]
    for place, step in enumerate(steps):
        said = re.findall(r"[][(){}<>]", re.sub(r'("."),? twice', r"\1 \1", step))
        if place == len(wanted) - 2 == len(steps) - 1 and said == wanted[-2] + ends:
            return NO_ERROR  # the last two steps in one, and the answer said once
        if place >= len(wanted) or said != wanted[place]:
            return place
    return NO_ERROR if len(steps) == len(wanted) else len(steps) - 1
