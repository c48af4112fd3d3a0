"""Grades the gold solutions of data files by `ponder grade` and says how many it takes for right, and how fast.

    python -m benchmarks.grade_gold gsm8k_train.jsonl math_extra.jsonl [--mark]

The prediction of a row is the text of its worked solution, its answer the row's answer; extraction never sees the
answer. Rows that are not right are listed. `--mark` closes each solution with `#### ANSWER`, the form in which GSM8K
was published: then only finding the mark and the equivalence are tested, not the reading of sentences.
Every answer is graded a second time with a number in it changed by one, and none of those may be right.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from pathlib import Path

from ponder.verifiers.grade import grade_file
from ponder.verifiers.rules.mathematics.pool import MathVerifier


def near_miss(answer: str) -> str | None:
    """The answer with its last integer one larger; None if it has none."""
    places = list(re.finditer(r"[0-9]+", answer))
    if not places:
        return None
    last = places[-1]
    return answer[: last.start()] + str(int(last.group()) + 1) + answer[last.end() :]


def grade(rows: list[dict[str, str]], folder: Path) -> list[dict[str, object]]:
    """The results of `ponder grade` on rows."""
    source, target = folder / "rows.jsonl", folder / "results.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    grade_file(source, target)
    return [json.loads(line) for line in target.open(encoding="utf-8")]


def milliseconds(rows: list[dict[str, str]]) -> list[float]:
    """The time of each answer alone, in one warm worker."""
    verifier, times = MathVerifier(workers=1), []
    list(verifier.grade([("x+1", "1+x")]))
    for row in rows:
        began = time.perf_counter()
        list(verifier.grade([(row["answer"], row["prediction"])]))
        times.append(1000 * (time.perf_counter() - began))
    verifier.close()
    return sorted(times)


def report(name: str, rows: list[dict[str, str]], results: list[dict[str, object]]) -> None:
    right = sum(result["outcome"] == 1.0 for result in results)
    failures = [result for result in results if result["failure"] is not None]
    times = milliseconds(rows)
    p99 = times[int(0.99 * (len(times) - 1))]
    print(
        f"{name}: {len(rows)} rows, {right} right, {len(rows) - right - len(failures)} wrong, {len(failures)} failures"
    )
    print(f"  median {statistics.median(times):.2f} ms, p99 {p99:.2f} ms, worst {times[-1]:.1f} ms")
    for row, result in zip(rows, results, strict=True):
        if result["outcome"] != 1.0:
            print(f"  {row['id']}: answer {row['answer']!r}, {result['failure'] or 'read'} {result['extracted']!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--mark", action="store_true", help="close each solution with `#### ANSWER`")
    options = parser.parse_args()
    for path in options.files:
        data = [json.loads(line) for line in path.open(encoding="utf-8")]
        mark = "\n#### {}" if options.mark else ""
        rows = [
            {"id": r["id"], "prediction": r["solution"] + mark.format(r["answer"]), "answer": r["answer"]} for r in data
        ]
        misses = [
            {"id": r["id"], "prediction": f"\\boxed{{{miss}}}", "answer": r["answer"]}
            for r in data
            if (miss := near_miss(r["answer"])) is not None
        ]
        with tempfile.TemporaryDirectory() as folder:
            report(path.name, rows, grade(rows, Path(folder)))
            accepted = [result for result in grade(misses, Path(folder)) if result["outcome"] == 1.0]
        print(f"  answers changed by one: {len(misses)}, taken for right: {len(accepted)}")
        for result in accepted:
            print(f"    {result['id']}: {result['extracted']!r}")


if __name__ == "__main__":
    main()
