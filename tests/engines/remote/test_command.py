"""`ponder eval` and `ponder solve` with a remote model, from the address to the file."""

from __future__ import annotations

import importlib.resources
import json
import sys
from pathlib import Path

import pytest

from ponder import cli
from tests.engines.remote.conftest import Server


def ponder(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ponder", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


@pytest.mark.parametrize(("fault", "path", "exact"), [("good/e", "", True), ("uncounted/e", "/completions", False)])
def test_eval_measures_a_remote_model_and_says_whether_its_tokens_were_counted(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str, path: str, exact: bool
) -> None:
    arguments = ["--problems", "arithmetic", "--limit", "2", "--strategies", "sample,vote", "--budgets", "90"]
    model = server.url(fault, path)
    assert ponder(monkeypatch, "eval", "--model", model, *arguments, "--out", str(tmp_path), "--json") == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["model"], metrics["engine"]["exact"]) == (model, exact)
    spent = sum(row["kept"] + row["discarded"] for row in metrics["results"])
    assert spent == metrics["tokens_generated"] == metrics["engine"]["generated"]
    assert all(row["spent"] <= 90 for row in metrics["results"])
    assert metrics["engine"]["requests"] == metrics["engine"]["calls"] == len(server.seen(fault))


def test_solve_marks_a_bill_that_is_partly_estimated(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", server.url("uncounted/s"), "--strategy", "sample", "--problems", "arithmetic"]
    assert ponder(monkeypatch, "solve", "Compute 2*3+1.", *arguments, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["usage"]["exact"] is False and told["answer"] == told["steps"][-1][-1]
    assert ponder(monkeypatch, "solve", "Compute 2*3+1.", *arguments) == 0
    assert "partly estimated" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--strategies", "best_of_n", "--verifier", "anywhere"], "a verifier reads the token ids"),
        (["--strategies", "beam"], "needs a verifier"),
    ],
)
def test_strategies_that_need_token_ids_are_refused_before_anything_is_asked(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    arguments = ["eval", "--model", server.url("good/v"), *options, "--problems", "arithmetic", "--out", str(tmp_path)]
    assert ponder(monkeypatch, *arguments) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert server.seen("good/v") == []


def test_a_vllm_model_without_vllm_or_without_a_folder_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    tiny = importlib.resources.files("ponder") / "assets" / "tiny"
    for folder, words in ((str(tiny), "pip install -e '.[vllm]'"), ("/no/such/folder", "no tokenizer")):
        assert ponder(monkeypatch, "solve", "1+1", "--model", f"vllm:{folder}") == 2
        assert words in " ".join(capsys.readouterr().err.split())


def test_without_its_library_the_extra_is_named(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    for name in ("client", "engine"):
        monkeypatch.delitem(sys.modules, f"ponder.engines.remote.{name}", raising=False)
    assert ponder(monkeypatch, "solve", "1+1", "--model", server.url("good/x")) == 2
    assert "pip install -e '.[remote]'" in " ".join(capsys.readouterr().err.split())
