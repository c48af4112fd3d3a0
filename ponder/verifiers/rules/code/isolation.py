"""What this machine can hold a candidate with, found out by trying: a box is started and told to get out.

The self-test runs in a real box and reports every door that it finds open: a file of the host, the environment, a
listening port on loopback, a place to write to outside of its folder, another process, a privileged call. Only a box
in which all of them are shut counts as one. A machine without is refused, unless unsafe running is asked for by name;
the level stands in every result.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import shutil
import socket
import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ponder.types import PonderError
from ponder.verifiers.rules.code.boxes import cgroups, runtime, stage
from ponder.verifiers.rules.code.boxes.box import Box, Place
from ponder.verifiers.rules.code.boxes.seccomp import program
from ponder.verifiers.rules.code.functions import Candidate
from ponder.verifiers.rules.code.limits import Ended, Limits
from ponder.verifiers.rules.code.sent.wire import Malformed, decode
from ponder.verifiers.rules.code.tasks import FunctionTask

_CANARY = "PONDER_CANARY"
_PACKAGES = "PONDER_CODE_PACKAGES"
_TASKS = "any number of threads"
# Runs in the box. Each line tries one door; what works is reported.
_SELF_TEST = f"""
import os, socket, stat, threading

def many():
    done, started = threading.Event(), []
    threading.stack_size(2**16)
    try:
        for _ in range(40):
            started.append(threading.Thread(target=done.wait))
            started[-1].start()
    except RuntimeError as error:
        raise OSError(error)
    finally:
        done.set()

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
        "host's devices": lambda: {{True: 0}}[stat.S_ISCHR(os.stat("/dev/null").st_mode)],
        {_TASKS!r}: many,
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


def with_packages(isolation: Isolation, packages: tuple[str, ...] | None = None) -> Isolation:
    """The same with installed packages in the box. Raises PonderError for a name that is not installed."""
    if packages is None:
        packages = tuple(name.strip() for name in os.environ.get(_PACKAGES, "").split(",") if name.strip())
    if not packages:
        return isolation
    runtime.sources(packages)
    level = f"{isolation.level} + {', '.join(packages)}"
    return replace(isolation, level=level, place=replace(isolation.place, packages=packages))


@lru_cache(maxsize=1)
def probe() -> Isolation:
    """Try what there is. Takes a tenth of a second, once."""
    why = _missing()
    if not why:
        groups = cgroups.parents()
        place, open_doors = _best(Place(shutil.which("bwrap")))
        if not set(open_doors) - ({_TASKS} if groups else set()):  # a group counts tasks, too
            grouped = f" + control group v{groups[0]}" if groups else ""
            return Isolation(f"namespaces + seccomp + limits{grouped}", place, groups)
        why = f"the self-test of the box fails: {', '.join(open_doors)}"
    return Isolation("unsafe, limits only", Place(None), None, why)


def _best(place: Place) -> tuple[Place, list[str]]:
    """For root the box of nobody if there is one; else the plain one. Beside it the doors that it leaves open."""
    if stage.needed():
        stranger = replace(place, nobody=True)
        with contextlib.suppress(OSError):
            if not (found := self_test(stranger)):
                return stranger, found
    return place, self_test(place)


def _missing() -> str:
    if not shutil.which("bwrap"):
        return "bubblewrap is not installed"
    return "" if program(fork=False) else f"no filter of system calls for {os.uname().machine}"


def settle(place: Place) -> None:
    """Prepare this thread for starting boxes made by `place`. Raises OSError."""
    if place.nobody:
        stage.enter(tuple(source for source, _ in runtime.sources(place.packages)))


def self_test(place: Place) -> list[str]:
    """The doors that stand open in a box made by `place`; why there is no box, if there is none."""
    return stage.apart(lambda: _self_test(place))


def _self_test(place: Place) -> list[str]:
    task = FunctionTask(("doors",), "", ())
    settle(place)
    with tempfile.NamedTemporaryFile() as canary, socket.create_server(("127.0.0.1", 0)) as server:
        os.environ[_CANARY] = "1"
        try:
            box = Box(place, Limits())
            try:
                candidate = Candidate(box, task, _SELF_TEST)
                candidate.load()
                port = server.getsockname()[1]
                answer = candidate.call(marshal.dumps(("doors", (canary.name, port), {}, False, False)))
                return list(decode(answer.decode().partition(" ")[2]))
            finally:
                box.kill()
        except (Ended, Malformed, OSError, TypeError) as error:
            return [str(error)]
        finally:
            del os.environ[_CANARY]
