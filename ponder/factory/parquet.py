"""Chains in a Parquet file that `datasets.load_dataset("parquet", data_files=...)` loads, and back in pieces.

`response` is what the model is to say after its prompt (which opens the thinking); `messages` is the same as a chat.
`spans` tell of every piece who wrote it and where it was cut from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ponder.factory.chain import Chain
from ponder.runlog.files import replacing
from ponder.types import PonderError, Question

_SPAN = pa.struct([(name, pa.string()) for name in ("kind", "text", "by", "source", "note")])
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("family", pa.string()),
        ("level", pa.int32()),
        ("question", pa.string()),
        ("instructions", pa.string()),
        ("response", pa.string()),
        ("messages", pa.list_(_MESSAGE)),
        ("method", pa.string()),
        ("round", pa.int32()),
        ("outcome", pa.float64()),
        ("spans", pa.list_(_SPAN)),
    ]
)
OPENED = "<think>\n"


def write(path: Path, chains: Sequence[Chain]) -> None:
    """All chains in one durable step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist([_row(chain) for chain in chains], schema=SCHEMA), temporary)


def read(path: Path) -> list[dict[str, Any]]:
    """The rows as plain data. PonderError if the file is no file of chains."""
    if not path.is_file():
        raise PonderError(f"{path}: no such file; give the chains.parquet of `ponder factory make`")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise PonderError(f"{path}: not a Parquet file that can be read ({error})") from error
    missing = [name for name in ("id", "question", "instructions", "response") if name not in table.column_names]
    if missing:
        raise PonderError(f"{path}: not a file of chains, it has no column {', '.join(missing)}")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def question_of(row: Mapping[str, Any]) -> Question:
    return Question(row["id"], row.get("family") or "", row["question"], row["instructions"], row.get("level") or 0)


def pieces_of(row: Mapping[str, Any], errors: bool) -> tuple[tuple[str, bool], ...]:
    """The response in pieces, each with whether it is to be imitated; wrong steps only if `errors`.

    A row without spans (of another program) is one piece.
    """
    spans = row.get("spans") or [{"text": row["response"], "kind": ""}]
    return merged((span["text"], errors or span["kind"] != "wrong") for span in spans)


def merged(pieces: Iterable[tuple[str, bool]]) -> tuple[tuple[str, bool], ...]:
    """Neighbours of one kind as one piece, so that a text is cut into tokens at as few seams as there must be."""
    return tuple(
        ("".join(text for text, _ in some), kind) for kind, some in groupby(pieces, key=lambda piece: piece[1])
    )


def _row(chain: Chain) -> dict[str, Any]:
    question = chain.problem.question
    system = [{"role": "system", "content": question.instructions}] if question.instructions else []
    said = {"role": "assistant", "content": OPENED + chain.text}
    return {
        "id": question.id,
        "family": question.family,
        "level": question.level,
        "question": question.text,
        "instructions": question.instructions,
        "response": chain.text,
        "messages": [*system, {"role": "user", "content": question.text}, said],
        "method": chain.method,
        "round": chain.round,
        "outcome": chain.outcome,
        "spans": [asdict(span) for span in chain.spans],
    }
