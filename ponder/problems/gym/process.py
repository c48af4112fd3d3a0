"""The process in which reasoning-gym runs: started with the first call, killed and replaced when it exceeds a limit.

One JSON object a line goes in, one comes out: `{"value": ...}`, or `{"failure": name, "detail": ...}` with the names

    timeout         no reply within the limit, or too much computing for one answer (see worker)
    memory          the limit of memory was hit
    crash           the process died
    generator       reasoning-gym could not make such an item
    infrastructure  the process could not be started

Its hash seed is fixed, so that tasks which walk through sets give the same items everywhere.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ponder.types import PonderError

START_SECONDS = 120.0

_lock = threading.Lock()
_process: subprocess.Popen[bytes] | None = None
_owner = 0  # the process id that started it: a forked child must not share the pipes


def call(request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The reply to `request`, within `seconds`. Thread-safe; one call at a time."""
    if importlib.util.find_spec("reasoning_gym") is None:
        raise PonderError("gym: problems need the package reasoning-gym; install it with: pip install 'ponder[gym]'")
    with _lock:
        try:
            process = _started()
        except OSError as error:
            return {"failure": "infrastructure", "detail": f"cannot start a process: {error}"}
        reply = _exchange(process, request, seconds)
        if reply.get("failure") in ("timeout", "crash"):
            _end()
        return reply


def _started() -> subprocess.Popen[bytes]:
    global _process, _owner
    if _process is None or _owner != os.getpid() or _process.poll() is not None:
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        fixed = {"PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        _process, _owner = (
            subprocess.Popen(
                [sys.executable, "-P", "-m", "ponder.problems.gym.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **fixed},
                start_new_session=True,  # Ctrl-C reaches the parent alone
            ),
            os.getpid(),
        )
        ready = _read(_process, START_SECONDS)
        if ready.get("value") != "ready":
            _end()
            raise OSError(ready.get("detail", "no sign of life"))
    return _process


def _exchange(process: subprocess.Popen[bytes], request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
    except OSError:
        return {"failure": "crash", "detail": "the process has died"}
    return _read(process, seconds)


def _read(process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
    """One line of reply, before `seconds` are over."""
    assert process.stdout is not None
    until, received = time.monotonic() + seconds, b""
    while not received.endswith(b"\n"):
        left = until - time.monotonic()
        if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
            return {"failure": "timeout", "detail": f"no reply within {seconds:g} seconds"}
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            timed_out = process.wait() == -signal.SIGPROF
            return {"failure": "timeout" if timed_out else "crash", "detail": "the process ended over it"}
        received += data
    reply: dict[str, Any] = json.loads(received)
    return reply


def _end() -> None:
    """Kill the process, if it is ours."""
    global _process
    if _process is not None and _owner == os.getpid():
        _process.kill()
        _process.wait()
        for pipe in (_process.stdin, _process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
    _process = None


atexit.register(_end)
