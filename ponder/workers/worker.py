"""One worker process: `python -m ponder.workers.worker module:function MEMORY_BYTES SECONDS`.

Protocol, JSON lines on the standard streams: it says `{"ready": true}` once the function is imported, then for each
line `[WALL_SECONDS, item]` in, one line out: `{"value": ...}` or `{"failure": type, "detail": text}`. It ends when its
input closes. Nothing is pickled and nothing is forked, so a parent full of torch threads is safe.

Limits: address space at most MEMORY_BYTES above what stands after the imports; SECONDS of processor time for one item,
after which the kernel ends the process with SIGPROF (the default action, no Python needed, so a long call into C ends
too); and an alarm on the wall clock, later than the parent's own, should the parent die while a hostile item runs.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ALARM_SLACK = 0.5  # seconds after the parent's own deadline


def serve(
    function: Callable[[Any], Any],
    seconds: float,
    lines: Any,
    answer: Callable[[dict[str, Any]], None],
) -> None:
    """Answer each line until the input ends. A MemoryError leaves a damaged heap: report it, then stop."""
    for line in lines:
        wall, item = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, wall + ALARM_SLACK)
        reply = _call(function, item)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answer(reply)
        if reply.get("failure") == "memory":
            return


def _call(function: Callable[[Any], Any], item: Any) -> dict[str, Any]:
    try:
        return {"value": function(item)}
    except MemoryError:
        return {"failure": "memory", "detail": "the memory limit was reached"}
    except Exception as error:  # whatever a hostile item provokes must end as a typed failure, not as a dead pool
        return {"failure": "crash", "detail": f"{type(error).__name__}: {str(error)[:200]}"}


def load(path: str) -> Callable[[Any], Any]:
    """`package.module:function`; a module may have `prepare()`, called first so that its imports are not charged."""
    module_name, _, name = path.partition(":")
    module = importlib.import_module(module_name)
    prepare = getattr(module, "prepare", None)
    if prepare is not None:
        prepare()
    function: Callable[[Any], Any] = getattr(module, name)
    return function


def limit_memory(extra: int) -> None:
    """Allow `extra` bytes of address space beyond what this process has mapped now (Linux; elsewhere `extra`)."""
    statm = Path("/proc/self/statm")
    mapped = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0
    resource.setrlimit(resource.RLIMIT_AS, (mapped + extra, mapped + extra))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(path: str, memory: int, seconds: float) -> None:
    # Replies go out on a private copy; whatever else prints to stdout goes nowhere and cannot forge one.
    private = os.fdopen(os.dup(1), "w", encoding="ascii")
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)

    def answer(reply: dict[str, Any]) -> None:
        private.write(json.dumps(reply) + "\n")
        private.flush()

    try:
        function = load(path)
    except Exception as error:
        answer({"failure": "infrastructure", "detail": f"cannot import {path}: {error}"})
        return
    limit_memory(memory)
    answer({"ready": True})
    serve(function, seconds, sys.stdin, answer)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
