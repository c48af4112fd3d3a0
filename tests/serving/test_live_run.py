"""`ponder serve RUN --follow` beside the training itself, both as processes of their own.

Set PONDER_TEST_LIVE=1: it trains for some rounds, which takes about a minute of one core (figures in docs/serving.md).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.served import PLAIN, Server
from ponder.learning.checkpoints.checkpoints import Checkpoints
from ponder.types import PonderError

pytestmark = pytest.mark.skipif(not os.environ.get("PONDER_TEST_LIVE"), reason="set PONDER_TEST_LIVE=1 (a minute)")
ROUNDS = 6
# The embedded model, a few problems a round, nothing measured: what is served is how the weights arrive.
SETTINGS = (
    f"rounds={ROUNDS}", "threads=1", "sampling.problems=6", "sampling.group_size=4", "verifier.enabled=false",
    "control.enabled=false", "control.rejection=false", "control.batch=8", "evaluation.problems=4",
    "evaluation.ladder=2",
    "evaluation.pool_problems=4", "evaluation.pool_samples=3", "evaluation.beam_problems=1",
    "evaluation.unsolved_problems=2", "evaluation.unsolved_tries=2", "evaluation.budgets=[64, 128]",
)  # fmt: skip
CLOCK = 1200.0


def test_the_weights_of_a_run_arrive_while_it_trains_and_no_request_fails(tmp_path: Path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "ponder", "run", "--out", str(run)]
    training = subprocess.Popen([*command, *(part for each in SETTINGS for part in ("--set", each))])

    async def served() -> tuple[list[int], list[int]]:
        versions, statuses = list[int](), list[int]()
        end = time.monotonic() + CLOCK
        while not saved(run):
            assert training.poll() is None and time.monotonic() < end
            await asyncio.sleep(0.5)
        async with Server("--follow", model=str(run), name="run") as server:
            while time.monotonic() < end:
                statuses.append((await server.chat(PLAIN))[0])
                listed = await server.ask("GET", "/v1/models", None)
                versions.append(listed[2]["data"][0]["ponder"]["weights"])
                if training.poll() is not None and versions[-1] == saved(run):
                    break
                await asyncio.sleep(0.5)
        return versions, statuses

    try:
        versions, statuses = asyncio.run(served())
    finally:
        training.kill()
        training.wait()
    told = f"{len(statuses)} requests, weights {sorted(set(versions))}"
    if report := os.environ.get("PONDER_TEST_REPORT"):
        Path(report).write_text(told)
    assert set(statuses) == {200}, told
    assert versions == sorted(versions) and len(set(versions)) > 1 and versions[-1] == saved(run)


def saved(run: Path) -> int:
    """The version of the newest whole checkpoint; 0: there is none yet."""
    try:
        found = Checkpoints(run / "checkpoints").load_latest() if (run / "checkpoints").is_dir() else None
    except (PonderError, OSError):
        return 0
    return 0 if found is None or found.saved is None else found.saved.ref.version
