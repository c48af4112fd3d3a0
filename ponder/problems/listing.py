"""What `ponder problems list` and `ponder problems show` print, as plain data."""

from __future__ import annotations

from typing import Any

from ponder.problems.files.jsonl import Jsonl
from ponder.problems.gym.family import REFUSED, describe, tasks
from ponder.problems.registry import FAMILIES, parse
from ponder.protocols import Demonstrated, Graded, Levelled
from ponder.types import PonderError


def listed() -> list[dict[str, Any]]:
    """One row a family: `{"spec", "summary", "parameters": {name: default}, "sample": question text or None}`.

    Families that need a target (a task, a file, a data set) have no sample and, if the target decides, no parameters.
    """
    return [
        {
            "spec": f"{name}:{entry.target}" if entry.target else name,
            "summary": entry.summary,
            "parameters": dict(entry.parameters or {}),
            "sample": None if entry.target else parse(name).problem(0).question.text,
        }
        for name, entry in FAMILIES.items()
    ]


def listed_gym() -> list[dict[str, Any]]:
    """The same for every task of reasoning-gym, with `levels`, its highest level, and without samples."""
    rows = []
    for task in tasks():
        about = describe(task)
        rows.append({"spec": f"gym:{task}", **{key: about[key] for key in ("summary", "parameters", "levels")}})
    return rows + [{"spec": f"gym:{task}", "refused": reason} for task, reason in REFUSED.items()]


def shown(spec: str, n: int = 3, *, split: str = "test", seed: int = 0) -> dict[str, Any]:
    """The family of `spec` and `n` of its problems: `{"name", "level", "grades_itself", ..., "problems": [...]}`.

    `skipped_lines` are rows of a file that cannot be graded.
    A problem is `{"id", "level", "instructions", "question", "answer", "demonstration": text or None}`.
    """
    if n < 1:
        raise PonderError(f"n={n}; show at least 1 problem")
    family = parse(spec)
    problems = []
    for problem in (family.problem(i, split=split, seed=seed) for i in range(n)):
        question = problem.question
        problems.append(
            {
                "id": question.id,
                "level": question.level,
                "instructions": question.instructions,
                "question": question.text,
                "answer": problem.key.answer,
                "demonstration": family.demonstration(problem, seed) if isinstance(family, Demonstrated) else None,
            }
        )
    return {
        "name": family.name,
        "level": family.level,
        "grades_itself": isinstance(family, Graded),
        "has_levels": isinstance(family, Levelled),
        "skipped_lines": list(family.skipped) if isinstance(family, Jsonl) else [],
        "problems": problems,
    }
