"""The trajectory store: what was sampled in training, one Parquet file a round, readable by `datasets` and by people.

One row is one trajectory with its verdict. Tokens carry the sampler's log-probabilities and the policy version that
drew them, so that a file is enough to train on again, to grade again with another verifier, or to look for hacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ponder.runlog.files import replacing
from ponder.types import Group, PonderError, Trajectory, Verdict

SCHEMA = pa.schema(
    [
        ("update", pa.int32()),
        ("group", pa.int32()),
        ("problem", pa.string()),
        ("family", pa.string()),
        ("level", pa.int32()),
        ("question", pa.string()),
        ("steps", pa.list_(pa.string())),
        ("tokens", pa.list_(pa.int32())),
        ("logprobs", pa.list_(pa.float32())),
        ("step_lengths", pa.list_(pa.int32())),
        ("forced", pa.list_(pa.bool_())),
        ("version", pa.int32()),
        ("stop", pa.string()),
        ("outcome", pa.float64()),
        ("failure", pa.string()),
        ("extracted", pa.string()),
        ("detail", pa.string()),
    ]
)


def write(path: Path, updates: Sequence[Sequence[Group]]) -> None:
    """All trajectories of a round in one durable step; `updates` are the groups of each policy update.

    An existing file of that name is replaced: a round that is played again after a kill gives the same rows.
    """
    rows = [
        _row(update, number, group, trajectory, verdict)
        for update, groups in enumerate(updates)
        for number, group in enumerate(groups)
        for trajectory, verdict in zip(group.trajectories, group.verdicts, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), temporary, compression="zstd")


def read(path: Path) -> list[dict[str, Any]]:
    """The rows as plain data. Raises PonderError if the file is missing or no such store."""
    if not path.is_file():
        raise PonderError(f"{path}: no such file; a run keeps its samples in RUN/trajectories/round-NNNN.parquet")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise PonderError(f"{path}: not a Parquet file that can be read ({error})") from error
    missing = [name for name in SCHEMA.names if name not in table.column_names]
    if missing:
        raise PonderError(f"{path}: not a trajectory file, it has no column {', '.join(missing)}")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _row(update: int, number: int, group: Group, trajectory: Trajectory, verdict: Verdict) -> dict[str, Any]:
    question, steps = group.problem.question, trajectory.steps
    return {
        "update": update,
        "group": number,
        "problem": question.id,
        "family": question.family,
        "level": question.level,
        "question": question.text,
        "steps": [step.text for step in steps],
        "tokens": list(trajectory.tokens),
        "logprobs": list(trajectory.logprobs),
        "step_lengths": [len(step.tokens) for step in steps],
        "forced": [step.forced for step in steps],
        "version": trajectory.leaf.version,
        "stop": trajectory.stop.value,
        "outcome": verdict.outcome,
        "failure": verdict.failure,
        "extracted": verdict.extracted,
        "detail": verdict.detail,
    }
