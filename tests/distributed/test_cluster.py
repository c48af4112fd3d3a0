"""A run on a Ray cluster of two raylets on this host is the run of one process, bit for bit, whatever is killed.

One cluster serves the whole file: its start costs seconds. `python -m benchmarks.faults` tries many more faults.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.torch import load_file

from ponder.api.train import train
from ponder.distributed import world
from ponder.rollout import store
from ponder.runlog import read_events
from tests.selfplay.small import SETTINGS, model_folder

SMALL = [
    *SETTINGS,
    "control.enabled=false",
    "control.rejection=false",
    "cluster.engines=2",
    "cluster.graders=1",
    "cluster.stall_seconds=300",
    "cluster.start_seconds=900",
]


@dataclass
class Nodes:
    """Two raylets: the head, and one that may be killed."""

    cluster: Any
    second: Any
    address: str
    struck: list[str] = field(default_factory=list)


def persistent(start: Callable[[], Any]) -> Any:
    """Ray gives a raylet 30 s to come up, whatever the machine is doing besides."""
    for _ in range(4):
        try:
            return start()
        except Exception as error:
            last = error
    raise last


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    world.prepare("local")  # before Ray is imported: nothing beyond loopback
    import ray
    from ray.cluster_utils import Cluster as RayCluster

    room: dict[str, Any] = {"object_store_memory": 100 << 20, "include_dashboard": False}
    cluster = persistent(lambda: RayCluster(initialize_head=True, head_node_args={"num_cpus": 2, **room}))
    second = persistent(lambda: cluster.add_node(num_cpus=1, **room))
    yield Nodes(cluster, second, cluster.address)
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def alone(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in this process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    train(out=out, settings=[*SMALL, f"model={json.dumps(str(model))}"])
    return out


def samples(out: Path) -> list[dict[str, Any]]:
    return [row for file in sorted((out / "trajectories").glob("*.parquet")) for row in store.read(file)]


def same(one: Path, other: Path) -> None:
    """Every sample once and alike, and the same weights to the bit."""
    assert samples(one) == samples(other)
    for kind in ("model", "verifier"):
        mine, theirs = (load_file(out / kind / "model.safetensors") for out in (one, other))
        assert all(bool((mine[name] == theirs[name]).all()) for name in theirs), kind


def striking(nodes: Nodes, out: Path) -> Callable[[str, int, int, str], None]:
    """Progress of a run, with faults: an engine is killed in the first round, a raylet in the second."""

    def tell(stage: str, done: int, total: int, note: str) -> None:
        if stage == "training" and "sampling" in note and done == len(nodes.struck):
            if done == 0:
                engine = next(p for p in psutil.process_iter(["cmdline"]) if _is_engine(p))
                nodes.struck.append(f"engine {engine.pid}")
                engine.kill()
            else:
                nodes.struck.append("raylet")
                raylet = nodes.second.all_processes["raylet"][0].process
                os.kill(raylet.pid, signal.SIGKILL)

    return tell


def _is_engine(process: psutil.Process) -> bool:
    """Whether it is an engine of this test's: others may run clusters of their own beside it."""
    line = " ".join(process.info["cmdline"] or [])
    return "EngineWorker" in line and any(parent.pid == os.getpid() for parent in process.parents())


def test_nothing_listens_beyond_loopback(nodes: Nodes) -> None:
    heard = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if "ray" in line:
                heard += [(process.pid, c.laddr.ip) for c in process.net_connections("inet") if c.status == "LISTEN"]
    assert len(heard) >= 3 and {ip.removeprefix("::ffff:") for _, ip in heard} == {"127.0.0.1"}


def test_a_run_whose_engine_and_raylet_are_killed_is_the_run_of_one_process(
    nodes: Nodes, model: Path, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    settings = [*SMALL, f"model={json.dumps(str(model))}"]
    train(out=out, settings=settings, cluster=nodes.address, tell=striking(nodes, out))
    assert len(nodes.struck) == 2
    lost = [event for event in read_events(out) if event["kind"] == "engine_lost"]
    assert len(lost) >= 2 and {event["engine"].partition(" (")[0] for event in lost} == {"engine 0", "engine 1"}
    same(out, alone)
