"""What one run may use, and how a run can end.

`seconds` is the candidate's own time: processor time plus the time that it sleeps or waits by choice. Time in which it
was ready to run and the machine gave it no processor does not count, so a busy machine turns no right answer into a
timeout. Only where the kernel does not tell that time (no /proc/PID/schedstat) the whole wall clock counts, against
`patience` times the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """How a run ended. All between the first and the last three are the candidate's own fault: 0.0."""

    RIGHT = "right"
    WRONG = "wrong"  # a test failed, an exception, an early exit
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"  # a result or a stream above its cap
    CRASH = "crash"  # the interpreter itself died
    REFUSED = "refused"  # a result that is no plain data, a program that is too long
    UNSUPPORTED = "unsupported"  # it needs an installed package that the operator has not allowed: a failure
    INFRASTRUCTURE = "infrastructure"  # ours, or the machine's: a failure and never a reward
    GOLD = "gold"  # the task is at fault: its tests are broken, or refuse its own answer; a failure too


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one run. `memory`, `disk`, `output` and `result` in bytes; a result is counted as it is written down."""

    seconds: float = 6.0
    memory: int = 512 * 2**20
    disk: int = 16 * 2**20
    output: int = 2**20
    result: int = 2**20
    threads: int = 16
    files: int = 64
    source: int = 2**18
    patience: float = 10.0  # wall clock of a run, in multiples of `seconds`, before the machine is to blame
    start_seconds: float = 60.0  # for the box and the interpreter, before any candidate code


@dataclass(frozen=True, slots=True)
class Ending:
    """`cause` and a sentence that says more; `calls` counts answered calls (function style) or inputs (programs)."""

    cause: Cause
    detail: str = ""
    calls: int = 0


class Ended(Exception):
    """Ends a run from wherever it is noticed."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.ending = Ending(cause, detail)


def printable(text: str, most: int = 300) -> str:
    """`text` in one line of plain ASCII: control, escape and broken characters escaped, the end cut off."""
    cut = text[:most].encode("unicode_escape", "surrogatepass").decode("ascii", "backslashreplace")
    return cut if len(text) <= most else cut + " ..."
