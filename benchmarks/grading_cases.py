"""Rows with the verdict that is due, graded by `ponder grade`: mathematics, constraints and programs alike.

    python -m benchmarks.grading_cases [FILE.jsonl] [--workers 2] [--without-programs]

A row is `{"id", "kind", "expected": 1.0 | 0.0 | "failure:NAME", "row": {...}}`; the file of the tests (629 rows from
public bug reports and attacks) unless another is named. What comes out otherwise is listed; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from ponder.verifiers.grade import grade_file

CASES = Path(__file__).parents[1] / "tests" / "verifiers" / "cases" / "grading.jsonl"


def whole(value: Any) -> Any:
    """A value with its long texts put together: `{"pieces": [[text, length], ...]}`, each repeated and cut."""
    if isinstance(value, dict):
        if set(value) == {"pieces"}:
            return "".join((text * (length // len(text) + 1))[:length] for text, length in value["pieces"])
        return {key: whole(one) for key, one in value.items()}
    return [whole(one) for one in value] if isinstance(value, list) else value


def verdicts(cases: list[dict[str, Any]], workers: int) -> list[float | str]:
    """Outcome of each, or `failure:NAME`."""
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place) / "rows.jsonl", Path(place) / "results.jsonl"
        source.write_text("".join(json.dumps({"id": c["id"], **c["row"]}) + "\n" for c in cases), encoding="utf-8")
        grade_file(source, target, workers=workers)
        results = [json.loads(line) for line in target.open(encoding="utf-8")]
    return [r["outcome"] if r["failure"] is None else f"failure:{r['failure']}" for r in results]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=CASES)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--without-programs", action="store_true", help="leave out rows with tests")
    asked = parser.parse_args()
    cases = [whole(json.loads(line)) for line in asked.file.open(encoding="utf-8")]
    if asked.without_programs:
        cases = [case for case in cases if "tests" not in case["row"]]
    found = verdicts(cases, asked.workers)
    off = [(case, got) for case, got in zip(cases, found, strict=True) if got != case["expected"]]
    false = sum(got == 1.0 for _, got in off)
    due = Counter(str(case["expected"]) for case in cases)
    print(f"{len(cases)} rows ({dict(due)}): {len(cases) - len(off)} as expected, {false} falsely right")
    for case, got in off:
        print(f"  {case['id']} ({case['kind']}): expected {case['expected']}, got {got}")
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
