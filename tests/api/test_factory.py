"""`ponder factory` from end to end on the embedded model: make, bootstrap, clone, and the errors of both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ponder.api import factory
from ponder.api.policies import load_policy
from ponder.cli import app
from ponder.factory import parquet
from ponder.types import PonderError


def test_chains_are_made_bootstrapped_and_imitated(tmp_path: Path) -> None:
    request = factory.Request(
        "tiny",
        ("arithmetic?terms=3",),
        tmp_path / "chains",
        methods=("rejection", "pivots", "corrections"),
        limit=4,
        samples=4,
        draws=2,
        judge="truth",
        rounds=2,
        steps=2,
        batch=4,
        max_tokens=80,
    )
    summary = factory.make(request)
    rows = parquet.read(tmp_path / "chains" / factory.CHAINS)
    assert summary["chains"] == len(rows) > 0
    assert {row["outcome"] for row in rows} == {1.0}
    assert {row["round"] for row in rows} == {0, 1}
    assert all("".join(span["text"] for span in row["spans"]) == row["response"] for row in rows)
    assert all("-train-" in row["id"] for row in rows)  # nothing but training problems
    with pytest.raises(PonderError, match="holds chains"):
        factory.make(request)
    out = tmp_path / "model"
    told = factory.clone(
        factory.CloneRequest((tmp_path / "chains" / factory.CHAINS,), out, methods=("rejection",), steps=2, batch=4)
    )
    assert told["chains"] == sum(row["method"] == "rejection" for row in rows)
    assert load_policy(str(out)).engine.context == 1024
    with pytest.raises(PonderError, match="holds a model already"):
        factory.clone(factory.CloneRequest((tmp_path / "chains" / factory.CHAINS,), out))


def test_the_commands_say_what_they_made(tmp_path: Path) -> None:
    chains = tmp_path / "c"
    options = ["--problems", "arithmetic?terms=2", "--limit", "2", "--samples", "2", "--max-tokens", "60"]
    said = CliRunner().invoke(app, ["factory", "make", "--out", str(chains), "--methods", "rejection", *options])
    assert said.exit_code == 0, said.output
    assert "rejection" in said.output
    as_json = CliRunner().invoke(
        app,
        ["factory", "clone", str(chains / "chains.parquet"), "--out", str(tmp_path / "m"), "--steps", "1", "--json"],
    )
    assert as_json.exit_code == 0, as_json.output
    assert json.loads(as_json.output.strip().splitlines()[-1])["steps"] == 1
