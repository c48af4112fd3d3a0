"""One box: a fresh process and folder that ends whole, and what its ending means.

The interpreter is process 1 of its own process namespace. It cannot be killed from inside (signals that it does not
handle are dropped), it may start threads and no processes, and with its death everything in the namespace is gone
before its exit can be waited for. Outside, one pidfd holds it, so a kill can hit nobody else.

Without bubblewrap (`unsafe`) the same program runs with the limits of one process, in a folder that is removed.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ponder.verifiers.rules.code.boxes import runtime, stage
from ponder.verifiers.rules.code.boxes.cgroups import Group
from ponder.verifiers.rules.code.boxes.seccomp import program
from ponder.verifiers.rules.code.limits import Cause, Ending, Limits, printable

KILL_SECONDS = 2.0
_CRASHES = {128 + number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)}
_KILLED = 128 + signal.SIGKILL
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")


@dataclass(frozen=True, slots=True)
class Place:
    """How boxes are made: `bubblewrap` is its path, None for no isolation.

    `fork` allows processes, `nobody` gives up root first (see `stage`), `packages` are on the import path.
    """

    bubblewrap: str | None
    fork: bool = False
    nobody: bool = False
    packages: tuple[str, ...] = ()


def arguments(place: Place, limits: Limits, filter_fd: int, info_fd: int, empty_fd: int) -> list[str]:
    """Bubblewrap's command line up to the program: nothing of the host but the runtime, read only.

    `/dev/null` is a file of the box's own: the host's device would carry changes of its mode and times to other boxes.
    """
    return [
        *(stage.command() if place.nobody else ()), str(place.bubblewrap), *_NAMESPACES, "--unshare-cgroup-try",
        "--as-pid-1", "--die-with-parent", "--new-session",
        "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL", "--hostname", "box",
        "--size", str(limits.disk), "--tmpfs", "/dev", "--perms", "0666", "--file", str(empty_fd), "/dev/null",
        "--size", str(limits.disk), "--tmpfs", "/tmp",
        "--clearenv", "--setenv", "PYTHONHASHSEED", "0", *runtime.mounts(place.packages, staged=place.nobody),
        "--remount-ro", "/", "--chdir", "/tmp",
        "--seccomp", str(filter_fd), "--info-fd", str(info_fd), "--",
    ]  # fmt: skip


class Box:
    """A started box. `job` is the end to write to, `said` and `printed` (and `errors`) the ends to read."""

    def __init__(self, place: Place, limits: Limits, group: Group | None = None, *, stdin: int | None = None) -> None:
        """With `stdin` (a file to read from) standard error is apart in `errors`, else it is merged into `printed`."""
        self.limits, self.group, self._folder = limits, group, ""
        self._kills_before = group.memory_kills() if group else 0
        self._starved_before = _host_kills()
        ends: list[int] = []  # those of the box, closed here once it has them
        self._ours: list[int] = []
        try:
            take, self.job = self._pipe(ends, 0)
            self.said, give = self._pipe(ends, 1)
            self.printed, out = self._pipe(ends, 1)
            self.errors, err = self._pipe(ends, 1) if stdin is not None else (-1, out)
            self._info, info = self._pipe(ends, 1)
            filter_end, feed = self._pipe(ends, 0)
            os.write(feed, program(fork=place.fork) or b"")
            os.close(self._ours.pop())
            nothing, _ = self._pipe(ends, 0)
            os.close(self._ours.pop())
            command = runtime.command(take, give)
            if place.bubblewrap:
                command = [*arguments(place, limits, filter_end, info, nothing), *command]
            else:
                self._folder = tempfile.mkdtemp(prefix="ponder-unsafe-")
            self.process = subprocess.Popen(
                group.joined(command) if group else command,
                stdin=nothing if stdin is None else stdin,
                stdout=out,
                stderr=err,
                pass_fds=(take, give, filter_end, info, nothing),
                start_new_session=True,  # Ctrl-C reaches the parent alone
                cwd=self._folder or "/",
                env={"PYTHONHASHSEED": "0"} | runtime.unboxed(place.packages),
            )
        except BaseException:
            for end in self._ours:
                os.close(end)
            raise
        finally:
            for end in ends:
                os.close(end)
        os.set_blocking(self.job, False)
        self.exit = os.pidfd_open(self.process.pid)
        self._inner = -1
        self._inner_pid = 0
        self.held = False
        self.spent = 0.0  # processor seconds, known after the end

    def _pipe(self, ends: list[int], theirs: int) -> tuple[int, int]:
        """A pipe; the end numbered `theirs` goes to the box."""
        pair = os.pipe()
        ends.append(pair[theirs])
        self._ours.append(pair[1 - theirs])
        return pair

    def hold(self) -> None:
        """Get hold of the process inside; call it when the box has said that it stands, before candidate code runs."""
        data = b"{}" if self._folder else os.read(self._info, 4096)
        self._inner_pid = json.loads(data).get("child-pid", self.process.pid)
        self._inner = os.pidfd_open(self._inner_pid)
        self.held = True

    def waited_for_processor(self) -> float | None:
        """Seconds in which it was ready to run and was not let; None where the kernel does not tell."""
        try:
            tasks = list(Path(f"/proc/{self._inner_pid}/task").iterdir())
            return max(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9
        except (OSError, ValueError, IndexError):
            return None

    def kill(self) -> None:
        """End everything in it, wait until it is gone and let go of all that it held. Safe to call twice."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                if self._inner >= 0:
                    signal.pidfd_send_signal(self._inner, signal.SIGKILL)
                if self._folder or self._inner < 0 or not self._gone(KILL_SECONDS / 2):
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.wait(KILL_SECONDS)
        for name in ("job", "said", "printed", "errors", "_info", "exit", "_inner"):
            descriptor = getattr(self, name)
            if descriptor >= 0:
                os.close(descriptor)
                setattr(self, name, -1)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def alive(self) -> bool:
        return self.wait(0.0) is None

    def interrupt(self) -> None:
        """End what runs in it, from any thread; the one that waits for it sees the end."""
        if self._inner >= 0:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._inner, signal.SIGKILL)

    def _gone(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.exit, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def wait(self, seconds: float) -> int | None:
        """The exit status as a shell would tell it (128 + signal), None if it still runs after `seconds`."""
        if self.process.returncode is None and self._gone(seconds):
            _, status, usage = os.wait4(self.process.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self.process.returncode = 128 - code if code < 0 else code
            self.spent = usage.ru_utime + usage.ru_stime
        return self.process.returncode

    def ending(self, said: str) -> Ending:
        """Why a box that ended by itself did so. `said` is the last of its output."""
        code = self.wait(KILL_SECONDS)
        if not self.held:
            return Ending(Cause.INFRASTRUCTURE, f"the box did not start (status {code}): {printable(said)}")
        if self.group and self.group.memory_kills() > self._kills_before:
            return Ending(Cause.MEMORY, f"more than {self.limits.memory >> 20} MB")
        # The kernel's limit and its account differ by a fraction; process 1 cannot kill itself.
        if code == _KILLED and self.spent > 0.5 * math.ceil(self.limits.seconds):
            return Ending(Cause.TIMEOUT, f"{math.ceil(self.limits.seconds)} s of processor time")
        if code == _KILLED and _host_kills() > self._starved_before:
            return Ending(Cause.INFRASTRUCTURE, "the machine ran out of memory")
        if code in _CRASHES:
            return Ending(Cause.CRASH, f"the interpreter died of signal {code - 128}")
        return Ending(Cause.WRONG, "it closed its pipe" if code is None else f"early exit, status {code}")


def _host_kills() -> int:
    """How many processes the kernel has ended for want of memory, anywhere on this machine."""
    with contextlib.suppress(OSError), Path("/proc/vmstat").open(encoding="ascii") as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
    return 0
