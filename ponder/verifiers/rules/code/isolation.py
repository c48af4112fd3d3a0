"""What this machine can hold a candidate with, found out by trying: a box is started and told to get out.

The self-test runs in a real box and reports every door that it finds open: a file of the host, the environment, a
listening port on loopback, a place to write to outside of its folder, another process, a privileged call. Only a box
in which all of them are shut counts as one. A machine without is refused, unless unsafe running is asked for by name;
the level stands in every result.
"""

from __future__ import annotations

import marshal
import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ponder.types import PonderError
from ponder.verifiers.rules.code import cgroups
from ponder.verifiers.rules.code.box import Box, Place
from ponder.verifiers.rules.code.functions import Candidate
from ponder.verifiers.rules.code.limits import Ended, Limits
from ponder.verifiers.rules.code.seccomp import program
from ponder.verifiers.rules.code.tasks import FunctionTask
from ponder.verifiers.rules.code.wire import Malformed, decode

_CANARY = "PONDER_CANARY"
# Runs in the box. Each line tries one door; what works is reported.
_SELF_TEST = f"""
import os, socket

def doors(file, port):
    tries = {{
        "host files": lambda: os.stat(file),
        "home folder": lambda: os.listdir("/home") + os.listdir("/etc/passwd"),
        "environment": lambda: os.environ[{_CANARY!r}],
        "network": lambda: socket.create_connection(("127.0.0.1", port), 0.2),
        "writing outside": lambda: open("/usr/lib/ponder", "w"),
        "writing at the root": lambda: open("/ponder", "w"),
        "new processes": os.fork,
        "privileged calls": lambda: os.setgroups([]),
        "user": lambda: {{0: 0}}[os.getuid()],
        "other processes": lambda: {{False: 0}}[os.getpid() == 1],
    }}
    return [name for name, action in tries.items() if works(action)]

def works(action):
    try:
        action()
    except (OSError, KeyError, IndexError):
        return False
    return True
"""


@dataclass(frozen=True, slots=True)
class Isolation:
    """The level that was reached. `why` says what is missing where `place` has no bubblewrap."""

    level: str
    place: Place
    groups: tuple[int, list[Path]] | None = None
    why: str = ""


def require(allow_unsafe: bool = False) -> Isolation:
    """The isolation of this machine; a PonderError that names the remedy if there is none and none is not allowed."""
    found = probe()
    if found.place.bubblewrap is None and not allow_unsafe:
        raise PonderError(
            f"no isolation for running code on this machine ({found.why}); use one where `apt-get install bubblewrap` "
            "gives a working box, or run programs of unknown origin unprotected with --allow-unsafe-code"
        )
    return found


@lru_cache(maxsize=1)
def probe() -> Isolation:
    """Try what there is. Takes a tenth of a second, once."""
    why = _missing()
    if not why:
        place = Place(shutil.which("bwrap"))
        open_doors = self_test(place)
        if not open_doors:
            groups = cgroups.parents()
            grouped = f" + control group v{groups[0]}" if groups else ""
            return Isolation(f"namespaces + seccomp + limits{grouped}", place, groups)
        why = f"the self-test of the box fails: {', '.join(open_doors)}"
    return Isolation("unsafe, limits only", Place(None), None, why)


def _missing() -> str:
    if not shutil.which("bwrap"):
        return "bubblewrap is not installed"
    return "" if program(fork=False) else f"no filter of system calls for {os.uname().machine}"


def self_test(place: Place) -> list[str]:
    """The doors that stand open in a box made by `place`; why there is no box, if there is none."""
    task = FunctionTask(("doors",), "", ())
    with tempfile.NamedTemporaryFile() as canary, socket.create_server(("127.0.0.1", 0)) as server:
        os.environ[_CANARY] = "1"
        try:
            box = Box(place, Limits())
            try:
                candidate = Candidate(box, task, _SELF_TEST)
                candidate.load()
                port = server.getsockname()[1]
                answer = candidate.call(marshal.dumps(("doors", (canary.name, port), {}, False)))
                return list(decode(answer.decode().partition(" ")[2]))
            finally:
                box.kill()
        except (Ended, Malformed, OSError, TypeError) as error:
            return [str(error)]
        finally:
            del os.environ[_CANARY]
