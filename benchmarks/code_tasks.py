"""The code verifier on data files: canonical answers, and mutants of them held against a plain interpreter.

    python -m benchmarks.code_tasks humaneval.jsonl mbpp.jsonl [--mutants 2]

Every row's own answer is graded; what is not right is listed with the reason. Then single-fault mutants of each answer
are graded, and each is also run with the official tests in one plain process (our own programs, so that is safe): a
mutant that fails there and is right here is a false accept, one that passes there and is wrong here a false reject.
The share of mutants that both accept says how weak the tests are.
"""

from __future__ import annotations

import argparse
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ponder.problems.code.mutants import mutants
from ponder.problems.code.tasks import vet
from ponder.problems.files.jsonl import Jsonl
from ponder.types import Problem
from ponder.verifiers.rules.code.boxes.runtime import executable
from ponder.verifiers.truth import GroundTruth

SECONDS = 10.0


def plain(problem: Problem, answer: str) -> bool:
    """Whether the answer passes its tests in one process, as the data sets' own harness runs them."""
    data: dict[str, Any] = dict(problem.key.data)
    if data.get("entry_point"):
        text = f"{problem.question.text}{answer}\n{data['tests']}\ncheck({data['entry_point']})\n"
    else:
        text = "\n".join([data.get("test_setup", ""), answer, *data["tests"], *data.get("challenge_tests", [])])
    try:
        command = [executable(), "-I", "-S", "-c", text]
        return subprocess.run(command, timeout=SECONDS, capture_output=True, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--mutants", type=int, default=2)
    asked = parser.parse_args()
    with GroundTruth(workers=2) as truth, ThreadPoolExecutor(2) as threads:
        for file in asked.files:
            family = Jsonl(file, split="all")
            vetted = vet([row.problem for row in family.rows], truth.grade)
            print(f"{file.name}: {len(vetted.kept)} of {len(family.rows)} own answers right")
            for name, why in {**vetted.refused, **vetted.untried}.items():
                print(f"  {name}: {why}")
            pairs = [(p, text) for p in vetted.kept for text in mutants(p.key.answer or "", asked.mutants)]
            ours = truth.grade([p for p, _ in pairs], [text for _, text in pairs])
            theirs = list(threads.map(lambda pair: plain(*pair), pairs))
            counts = Counter((verdict.outcome, passed) for verdict, passed in zip(ours, theirs, strict=True))
            print(
                f"  {len(pairs)} mutants: both refuse {counts[0.0, False]}, both accept {counts[1.0, True]}, ", end=""
            )
            print(f"false accepts {counts[1.0, False]}, false rejects {counts[0.0, True]}, ", end="")
            print(f"failures {sum(count for (outcome, _), count in counts.items() if outcome is None)}")
            for (problem, _), verdict, passed in zip(pairs, ours, theirs, strict=True):
                if verdict.outcome != float(passed):
                    print(f"  {problem.id}: plain {'passes' if passed else 'fails'}, here {verdict.detail[:150]}")


if __name__ == "__main__":
    main()
