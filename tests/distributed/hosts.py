"""Two hosts on one machine: network namespaces joined by a virtual cable, a Ray node in each. Needs root and `ip`."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

HEAD, OTHER, PORT = "10.77.0.1", "10.77.0.2", 6399


def possible() -> bool:
    """Whether this machine lets us make namespaces."""
    if os.geteuid() or shutil.which("ip") is None:
        return False
    name = f"ponder-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "del", name], check=False)
    return made


class Hosts:
    """A head in one namespace and a second node in the other. `cut` and `mend` the cable; `close` ends it all."""

    def __init__(self, processors: tuple[int, int] = (2, 1), store: int = 100 << 20) -> None:
        mine = os.getpid()
        self.names, self.cable = (f"ponder-{mine}-a", f"ponder-{mine}-b"), (f"pa{mine}", f"pb{mine}")
        self.secret = secrets.token_hex(32)
        # Ray's sockets lie below it, and their paths must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="p", dir="/tmp"))
        self.started: list[subprocess.Popen[bytes]] = []
        try:
            self._wire()
            shared = ["--include-dashboard=false", "--disable-usage-stats", f"--object-store-memory={store}", "--block"]
            head = ["--head", f"--node-ip-address={HEAD}", f"--port={PORT}", f"--temp-dir={self.folder}"]
            self._ray(0, [*head, f"--num-cpus={processors[0]}", *shared])
            self.wait(lambda: self.nodes() >= 1, 120.0, "the head")
            joins = [f"--address={HEAD}:{PORT}", f"--node-ip-address={OTHER}", f"--num-cpus={processors[1]}"]
            self._ray(1, [*joins, *(one for one in shared if "dashboard" not in one)])
            self.wait(lambda: self.nodes() >= 2, 120.0, "the second node")
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        return f"{HEAD}:{PORT}"

    def run(self, place: int, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a command on a host; it is ended with the hosts."""
        # Ray's messages would go through a proxy, which knows nothing of these hosts.
        inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environment = {
            **inherited,
            "OMP_NUM_THREADS": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "RAY_AUTH_MODE": "token",  # as docs/cluster.md advises for clusters of several hosts
            "RAY_AUTH_TOKEN": self.secret,
            "PONDER_HOSTS": "",
        }
        inside = ["ip", "netns", "exec", self.names[place], *command]
        started = subprocess.Popen(inside, env=environment, start_new_session=True, **options)
        self.started.append(started)
        return started

    def cut(self) -> None:
        """Nothing gets through any more, and nobody is told: no connection is closed."""
        _ip("-n", self.names[1], "link", "set", self.cable[1], "down")

    def mend(self) -> None:
        _ip("-n", self.names[1], "link", "set", self.cable[1], "up")

    def nodes(self) -> int:
        """Raylets that run below what was started here."""
        return sum(process.name() == "raylet" for process in self.processes())

    def processes(self) -> list[psutil.Process]:
        found = []
        for started in self.started:
            try:
                found += psutil.Process(started.pid).children(recursive=True)
            except psutil.Error:
                continue
        return [process for process in found if process.is_running()]

    def wait(self, met: Callable[[], bool], seconds: float, what: str) -> None:
        ends = time.monotonic() + seconds
        while not met():
            if time.monotonic() > ends:
                raise TimeoutError(f"{what}: not there after {seconds:g} s")
            time.sleep(0.2)

    def close(self) -> None:
        processes = self.processes()
        for started in self.started:
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)
            started.wait(30.0)
        for process in processes:
            if process.is_running():
                process.kill()
        psutil.wait_procs(processes, timeout=30.0)
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wire(self) -> None:
        for name in self.names:
            _ip("netns", "add", name)
        one, other = self.names
        _ip("link", "add", self.cable[0], "netns", one, "type", "veth", "peer", "name", self.cable[1], "netns", other)
        for name, end, address in zip(self.names, self.cable, (HEAD, OTHER), strict=True):
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            for device in (end, "lo"):
                _ip("-n", name, "link", "set", device, "up")

    def _ray(self, place: int, options: list[str]) -> None:
        command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", *options]
        with (self.folder / f"host-{place}.log").open("wb") as log:
            self.run(place, command, stdout=log, stderr=subprocess.STDOUT)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
