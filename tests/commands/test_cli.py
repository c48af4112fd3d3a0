"""The command line as a user meets it: bad input is one clear sentence, and good input gives its files."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

import ponder as package
from ponder import cli
from ponder.models.load import load
from ponder.problems.registry import FAMILIES
from ponder.runlog.files import explained
from tests.selfplay.small import model_folder


def ponder(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `ponder ARGUMENTS` in this process."""
    monkeypatch.setattr(sys, "argv", ["ponder", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


def qwen3_folder(folder: Path) -> Path:
    tokenizer = load("tiny").tokenizer
    torch.manual_seed(1)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=1024,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["eval", "--problems", "countdwn"], "Did you mean 'countdown'"),
        (["eval", "--strategies", "votee"], "Did you mean 'vote'"),
        (["eval", "--strategies", "beam"], "needs a verifier"),
        (["eval", "--problems", "jsonl:empty.jsonl"], "empty.jsonl"),
        (["eval", "--problems", "jsonl:broken.jsonl"], "broken.jsonl"),
        (["eval", "--budgets", "8", "--strategies", "sample", "--limit", "1"], "smaller than one answer"),
        (["eval", "--model", "nowhere/at/all"], "nowhere/at/all"),
        (["run", "--set", "trainer.learning_rat=1"], "trainer.learning_rate"),
        (["run", "--set", "rounds=many"], "rounds"),
        (["run", "--problems", "jsonl:whole.jsonl?split=all"], "train and validation share 1 problem"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Path("empty.jsonl").write_text("")
    Path("whole.jsonl").write_text('{"id": "a", "problem": "1+1", "answer": "2"}\n')
    Path("broken.jsonl").write_text('{"id": "a", "problem": "1+1", "answer": "2"}\n{"id": \n')
    assert ponder(monkeypatch, *arguments, "--out", "out", "--json") == 2
    captured = capsys.readouterr()
    assert said in captured.err.replace("\n", " ") and "Traceback" not in captured.err
    assert captured.out == ""
    assert not Path("out").exists()


def test_a_broken_file_is_named_with_its_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text('{"id": "a", "problem": "1+1", "answer": "2"}\n{"id": \n')
    assert ponder(monkeypatch, "problems", "show", f"jsonl:{file}") == 2
    assert "2" in capsys.readouterr().err.replace(str(file), "")


def test_a_model_folder_without_a_tokenizer_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model_folder(tmp_path / "model")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    assert ponder(monkeypatch, "eval", "--model", str(folder), "--out", str(tmp_path / "out"), "--json") == 2
    assert "tokenizer" in capsys.readouterr().err


@pytest.mark.parametrize("architecture", ["llama", "qwen3"])
def test_eval_takes_gym_tasks_and_local_folders_of_other_architectures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], architecture: str
) -> None:
    folder = (model_folder if architecture == "llama" else qwen3_folder)(tmp_path / architecture)
    arguments = ["eval", "--model", str(folder), "--problems", "gym:chain_sum,gym:countdown", "--limit", "2"]
    sizes = ["--strategies", "sample,vote", "--budgets", "48,96", "--max-tokens", "41"]
    assert ponder(monkeypatch, *arguments, *sizes, "--out", str(tmp_path / "out"), "--json") == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert [(row["strategy"], row["budget"]) for row in metrics["results"]] == [
        ("sample", 48),
        ("sample", 96),
        ("vote", 48),
        ("vote", 96),
    ]
    for row in metrics["results"]:
        spent = row["kept"] + row["discarded"] + row["verifier"]
        assert 0 < spent <= row["budget"] * metrics["n"]
        assert set(row["by_family"]) == {"gym:chain_sum", "gym:countdown"}


