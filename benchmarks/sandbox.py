"""What a box costs: whole runs a second on two workers, and time over a bare interpreter.

    python -m benchmarks.sandbox [--rounds 200]

A whole run is: a fresh box, the program loaded, three calls answered, three asserts in the tester, the box gone. The
bare interpreter runs the same program with the same asserts in one plain process. The two sides alternate, so that the
machine's other work falls on both; shown are medians. Processor time of the sandbox's side is per run, all processes.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import time

from ponder.verifiers.rules.code.boxes.runtime import executable
from ponder.verifiers.rules.code.limits import Cause
from ponder.verifiers.rules.code.sandbox import Sandbox
from ponder.verifiers.rules.code.tasks import FunctionTask

PROGRAM = "def square(x):\n    return x * x\n"
TASK = FunctionTask(("square",), "", tuple(f"assert square({x}) == {x * x}" for x in (2, 3, 4)), entry="square")


def seconds(action: object) -> float:
    start = time.perf_counter()
    assert callable(action)
    action()
    return time.perf_counter() - start


def bare() -> None:
    text = PROGRAM + "\n".join(TASK.tests)
    subprocess.run([executable(), "-I", "-S", "-c", text], check=True, stdin=subprocess.DEVNULL)


def processor() -> float:
    """Seconds of ours and of all processes that have ended and been waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def overhead(rounds: int) -> tuple[float, float]:
    """Medians of a bare run and of a whole run, one at a time."""
    plain, whole = [], []
    with Sandbox() as sandbox:

        def run() -> None:
            assert sandbox.run(TASK, PROGRAM).cause is Cause.RIGHT

        list(sandbox.map(lambda _: run(), range(3)))  # the tester starts once

        for _ in range(rounds):
            plain.append(seconds(bare))
            whole.append(seconds(run))
    return statistics.median(plain), statistics.median(whole)


def throughput(rounds: int, workers: int) -> tuple[float, float]:
    """Whole runs a second, median of five batches, and processor seconds a run."""
    rates = []
    with Sandbox(workers=workers) as sandbox:
        list(sandbox.map(lambda code: sandbox.run(TASK, code), [PROGRAM] * workers * 2))
        before = processor()
        for _ in range(5):
            start = time.perf_counter()
            endings = list(sandbox.map(lambda code: sandbox.run(TASK, code), [PROGRAM] * rounds))
            rates.append(rounds / (time.perf_counter() - start))
            assert {ending.cause for ending in endings} == {Cause.RIGHT}
        spent = processor() - before
    return statistics.median(rates), spent / (5 * rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with Sandbox() as sandbox:
        print(f"isolation: {sandbox.isolation.level}")
    print(f"machine: {os.cpu_count()} cores, {platform.processor() or platform.machine()}, Linux {platform.release()}")
    print(f"load before: {os.getloadavg()[0]:.1f}")
    plain, whole = overhead(asked.rounds)
    print(f"bare interpreter {1e3 * plain:.1f} ms, whole run {1e3 * whole:.1f} ms", end="")
    print(f", overhead {1e3 * (whole - plain):.1f} ms")
    rate, spent = throughput(asked.rounds, asked.workers)
    print(f"{rate:.0f} whole runs a second on {asked.workers} workers, {1e3 * spent:.1f} ms of processor a run")
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
