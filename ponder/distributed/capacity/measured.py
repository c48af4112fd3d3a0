"""Service times and load of a run that was made: the simulation then speaks of that machine and those answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from ponder.distributed.capacity.hardware import DISPATCH
from ponder.distributed.capacity.pipeline import Load, Service
from ponder.rollout import store
from ponder.runlog import read_metrics
from ponder.runlog.folder import read_config
from ponder.types import PonderError


def of_run(run: Path) -> tuple[Service, Load]:
    """Times by the run's own accounts. PonderError for a folder without a finished round.

    The engine's time is divided by the tokens that it drew, so it holds for batches of about that size; what the
    driver takes for an answer is not in the accounts and taken as `hardware.DISPATCH`.
    """
    config = read_config(run)
    rows = [row for row in read_metrics(run) if row.get("round", -1) >= 0]
    files = sorted((run / "trajectories").glob("*.parquet"))
    if not rows or not files:
        raise PonderError(f"{run}: no finished round to take times from; give a run folder, or --accelerator")
    lengths = [len(row["tokens"]) for file in files for row in store.read(file)]
    tokens, answers = float(sum(lengths)), len(lengths)
    updates = len(rows) * int(config["updates"])
    sampling, learning = _seconds(rows, "rollout"), _seconds(rows, "update")
    group = int(config["sampling"]["group_size"])
    a_batch = answers / updates
    service = Service(
        step=0.0,
        step_row=sampling / tokens,
        rows=max(1, math.ceil(a_batch)),
        prefill=0.0,
        dispatch=DISPATCH,
        grade=0.0,
        learn=0.0,
        learn_token=learning / tokens,
    )
    load = Load(
        problems=max(1, round(a_batch / group)),
        group=group,
        prompt=0.0,
        mean=tokens / answers,
        spread=pstdev(lengths) / fmean(lengths),
        longest=int(config["sampling"]["max_tokens"]),
    )
    return service, load


def _seconds(rows: Sequence[dict[str, Any]], purpose: str) -> float:
    found = [row.get("work", {}).get(purpose, {}).get("seconds") for row in rows]
    if not found or any(one is None for one in found):
        raise PonderError(f"this run did not measure the time of its {purpose}; take one of the local engine")
    return float(sum(found))
