"""`ponder problems export`: problems as a folder that `datasets.load_dataset(FOLDER)` reads, with types and provenance.

One Parquet file a split (`train.parquet`, ...), which is how that package names splits of a folder, and a card
(`README.md`) that says where the problems come from. A row is a question with its key; `data` is what a family's own
checker wants, as JSON. Splits never share a problem, as everywhere here. Trajectories, labels and chains are Parquet
files already (`RUN/trajectories/round-0001.parquet`, `labels.parquet`, `chains.parquet`) and load the same way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ponder.api.outputs import result_folder
from ponder.api.problems import Specs, draw_problems, load_families, spec_names
from ponder.problems.splits import SPLITS, check_split
from ponder.runlog import environment
from ponder.runlog.files import replacing
from ponder.types import PonderError, Problem
from ponder.version import VERSION

CARD = "README.md"
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("level", pa.int32(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("instructions", pa.string(), nullable=False),
        pa.field("images", pa.list_(pa.string()), nullable=False),
        pa.field("answer", pa.string()),
        pa.field("data", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
    ]
)


def export(
    specs: Specs,
    out: Path,
    *,
    splits: Sequence[str] = SPLITS,
    limit: int = 1000,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, int]:
    """Write `limit` different problems of each family a split (fewer where it has no more); rows by split.

    Raises PonderError for a split that is none, a folder that holds other results, and keys that JSON cannot hold.
    """
    for split in splits:
        check_split(split)
    if limit < 1 or not splits:
        raise PonderError(f"limit={limit}, splits {list(splits)}: at least 1 problem of one split is needed")
    families = load_families(specs)
    folder = result_folder(out, (CARD, *(f"{split}.parquet" for split in SPLITS)), overwrite=overwrite)
    made = {"ponder": VERSION, "revision": environment.revision(), "problems": spec_names(specs), "seed": seed}
    counts = {}
    for split in splits:
        rows = [_row(problem, seed) for problem in draw_problems(families, split, limit, seed)]
        told = {"ponder": json.dumps({**made, "split": split})}
        table = pa.Table.from_pylist(rows, schema=SCHEMA.with_metadata(told))
        with replacing(folder / f"{split}.parquet") as temporary:
            pq.write_table(table, temporary, compression="zstd")
        counts[split] = len(rows)
    with replacing(folder / CARD) as temporary:
        temporary.write_text(_card(made, counts), encoding="utf-8")
    return counts


def _row(problem: Problem, seed: int) -> dict[str, Any]:
    question, key = problem.question, problem.key
    if question.history or question.tools:
        raise PonderError(
            f"{problem.id} of {problem.family} is in the midst of a conversation, which a row cannot hold"
        )
    try:
        data = json.dumps(dict(key.data), ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise PonderError(f"the key of {problem.id} of {problem.family} cannot be written as JSON: {error}") from error
    return {
        "id": question.id,
        "family": question.family,
        "level": question.level,
        "question": question.text,
        "instructions": question.instructions,
        "images": list(question.images),
        "answer": key.answer,
        "data": data,
        "seed": seed,
    }


def _card(made: dict[str, Any], counts: dict[str, int]) -> str:
    files = "\n".join(f"  - split: {split}\n    path: {split}.parquet" for split in counts)
    rows = ", ".join(f"{count} {split}" for split, count in counts.items())
    source = f"Drawn by Ponder {made['ponder']} (revision {made['revision']}) with seed {made['seed']}"
    return (
        f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}\n---\n\n"
        f"# Problems of {', '.join(made['problems'])}\n\n{source}: {rows}. No problem is in two splits.\n\n"
        "`answer` is the gold answer where there is one, `data` what the checker of the family wants (JSON).\n"
    )