def test_solve_shows_the_thought_and_its_bill(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ponder(monkeypatch, "solve", "Make 18 from 3, 6, 1.", "--budget", "300", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    usage = told["usage"]
    assert usage["spent"] == usage["kept"] + usage["discarded"] + usage["verifier"] <= 300
    assert told["steps"]


def test_grade_writes_verdicts_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows = [{"id": i, "prediction": f"so \\boxed{{{i}}}", "answer": "1"} for i in range(3)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert ponder(monkeypatch, "grade", str(file), "--out", str(out), "--json") == 0
    assert json.loads(capsys.readouterr().out)["right"] == 1
    assert [json.loads(line)["outcome"] for line in out.read_text().splitlines()] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("arguments", [["problems", "list", "--json"], ["problems", "show", "cipher", "--json"]])
def test_problems_are_listed_and_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert ponder(monkeypatch, *arguments) == 0
    assert json.loads(capsys.readouterr().out)


def test_help_loads_no_model_library() -> None:
    heavy = ("torch", "transformers", "matplotlib", "pyarrow", "pydantic")
    code = f"import sys, ponder.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


def test_version_settings_and_lists(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ponder(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == package.__version__
    assert ponder(monkeypatch, "run", "--settings", "--json") == 0
    keys = {row["key"]: row["default"] for row in json.loads(capsys.readouterr().out)}
    assert keys["sampling.group_size"] == 8 and keys["rounds"] == 6
    assert ponder(monkeypatch, "list", "strategies", "--json") == 0
    entries = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert entries["beam"]["needs"] == ["verifier"] and entries["vote"]["source"] == "arXiv 2203.11171"
    assert ponder(monkeypatch, "list", "families") == 0
    assert "countdown" in capsys.readouterr().out
    for columns, line in (("80", "settings: max_tokens: int = 512, answer_reserve: int"), ("140", "arXiv 2203.11171")):
        monkeypatch.setenv("COLUMNS", columns)
        assert ponder(monkeypatch, "list", "strategies") == 0
        shown = capsys.readouterr().out
        assert line in shown and max(map(len, shown.splitlines())) <= int(columns)
    assert ponder(monkeypatch, "list", "strategy") == 2
    assert "Did you mean 'strategies'" in capsys.readouterr().err
    monkeypatch.setenv("COLUMNS", "160")
    assert ponder(monkeypatch, "--help") == 0
    assert "--install-completion" in capsys.readouterr().out


def test_how_many_problems_is_called_limit_and_n_still_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("--limit", "--n"):
        assert ponder(monkeypatch, "problems", "show", "countdown", name, "2", "--json") == 0
        assert len(json.loads(capsys.readouterr().out)["problems"]) == 2


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["eval", "--device", "gpu", "--out", "o"], "device 'gpu' is unknown; allowed are cpu, cuda and cuda:N"),
        (["eval", "--device", "cuda:99", "--out", "o"], "device 'cuda:99': "),
        (["solve", "Compute 1+1.", "--device", "gpu"], "device 'gpu' is unknown"),
        (["run", "--set", "device=gpu", "--out", "o"], "device 'gpu' is unknown"),
        (["eval", "--out", "file"], "file is a file; choose a folder (--out)"),
        (["eval", "--pool", "pool.jsonl", "--out", "file"], "--out file is a file; name a folder"),
        (["eval", "--out", "full"], "full is not empty; continue it with --resume or choose another folder"),
        (["eval", "--pool", "pool.jsonl", "--out", "full"], "--out full holds metrics.json already"),
        (["eval", "--out", "/proc/none"], "cannot write /proc/none"),
        (["verifier", "audit", "--verifier", "truth", "--out", "file"], "--out file is a file; name a folder"),
    ],
)
def test_a_device_or_folder_that_cannot_be_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("full").mkdir()
    Path("full/metrics.json").write_text("{}")
    Path("pool.jsonl").write_text('{"problem": "1+1?", "answer": "2", "responses": ["2"]}\n')
    assert ponder(monkeypatch, *command) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not Path("o").exists()


@pytest.mark.parametrize(("command", "goes_on"), [("run", True), ("eval", True), ("label", True), ("solve", False)])
def test_a_full_disk_and_ctrl_c_advise_resume_where_the_command_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, goes_on: bool
) -> None:
    def full() -> None:
        with explained(tmp_path / "out"):
            raise OSError(errno.ENOSPC, "No space left on device")

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", full)
    assert ponder(monkeypatch, command) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "out: the disk is full; free some space or choose another folder (--out)" in said
    assert said.endswith("then continue with --resume") is goes_on
    monkeypatch.setattr(cli, "app", interrupted)
    assert ponder(monkeypatch, command) == 130
    stopped = "stopped; what was finished is saved; go on with --resume" if goes_on else "stopped"
    assert capsys.readouterr().err.strip() == stopped


def test_a_plugin_makes_a_family_of_ones_own_known_to_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "import ponder\n"
        "from dataclasses import dataclass\n"
        "from ponder.problems.families.countdown import Countdown\n"
        "@ponder.register_family('mine')\n"
        "@dataclass(frozen=True)\n"
        "class Mine(Countdown):\n"
        "    'Countdown under another name.'\n"
    )
    try:
        assert ponder(monkeypatch, "--plugin", str(plugin), "problems", "show", "mine", "--json") == 0
    finally:
        FAMILIES.pop("mine", None)
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 3


def test_the_help_of_verifier_train_names_every_kind():
    import inspect

    from ponder.commands.options import verifying
    from ponder.verifiers.learned.kinds import KINDS

    text = inspect.getsource(verifying.train_verifier)
    assert all(name in text for name in KINDS)
