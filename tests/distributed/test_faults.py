"""Faults at random moments of a whole training, on engines of this process: the result is that of an undisturbed run.

`PONDER_FAULTS=100 pytest tests/distributed/test_faults.py -s` goes on until so many have struck; real processes and
raylets are struck by `python -m benchmarks.faults`.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import ponder.api.training.run as running
from ponder.api.train import train
from ponder.api.training.places import Places
from ponder.distributed.messages import EngineSpec
from ponder.distributed.pool import EnginePool
from ponder.models.load import Loaded
from ponder.policy.codec import Codec
from ponder.protocols import Family, WeightedEngine
from ponder.rollout import store
from ponder.runlog import read_events
from ponder.selfplay.config import Run
from tests.distributed.places import Near, Started, shared
from tests.selfplay.small import SETTINGS, model_folder

WANTED = int(os.environ.get("PONDER_FAULTS", "12"))
MOST_RUNS = 40
TRAINED = [
    *SETTINGS,
    "updates=3",
    "sampling.problems=8",
    "sampling.group_size=4",
    "verifier.enabled=false",
    "control.enabled=false",
    "control.rejection=false",
    "cluster.engines=3",
    "cluster.stall_seconds=4.0",
    "cluster.start_seconds=600",
    "cluster.restarts=1000",
    "cluster.tries=1000",
]


class Strikes:
    """A thread that makes members die, fall silent for good, or pause, `most` times at random."""

    def __init__(self, seed: int, most: int) -> None:
        self.most = most
        self.r, self.struck, self.started = random.Random(seed), Counter[str](), list[Started]()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    @contextmanager
    def placed(self, _cluster: str, config: Run, _families: list[Family]) -> Iterator[Places]:
        """In place of `ponder.api.training.places.placed`: a pool over engines of this process."""
        places, pools = Places(), list[EnginePool]()

        def opened(codec: Codec, loaded: Loaded) -> WeightedEngine:
            spec = EngineSpec(loaded.model.config, loaded.tokenizer, codec.end_ids, config.engine)
            started = Started(spec)
            pool = EnginePool(started.launch, shared, config.cluster, loaded.model.state_dict(), heard=places.heard)
            pool.start()
            self.started.append(started)
            pools.append(pool)
            return pool

        places.opened = opened
        self._thread.start()
        try:
            yield places
        finally:
            self._over.set()
            self._thread.join(60)
            for pool in pools:
                pool.close()

    def _work(self) -> None:
        while self.struck.total() < self.most and not self._over.wait(self.r.uniform(0.0, 0.4)):
            members = [m for s in self.started for m in s.members if not (m.killed or m.dead or m.stopped)]
            busy = [member for member in members if member.calls["results"]]
            if busy:
                self._strike(self.r.choice(busy), self.r.choices(["dead", "stopped", "pause"], [6, 1, 3])[0])

    def _strike(self, member: Near, kind: str) -> None:
        self.struck[kind] += 1
        if kind == "dead":
            member.dead = True
            return
        member.stopped = True
        if kind == "pause":
            time.sleep(self.r.uniform(0.0, 0.5))
            member.stopped = False


def contents(out: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rows = [row for file in sorted((out / "trajectories").glob("*.parquet")) for row in store.read(file)]
    return rows, load_file(out / "model" / "model.safetensors")


@pytest.mark.parametrize("staleness", [0, 2] if "PONDER_FAULTS" in os.environ else [2])
def test_a_training_under_fire_loses_nothing_and_learns_nothing_twice(
    staleness: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_folder(tmp_path / "model")
    settings = [*TRAINED, f"model={json.dumps(str(model))}", f"staleness.updates={staleness}"]
    train(out=tmp_path / "calm", settings=settings)
    samples, weights = contents(tmp_path / "calm")
    struck, lost, runs = Counter[str](), 0, 0
    while struck.total() < WANTED // 2 and runs < MOST_RUNS:
        strikes, out = Strikes(runs, WANTED // 2 - struck.total()), tmp_path / f"run-{runs}"
        monkeypatch.setattr(running, "placed", strikes.placed)
        train(out=out, settings=settings)
        found, learned = contents(out)
        assert found == samples
        assert all(bool((learned[name] == weights[name]).all()) for name in weights)
        events = read_events(out)
        assert {event["kind"] for event in events} >= ({"engine_lost"} if strikes.struck["dead"] else set())
        lost += sum(event["kind"] == "engine_lost" for event in events)
        struck, runs = struck + strikes.struck, runs + 1
    print(f"\nstaleness {staleness}: {dict(struck)} in {runs} runs, {lost} engines lost, all equal to the bit")  # noqa: T201
    assert struck.total() >= WANTED // 2
