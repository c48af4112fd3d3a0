from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ponder.models.load import load, save
from ponder.runlog import files
from ponder.types import PonderError
from tests.learning.factory import model, tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(model(), tokenizer(), tmp_path)
    return tmp_path


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_saved_folder_loads_as_it_was(folder: Path):
    loaded = load(str(folder))
    for name, parameter in model().named_parameters():
        assert torch.equal(parameter, loaded.model.get_parameter(name))
    assert not loaded.model.training
    assert loaded.tokenizer.eos_token_id == 1


def test_the_dtype_is_the_one_asked_for(folder: Path):
    assert load(str(folder), dtype=torch.bfloat16).model.dtype == torch.bfloat16


def remove(*names: str):
    return lambda folder: [(folder / name).unlink() for name in names]


def pickle_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(model().state_dict(), folder / "pytorch_model.bin")


def change_weights(change):
    def broken(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return broken


def point_to_a_pickle(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save_file(tensors, folder / "other.safetensors", metadata={"format": "pt"})
    torch.save(tensors, folder / "evil.bin")
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, "evil.bin")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def template(text: str):
    return lambda folder: (folder / "chat_template.jinja").write_text(text)


ENDLESS = "{% for a in range(99999) %}" * 3 + "{% endfor %}" * 3
NORM = "model.layers.0.input_layernorm.weight"
BROKEN = {
    "a tensor is missing": (change_weights(lambda t: t.pop(NORM)), f"the model lacks {NORM}"),
    "a tensor too many": (change_weights(lambda t: t.update(more=torch.zeros(2))), "the model has no place for more"),
    "another shape": (
        change_weights(lambda t: t.update({NORM: torch.zeros(3)})),
        rf"of another shape are {NORM} \(\[3\] for",
    ),
    "an index of a pickle": (point_to_a_pickle, r"points to 'evil\.bin'; only \*\.safetensors"),
    "a deep config": (lambda f: (f / "config.json").write_text("[" * 100_000), "nested too deeply"),
    "an endless template": (template(ENDLESS), "its chat template does not end"),
    "a template without measure": (template("{{ ('x' * 99999999) * 99999 }}"), "its chat template does not end"),
    "no tokenizer": (remove("tokenizer.json"), "no tokenizer"),
    "no config": (remove("config.json"), r"no config\.json"),
    "no weights": (remove("model.safetensors"), "no weights"),
    "config is not JSON": (lambda f: (f / "config.json").write_text("{"), "cannot be read as JSON"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "not a JSON object"),
    "not a language model": (lambda f: edit(f, model_type="vit"), "'vit' is not a causal language model"),
    "no model type": (lambda f: edit(f, model_type=None), "None is not a causal"),
    "custom code": (lambda f: edit(f, auto_map={"AutoModelForCausalLM": "evil.Evil"}), "its own code"),
    "pickled weights": (pickle_weights, "only pickled weights"),
    "broken weights": (lambda f: (f / "model.safetensors").write_bytes(b"x" * 64), "cannot be loaded"),
}


@pytest.mark.parametrize(("break_it", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_folder_is_refused_in_one_sentence(folder: Path, break_it, message: str):
    break_it(folder)
    with pytest.raises(PonderError, match=message) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_code_in_a_folder_never_runs(folder: Path):
    mark = folder / "ran"
    code = f"open({str(mark)!r}, 'w').close()\n"
    for name in ("evil.py", "modeling_evil.py", "tokenization_evil.py"):
        (folder / name).write_text(code)
    settings = folder / "tokenizer_config.json"
    custom = {"auto_map": {"AutoTokenizer": ["tokenization_evil.Evil", None]}}
    settings.write_text(json.dumps({**json.loads(settings.read_text()), **custom}))
    with pytest.raises(PonderError, match="its own code"):
        load(str(folder))
    assert not mark.exists()


def test_pickled_weights_load_only_if_asked_for(folder: Path):
    pickle_weights(folder)
    loaded = load(str(folder), pickles=True)
    assert torch.equal(loaded.model.get_parameter("lm_head.weight"), model().get_parameter("lm_head.weight"))


def test_a_hostile_pickle_does_not_run_even_then(folder: Path):
    mark = folder / "ran"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (mark,))

    (folder / "model.safetensors").unlink()
    torch.save({"x": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(PonderError):
        load(str(folder), pickles=True)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c"])
def test_a_folder_that_is_not_there_is_said_to_be_missing(name: str):
    with pytest.raises(PonderError, match="no such folder"):
        load(name)


def test_a_hub_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    def unreachable(*args: object, **options: object) -> None:
        raise OSError("We couldn't connect to the hub\nand more lines")

    monkeypatch.setattr("ponder.models.load.AutoTokenizer.from_pretrained", unreachable)
    with pytest.raises(PonderError, match=r"'someone/model': no such folder, and the hub .* \(We couldn't"):
        load("someone/model")


def test_a_tied_head_need_not_be_stored(tmp_path: Path):
    config = copy.deepcopy(model().config)
    config.tie_word_embeddings = True
    save(type(model())(config), tokenizer(), tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    loaded = load(str(tmp_path)).model
    assert torch.equal(*(loaded.get_parameter(name) for name in ("lm_head.weight", "model.embed_tokens.weight")))


def test_a_full_disk_is_one_sentence_and_leaves_no_half_folder(tmp_path: Path):
    disk = tmp_path / "small"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        with pytest.raises(PonderError, match=r"cannot write .*model: the disk is full; free some space"):
            save(model(), tokenizer(), disk / "model")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_saved_folder_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[tuple[str, bool]] = []
    real = files.sync

    def sync(path: Path) -> None:
        seen.append((path.name, (tmp_path / "model").exists()))
        real(path)

    monkeypatch.setattr(files, "sync", sync)
    save(model(), tokenizer(), tmp_path / "model")
    assert {("model.safetensors", False), ("config.json", False), ("tokenizer.json", False)} <= set(seen)
    assert seen[-1] == (tmp_path.name, True)
