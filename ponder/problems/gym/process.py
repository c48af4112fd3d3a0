"""The process in which reasoning-gym runs: a pool of one worker, started with the first call and replaced as need be.

A reply is `{"value": ...}`, or `{"failure": name, "detail": ...}` with the names

    timeout         no reply within the limit, or too much computing for one answer (see worker)
    memory          the limit of memory was hit
    crash           the process died
    generator       reasoning-gym could not make such an item
    infrastructure  the process could not be started

Its hash seed is fixed, so that tasks which walk through sets give the same items everywhere.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import threading
from collections.abc import Mapping
from typing import Any

from ponder.names import install
from ponder.types import PonderError
from ponder.workers.pool import Pool

# Bytes beyond the imports, and seconds of computing for one request of any kind; one answer may cost less (worker).
MEMORY, SECONDS = 4 * 2**30, 600.0
_FIXED = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}

_lock = threading.Lock()
_pool: Pool | None = None
_owner = 0  # the process id that made it: a forked child must not share the pipes


def call(request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The reply to `request`, within `seconds`. Thread-safe; one call at a time."""
    if importlib.util.find_spec("reasoning_gym") is None:
        raise PonderError(f"gym: problems need the package reasoning-gym; {install('gym')}")
    with _lock:
        (result,) = _ours().map([dict(request)], wall=seconds)
        if result.failure == "infrastructure":
            _end()  # a pool gives up after some attempts; the next call may try again
    if result.failure is not None:
        return {"failure": result.failure, "detail": result.detail}
    reply: dict[str, Any] = result.value
    return reply


def _ours() -> Pool:
    global _pool, _owner
    if _pool is None or _owner != os.getpid():
        _pool = Pool("ponder.problems.gym.worker:reply", memory=MEMORY, seconds=SECONDS, environment=_FIXED)
        _owner = os.getpid()
    return _pool


def _end() -> None:
    """End the process, if it is ours."""
    global _pool
    if _pool is not None and _owner == os.getpid():
        _pool.close()
    _pool = None


atexit.register(_end)
