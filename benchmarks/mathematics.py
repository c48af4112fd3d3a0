"""Ponder's mathematics beside plain math-verify: agreement with the truth, time and memory.

    python -m benchmarks.mathematics ROWS.jsonl [--rows 500] [--gradings 10000]
    python -m benchmarks.mathematics ROWS.jsonl --rows 300 --processor

The rows (`{"answer", "solution"}`) are math-verify's own ground: the worked solution must be right, and its answer
changed by one and boxed must be wrong. `tests/verifiers/adversarial.jsonl` holds hedges, near misses and hostile
answers with the verdict that is due. A failure (time, memory) agrees with "wrong", since it is no reward.
Then the rows are graded again and again in one warm worker: seconds for each, memory of both processes at the ends.
`--processor` measures nothing but the processor time of each grading, twice over all rows and in this process, which
other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from itertools import cycle, islice
from pathlib import Path

import psutil
from math_verify import parse, verify

from ponder.verifiers.rules.mathematics import equivalence
from ponder.verifiers.rules.mathematics.extraction import extract
from ponder.verifiers.rules.mathematics.pool import MathVerifier

CASES = Path(__file__).parents[1] / "tests" / "verifiers" / "adversarial.jsonl"
Case = tuple[str, str, bool]


def own_ground(path: Path, rows: int) -> list[Case]:
    """Solutions, and their answers with the last integer one larger."""
    cases: list[Case] = []
    for line in islice(path.open(encoding="utf-8"), rows):
        row = json.loads(line)
        cases.append((row["answer"], row["solution"], True))
        places = list(re.finditer(r"[0-9]+", row["answer"]))
        if places:
            a, b = places[-1].span()
            cases.append(
                (
                    row["answer"],
                    rf"\boxed{{{row['answer'][:a]}{int(row['answer'][a:b]) + 1}{row['answer'][b:]}}}",
                    False,
                )
            )
    return cases


def hostile() -> list[Case]:
    rows = [json.loads(line) for line in CASES.open(encoding="utf-8")]
    return [(row["gold"], row["response"], row["right"]) for row in rows]


def ponder(cases: list[Case]) -> list[bool]:
    verifier = MathVerifier(workers=1)
    verdicts = [verdict.outcome == 1.0 for verdict in verifier.grade((gold, text) for gold, text, _ in cases)]
    verifier.close()
    return verdicts


def plain(cases: list[Case]) -> list[bool]:
    """math-verify as its documentation says: parse both, then verify; the gold answer between dollar signs."""
    return [bool(verify(parse(f"${gold}$"), parse(text))) for gold, text, _ in cases]


def agreement(name: str, cases: list[Case]) -> None:
    for who, judge in (("ponder", ponder), ("math-verify", plain)):
        began = time.perf_counter()
        verdicts = judge(cases)
        accepted = sum(said and not due for said, (_, _, due) in zip(verdicts, cases, strict=True))
        refused = sum(due and not said for said, (_, _, due) in zip(verdicts, cases, strict=True))
        share = 1 - (accepted + refused) / len(cases)
        seconds = time.perf_counter() - began
        print(
            f"{name}, {who}: {share:.2%} of {len(cases)} agree ({accepted} falsely accepted, {refused} falsely "
            f"refused), {seconds:.1f} s"
        )


def cost(cases: list[Case], gradings: int) -> None:
    """Seconds of each grading alone, and resident memory after the first tenth and at the end."""
    verifier, me = MathVerifier(workers=1), psutil.Process()
    list(verifier.grade([("x+1", "1+x")]))

    def megabytes() -> float:
        return float(sum(process.memory_info().rss for process in (me, *me.children()))) / 2**20

    times: list[float] = []
    early = 0.0
    for number, (gold, text, _) in enumerate(islice(cycle(cases), gradings)):
        began = time.perf_counter()
        list(verifier.grade([(gold, text)]))
        times.append(time.perf_counter() - began)
        if number == gradings // 10:
            early = megabytes()
    late = megabytes()
    verifier.close()
    times.sort()
    p50, p99 = 1000 * times[len(times) // 2], 1000 * times[int(0.99 * len(times))]
    print(
        f"{gradings} gradings: p50 {p50:.2f} ms, p99 {p99:.1f} ms, worst {times[-1]:.2f} s; "
        f"memory {early:.0f} MB after a tenth, {late:.0f} MB at the end"
    )


def processor(cases: list[Case]) -> None:
    """Milliseconds of processor time for each grading, worker and pool left out."""
    equivalence.prepare()
    times: list[float] = []
    for gold, text, _ in cases + cases:
        began = time.process_time()
        found = extract(text)
        if equivalence.settle(gold, list(found.answers), found.listed) is None:
            equivalence.judge([gold, list(found.answers), found.listed])
        times.append(1000 * (time.process_time() - began))
    times.sort()
    p50, p99 = times[len(times) // 2], times[int(0.99 * len(times))]
    mean = sum(times) / len(times)
    print(
        f"processor time of {len(times)} gradings: p50 {p50:.3f}, mean {mean:.2f}, p99 {p99:.1f}, "
        f"worst {times[-1]:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--gradings", type=int, default=10_000)
    parser.add_argument("--processor", action="store_true", help="processor time of each grading alone")
    options = parser.parse_args()
    ground = own_ground(options.file, options.rows)
    if options.processor:
        processor(ground)
        return
    agreement("own ground", ground)
    agreement("hedges, near misses, hostile", hostile())
    cost(ground, options.gradings)


if __name__ == "__main__":
    main()
