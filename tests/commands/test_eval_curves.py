"""`ponder eval`: curves and a page, plans fitted and used, training beside thinking, and countdown judging itself."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from ponder import cli
from ponder.reports.thinking import page as thinking
from ponder.runlog.folder import config_hash
from ponder.types import PonderError
from tests.selfplay.small import model_folder

SIZES = ["--limit", "2", "--budgets", "48,96", "--max-tokens", "41"]


def ponder(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ponder", *arguments, "--json"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(model_folder(tmp_path_factory.mktemp("model") / "model"))


def measured(folder: Path, name: str = "metrics.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text())
    return found


def test_what_can_be_replayed_is_and_says_so_and_the_rest_has_seconds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str
) -> None:
    arguments = ["eval", "--model", model, "--strategies", "sample,vote,chain", "--out", str(tmp_path), *SIZES]
    assert ponder(monkeypatch, *arguments) == 0
    metrics = measured(tmp_path)
    assert {row["strategy"]: row["replayed"] for row in metrics["results"]} == {
        "sample": True,
        "vote": True,
        "chain": False,
    }
    assert all((row["seconds"] is None) == row["replayed"] for row in metrics["results"])
    found = metrics["curves"]
    assert {line["name"] for line in found["test_time"]["all"]} == {"sample", "vote", "chain"}
    assert found["coverage"]["points"]
    assert "selection" in found["natural"]["note"]
    assert [line["name"] for line in found["seconds"]] == ["chain"]
    assert metrics["reflection"][-1]["tokens"] == 41
    assert 0 < metrics["work"]["parts"]["policy"]["mfu"] < 1
    page = (tmp_path / "curves.html").read_text()
    assert "Replayed on samples drawn once" in page
    assert "Run again at every budget: chain" in page
    assert "http" not in page.replace("http-equiv", "")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_live_runs_everything_and_draws_no_pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str) -> None:
    arguments = ["eval", "--model", model, "--problems", "countdown", "--live", "--strategies", "sample,vote"]
    assert ponder(monkeypatch, *arguments, "--out", str(tmp_path), *SIZES) == 0
    metrics = measured(tmp_path)
    assert not any(row["replayed"] for row in metrics["results"])
    assert all(row["seconds"] > 0 for row in metrics["results"])
    assert metrics["curves"]["coverage"] is None


def test_a_plan_is_fitted_on_validation_problems_and_used_by_auto(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str
) -> None:
    plan = tmp_path / "plans" / "mine.json"
    common = ["eval", "--model", model, "--problems", "countdown", *SIZES]
    fitting = ["--split", "validation", "--limit", "4", "--strategies", "sample,vote", "--fit-plan", str(plan)]
    assert ponder(monkeypatch, *common, *fitting, "--out", str(tmp_path / "a")) == 0
    data = json.loads(plan.read_text())
    assert [row["budget"] for row in data["table"]] == [48, 96]
    assert len(data["half_of"]) == 4
    using = ["--strategies", "auto,vote", "--plan", str(plan), "--out", str(tmp_path / "b")]
    assert ponder(monkeypatch, *common, *using) == 0
    assert {row["strategy"] for row in measured(tmp_path / "b")["results"]} == {"auto", "vote"}


def test_efforts_are_budgets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str) -> None:
    arguments = ["eval", "--model", model, "--problems", "countdown", "--strategies", "sample", "--limit", "1"]
    budgets = ["--budgets", "high,low,50", "--max-tokens", "41", "--out", str(tmp_path)]
    assert ponder(monkeypatch, *arguments, *budgets) == 0
    assert [row["budget"] for row in measured(tmp_path)["results"]] == [41, 50, 656]


def test_a_self_check_is_named_so_and_stands_in_for_no_verifier(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", "--model", model, "--verifier", "self-check", "--strategies", "vote,best_of_n", *SIZES]
    assert ponder(monkeypatch, *arguments, "--problems", "countdown", "--out", str(tmp_path / "a")) == 0
    metrics = measured(tmp_path / "a")
    names = [line["name"] for line in metrics["curves"]["test_time"]["all"]]
    assert names == ["vote", "best_of_n (self-check)"]
    assert {row["strategy"]: row["judge"] for row in metrics["results"]} == {"vote": None, "best_of_n": "self-check"}
    assert "No learned verifier" in (tmp_path / "a" / "curves.html").read_text()
    assert ponder(monkeypatch, *arguments, "--problems", "cipher", "--out", str(tmp_path / "b")) == 2
    assert "cannot be checked without its key" in capsys.readouterr().err.replace("\n", " ")


def run_folder(folder: Path, model: str) -> Path:
    """What a run leaves that the grid reads."""
    (folder / "policies").mkdir(parents=True)
    if Path(model).is_dir():
        shutil.copytree(model, folder / "policies" / "round-0001")
    config = {"model": model}
    (folder / "config.toml").write_text(f'# config_hash = "{config_hash(config)}"\nmodel = "{model}"\n')
    rows = [{"step": 0, "round": -1, "flops": 0.0}, {"step": 1, "round": 0, "flops": 5e9}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_grid_sets_the_rounds_of_a_run_beside_thinking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str
) -> None:
    run = run_folder(tmp_path / "run", model)
    arguments = ["eval", "--grid", str(run), "--problems", "countdown", "--strategies", "sample,vote", *SIZES]
    assert ponder(monkeypatch, *arguments, "--out", str(tmp_path / "out")) == 0
    grid = measured(tmp_path / "out", "grid.json")
    assert [(m["name"], m["flops"]) for m in grid["members"]] == [("base", 0.0), ("round 1", 5e9)]
    assert len(grid["cells"]) == 2 * 3  # one plain answer and two votes each
    assert [level["questions"] for level in grid["by_questions"]] == [100, 1000, 10_000, 100_000, 1_000_000]
    assert (tmp_path / "out" / "grid.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fit-plan", "p.json"], "--split validation"),
        (["--fit-plan", "p.json", "--grid", "runs/x"], "give one of them"),
        (["--aggregation", "min"], "is for the scores in a --pool"),
        (["--plan", "nowhere.json"], "nowhere.json"),
        (["--budgets", "much"], "give low, medium, high"),
        (["--grid", "empty"], "no policies are kept"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_folder(Path("empty"), "tiny") if "--grid" in arguments else None
    if run is not None:
        shutil.rmtree(run / "policies")
    assert ponder(monkeypatch, "eval", "--problems", "countdown", "--out", "out", *arguments) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not Path("out").exists()


def test_a_page_needs_metrics(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match=r"metrics\.json cannot be read"):
        thinking.render(tmp_path)
    (tmp_path / "metrics.json").write_text('{"schema": 7}')
    with pytest.raises(PonderError, match="no metrics of this version"):
        thinking.render(tmp_path)
