"""HumanEval (2107.03374), MBPP (2108.07732) and IFEval (2311.07911): programs with tests, checkable instructions."""

from __future__ import annotations

from typing import Any

from ponder.problems.files.jsonl import INSTRUCTIONS
from ponder.problems.suites.suite import Row, Suite, Unreadable, first


def humaneval(row: Row, number: int) -> dict[str, Any]:
    """{task_id, prompt, entry_point, canonical_solution, test}."""
    return {
        "id": str(row.get("task_id") or row.get("id") or f"humaneval-{number}"),
        "problem": first(row, "prompt", "problem"),
        "answer": row.get("canonical_solution", row.get("answer")),
        "entry_point": first(row, "entry_point"),
        "tests": first(row, "test", "tests"),
    }


def mbpp(row: Row, number: int) -> dict[str, Any]:
    """{task_id, text, code, test_list, test_setup_code, challenge_test_list}; the tests are shown, as is usual."""
    tests = first(row, "test_list", "tests")
    if not isinstance(tests, list) or not all(isinstance(test, str) for test in tests):
        raise Unreadable("its tests are no list of texts")
    shown = "\n".join(tests)
    return {
        "id": str(row.get("task_id") or row.get("id") or f"mbpp-{number}"),
        "problem": f"{first(row, 'text', 'prompt', 'problem')}\n\nYour code should pass these tests:\n\n{shown}",
        "answer": row.get("code", row.get("answer")),
        "tests": tests,
        "test_setup": row.get("test_setup_code", row.get("test_setup", "")),
    }


def ifeval(row: Row, number: int) -> dict[str, Any]:
    """{key, prompt, instruction_id_list, kwargs}; arguments that are null do not count."""
    id = str(row.get("key") or row.get("id") or f"ifeval-{number}")
    if "constraints" in row:
        return {"id": id, "problem": first(row, "prompt", "problem"), "constraints": row["constraints"]}
    names, given = first(row, "instruction_id_list"), first(row, "kwargs")
    if not isinstance(names, list) or not isinstance(given, list) or len(names) != len(given):
        raise Unreadable("instruction_id_list and kwargs must be lists of one length")
    some = [
        {"id": name, "kwargs": {key: value for key, value in (kwargs or {}).items() if value is not None}}
        for name, kwargs in zip(names, given, strict=True)
    ]
    return {"id": id, "problem": first(row, "prompt"), "constraints": some}


HUMANEVAL = Suite("humaneval", "arXiv 2107.03374", humaneval, INSTRUCTIONS["code"], "code", "openai/openai_humaneval")
MBPP = Suite("mbpp", "arXiv 2108.07732", mbpp, INSTRUCTIONS["code"], "code", "google-research-datasets/mbpp")
IFEVAL = Suite(
    "ifeval", "arXiv 2311.07911", ifeval, INSTRUCTIONS["constraints"], "constraints", "google/IFEval", part="train"
)
