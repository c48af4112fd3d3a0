"""The cable between two hosts is cut in the middle of a run: it goes on and ends as the run of one process.

Opt-in, for it needs root, `ip`, and a minute or two: PONDER_HOSTS=1 pytest tests/distributed/test_hosts.py -s
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ponder.api.train import train
from ponder.rollout import store
from ponder.runlog import read_events
from tests.distributed.hosts import Hosts, possible
from tests.selfplay.small import SETTINGS, model_folder

pytestmark = pytest.mark.skipif(not os.environ.get("PONDER_HOSTS"), reason="PONDER_HOSTS is not set")

STALL = 5.0
RUN = [
    *SETTINGS,
    "rounds=6",
    "updates=4",
    "sampling.problems=8",
    "verifier.enabled=false",
    "control.enabled=false",
    "control.rejection=false",
    "cluster.engines=2",
    f"cluster.stall_seconds={STALL}",
    "cluster.start_seconds=240",
]


@pytest.mark.parametrize("mended", [False, True])
@pytest.mark.parametrize("staleness", [0, 2])
def test_a_cut_cable_loses_nothing(tmp_path: Path, staleness: int, mended: bool) -> None:
    assert possible(), "PONDER_HOSTS wants root and `ip netns`"
    settings = [*RUN, f"staleness.updates={staleness}", f"model={json.dumps(str(model_folder(tmp_path / 'model')))}"]
    train(out=tmp_path / "alone", settings=settings)
    hosts, out = Hosts(), tmp_path / "run"
    try:
        command = [sys.executable, "-m", "ponder", "run", "--json", "--out", str(out), "--cluster", hosts.address]
        command += [part for setting in settings for part in ("--set", setting)]
        with (tmp_path / "run.log").open("wb") as log:
            run = hosts.run(0, command, stdout=log, stderr=subprocess.STDOUT)
        first = out / "trajectories" / "round-0001.parquet"
        hosts.wait(lambda: first.exists() or run.poll() is not None, 300.0, "the first round")
        hosts.cut()
        struck, began = time.time(), time.monotonic()
        if mended:
            time.sleep(3 * STALL)
            hosts.mend()
        code = run.wait(300.0)
        took = time.monotonic() - began
        assert code == 0, (tmp_path / "run.log").read_text(encoding="utf-8")[-2000:]
    finally:
        hosts.close()
    lost = [event for event in read_events(out) if event["kind"] == "engine_lost"]
    assert lost, "nobody noticed the cut"
    _note(
        f"staleness {staleness}, {'mended' if mended else 'for good'}: ended {took:.1f} s after the cut", lost, struck
    )
    assert _samples(out) == _samples(tmp_path / "alone")
    mine, theirs = ((place / "model" / "model.safetensors").read_bytes() for place in (out, tmp_path / "alone"))
    assert mine == theirs


def _note(what: str, lost: list[dict[str, Any]], struck: float) -> None:
    """Into the file that PONDER_FIGURES names, if it does: what was lost when, in seconds after the cut."""
    record = os.environ.get("PONDER_FIGURES")
    if record:
        when = "; ".join(f"{event['engine']} after {event['time'] - struck:.1f} s: {event['why']}" for event in lost)
        with Path(record).open("a", encoding="utf-8") as file:
            file.write(f"{what}; {when}\n")


def _samples(out: Path) -> list[dict[str, object]]:
    return [row for file in sorted((out / "trajectories").glob("*.parquet")) for row in store.read(file)]
