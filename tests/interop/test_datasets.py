"""Problems as files for Hugging Face `datasets`: types, provenance, splits; opt-in with the package itself."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ponder.api.interop.datasets import SCHEMA, export
from ponder.api.problems import load_families
from ponder.cli import app
from ponder.rollout import store
from ponder.types import PonderError
from tests.rollout.scripted import group

asked = bool(os.environ.get("PONDER_INTEROP")) and importlib.util.find_spec("datasets") is not None
theirs = pytest.mark.skipif(not asked, reason="set PONDER_INTEROP=1, with the package datasets")


def test_the_rows_are_the_problems_of_every_split_and_say_where_they_come_from(tmp_path: Path) -> None:
    counts = export(["arithmetic?terms=3", "formula"], tmp_path / "out", limit=5, seed=3)
    assert counts == {"train": 10, "validation": 10, "test": 10}
    questions: dict[str, str] = {}
    for split in counts:
        table = pq.read_table(tmp_path / "out" / f"{split}.parquet")
        assert table.schema.equals(SCHEMA)
        told = json.loads(table.schema.metadata[b"ponder"])
        assert (told["split"], told["seed"], told["problems"]) == (split, 3, ["arithmetic?terms=3", "formula"])
        rows = table.to_pylist()
        for row in rows:
            assert questions.setdefault(row["question"], split) == split
        arithmetic, formula = load_families(["arithmetic?terms=3", "formula"])
        first = arithmetic.problem(0, split=split, seed=3)
        assert rows[0]["question"] == first.question.text and rows[0]["answer"] == first.key.answer
        assert json.loads(rows[5]["data"])["tests"] == list(map(list, _tests(formula.problem(0, split=split, seed=3))))
    assert "seed 3" in (tmp_path / "out/README.md").read_text(encoding="utf-8")


def _tests(problem: object) -> list[list[object]]:
    return json.loads(json.dumps(problem.key.data["tests"]))  # type: ignore[attr-defined, no-any-return]


def test_what_cannot_be_exported_is_said(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match="dev"):
        export("arithmetic", tmp_path / "out", splits=("dev",))
    export("arithmetic", tmp_path / "out", limit=2)
    with pytest.raises(PonderError, match="overwrite"):
        export("arithmetic", tmp_path / "out", limit=2)
    done = CliRunner().invoke(
        app, ["problems", "export", "arithmetic", "--limit", "2", "--out", str(tmp_path / "out"), "--overwrite"]
    )
    assert done.exit_code == 0 and "2 validation, 2 test" in done.output


@theirs
def test_the_package_datasets_reads_problems_and_trajectories_with_their_types(tmp_path: Path) -> None:
    datasets: Any = importlib.import_module("datasets")

    datasets.disable_caching()
    export(["arithmetic", "countdown"], tmp_path / "out", limit=4)
    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in found.items()} == {"train": 8, "validation": 8, "test": 8}
    assert str(found["train"].features["level"].dtype) == "int32"
    assert found["test"][0]["question"] and isinstance(json.loads(found["test"][4]["data"]), dict)
    store.write(tmp_path / "run/round-0001.parquet", [[group("abR", "cW")]])
    rows = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "run/*.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert rows[0]["steps"] == ["a", "b", "R"] and rows["outcome"] == [1.0, 0.0]
