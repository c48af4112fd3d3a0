"""Label rows in a Parquet file that `datasets.load_dataset("parquet", data_files=...)` loads, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ponder.labels.rows import LabelRow, as_data, check, check_origin, from_data
from ponder.runlog.files import replacing
from ponder.types import PonderError

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("family", pa.string()),
        ("question", pa.string()),
        ("instructions", pa.string()),
        ("steps", pa.list_(pa.string())),
        ("tokens", pa.list_(pa.list_(pa.int32()))),
        ("label_steps", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.float64())),
        ("rollouts", pa.list_(pa.int32())),
        ("outcome", pa.float64()),
        ("first_error", pa.int32()),
        ("advantages", pa.list_(pa.float64())),
        ("method", pa.string()),
        ("correctness", pa.bool_()),
        ("model", pa.string()),
        ("tokenizer", pa.string()),
        ("step_rule", pa.string()),
        ("seed", pa.int64()),
    ]
)


def write(path: Path, rows: Sequence[LabelRow]) -> None:
    """Write all rows in one durable step. A row that could not be read back is refused here."""
    for number, row in enumerate(rows):
        check(row, f"{path}, row {number}")
    table = pa.Table.from_pylist([as_data(row) for row in rows], schema=SCHEMA)
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


def read(path: Path, *, tokenizer: str | None = None, step_rule: str | None = None) -> list[LabelRow]:
    """All rows, checked. `tokenizer` (a fingerprint) and `step_rule` refuse a file made for others; None takes any."""
    if not path.is_file():
        raise PonderError(f"{path}: no such file; give the labels.parquet of `ponder label`")
    try:
        data = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise PonderError(f"{path}: not a Parquet file that can be read ({error}); restore it") from error
    rows = []
    for number, values in enumerate(data):
        where = f"{path}, row {number}"
        row = from_data(values, where)
        check_origin(row, where, tokenizer=tokenizer, step_rule=step_rule)
        rows.append(row)
    return rows
