"""The suites' graders on files as published, held against figures that are published or follow from the file exactly.

    python -m benchmarks.published humaneval.jsonl mbpp.jsonl gsm8k_train.jsonl math_extra.jsonl \\
        ifeval_prompts.jsonl bigbench_mistake_a.jsonl

A file is known by the beginning of its name. Every line is a claim with what was expected and what was found; the
exit status is 1 if one differs. Code runs in the sandbox, as `ponder eval --suite` runs it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.published_mistakes import mistakes
from ponder.api.problems import ground_truth
from ponder.problems.files.jsonl import numbered_rows
from ponder.problems.suites.registry import SUITES, Published
from ponder.problems.suites.suite import first
from ponder.types import PonderError
from ponder.verifiers.rules.constraints.combination import check

Rows = list[dict[str, Any]]
# GPT-4 and PaLM 2 S on IFEval: prompts and instructions, strict and loose.
SHARES = (76.89, 83.57, 79.30, 85.37, 43.07, 55.76, 46.95, 59.11)


@dataclass(frozen=True)
class Claim:
    """One figure: what is counted, who says so, what it should be (any of `expected`) and what it is."""

    text: str
    source: str
    expected: tuple[Any, ...]
    got: Any

    @property
    def holds(self) -> bool:
        return self.got in self.expected


def program(text: str) -> str:
    """An answer as a model gives it."""
    return f"```python\n{text}\n```"


def wrong(name: str, path: Path, answer: Callable[[dict[str, Any]], str]) -> list[str]:
    """The ids of the rows whose `answer` the suite does not grade as right, in the file's order."""
    family = Published(SUITES[name], path)
    problems = [row.problem for row in family.rows]
    answers = [answer(row) for _, row in numbered_rows(path)]
    with ground_truth([family], allow_unsafe_code=False) as truth:
        verdicts = truth.grade(problems, answers)
    return [problem.id for problem, verdict in zip(problems, verdicts, strict=True) if verdict.outcome != 1.0]


def humaneval(path: Path, rows: Rows) -> Iterator[Claim]:
    """Every reference body passes, none does if its function returns nothing."""

    def body(row: dict[str, Any]) -> str:
        return program(first(row, "prompt", "problem") + first(row, "canonical_solution", "answer"))

    def nothing(row: dict[str, Any]) -> str:
        return program(first(row, "prompt", "problem") + "    return None\n")

    yield Claim("tasks", "arXiv 2107.03374", (164,), len(rows))
    yield Claim("reference programs that fail", "arXiv 2107.03374", ([],), wrong("humaneval", path, body))
    accepted = len(rows) - len(wrong("humaneval", path, nothing))
    yield Claim("programs that return None and pass", "must be none", (0,), accepted)


def mbpp(path: Path, rows: Rows) -> Iterator[Claim]:
    """Every reference program passes, but for one whose own tests name what does not exist."""
    parts = Counter(str(row.get("split")) for row in rows)
    yield Claim(
        "few-shot and validation tasks", "arXiv 2108.07732", ((10, 90),), (parts["prompt"], parts["validation"])
    )
    failed = wrong("mbpp", path, lambda row: program(first(row, "code", "answer")))
    yield Claim("reference programs that fail", "a NameError in its own tests", (["mbpp-927"], ["927"]), failed)


def gsm8k(path: Path, rows: Rows) -> Iterator[Claim]:
    """Every worked solution, closed by its mark as published, gives the published answer."""

    def marked(row: dict[str, Any]) -> str:
        return f"{row['solution']}\n#### {row['answer']}" if "solution" in row else str(row["answer"])

    yield Claim("problems (train or test)", "arXiv 2110.14168", (7473, 1319), len(rows))
    failed = wrong("gsm8k", path, marked)
    yield Claim("worked solutions graded wrong", "arXiv 2110.14168", ([],), failed)


def mathematics(path: Path, rows: Rows) -> Iterator[Claim]:
    """Worked solutions of MATH; several boxes side by side are no answer, though the key keeps the last."""
    failed = wrong("math500", path, lambda row: str(row["solution"]))
    single = [row["id"] for row in rows if str(row["solution"]).count("\\boxed") <= 1]
    apart = [id for id in failed if id in set(single)]
    yield Claim("worked solutions with one box that are graded wrong", "arXiv 2103.03874", ([],), apart)
    yield Claim("solutions with several boxes that are graded wrong", "docs/grading.md", (8,), len(failed) - len(apart))
    levels = {row["level"] for row in rows if row["level"] is not None}
    subjects = {row["subject"] for row in rows}
    yield Claim("levels and subjects", "arXiv 2103.03874", ((5, 7),), (len(levels), len(subjects)))


def ifeval(path: Path, rows: Rows) -> Iterator[Claim]:
    """The counts of the paper, and that each instruction has a checker that takes its arguments."""
    found = [row.problem.key.data["constraints"] for row in Published(SUITES["ifeval"], path).rows]
    yield Claim("prompts", "arXiv 2311.07911", (541,), len(rows))
    yield Claim("kinds of instructions", "arXiv 2311.07911", (25,), len({one["id"] for some in found for one in some}))
    count = sum(len(check(some, "An answer in one sentence.")) for some in found)
    yield Claim("instructions that were checked", "arXiv 2311.07911, table 3", (834,), count)
    apart = [share for share in SHARES if not any(is_share(share, of) for of in (len(rows), count))]
    yield Claim("published accuracies that are no share of these counts", "arXiv 2311.07911, table 3", ([],), apart)


def is_share(percent: float, count: int) -> bool:
    """Whether a whole number of `count` is this percentage, rounded to two places."""
    return round(100 * round(percent * count / 100) / count, 2) == percent


KNOWN: dict[str, Callable[[Path, Rows], Iterable[Claim]]] = {
    "humaneval": humaneval,
    "mbpp": mbpp,
    "gsm8k": gsm8k,
    "math": mathematics,
    "ifeval": ifeval,
    "bigbench_mistake": lambda _, rows: (Claim(*one) for one in mistakes(rows)),
}


def claims(path: Path) -> Iterator[Claim]:
    """The claims about a file. Raises PonderError for a name that says nothing of what is in it."""
    known = next((name for name in KNOWN if path.name.lower().startswith(name)), None)
    if known is None:
        raise PonderError(f"{path.name}: the name of a file begins with one of {', '.join(KNOWN)}")
    yield from KNOWN[known](path, [row for _, row in numbered_rows(path)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    failed = 0
    for path in parser.parse_args().files:
        for claim in claims(path):
            failed += not claim.holds
            wanted = " or ".join(str(each) for each in claim.expected)
            print(
                f"{'ok  ' if claim.holds else 'FAIL'} {path.name}: {claim.text} ({claim.source}): "
                f"expected {wanted}, got {claim.got}",
                flush=True,
            )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
