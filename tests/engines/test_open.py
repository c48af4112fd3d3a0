"""Engines from settings, weights on their way to them, and what is refused before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ponder.config import Strict, load
from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import gather_all, run
from ponder.engines.open import check_trainable, open_engine
from ponder.engines.publish import folder_of, publish
from ponder.engines.registry import ENGINES, listing
from ponder.engines.scripted import ScriptedEngine
from ponder.engines.settings import EngineSettings, LocalSettings, RemoteSettings, ScriptedSettings, VllmSettings
from ponder.models.load import load as load_model
from ponder.protocols import WeightSource
from ponder.types import PonderError
from tests.engines.factory import Pieces, model, request
from tests.models.architectures import ARCHITECTURES, make, tokenizer


class Some(Strict):
    """As a run has it."""

    engine: EngineSettings = LocalSettings()


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), LocalSettings()),
        (
            ("engine.kind=local", "engine.dtype=bfloat16", "engine.cache_mb=64"),
            LocalSettings(dtype="bfloat16", cache_mb=64),
        ),
        (("engine.kind=vllm", "engine.memory=0.5"), VllmSettings(memory=0.5)),
        (("engine.kind=remote", "engine.address=http://h/v1#m"), RemoteSettings(address="http://h/v1#m")),
        (("engine.kind=scripted", 'engine.texts=["a", "b"]'), ScriptedSettings(texts=("a", "b"))),
    ],
)
def test_the_kind_chooses_the_settings(overrides: tuple[str, ...], expected: Strict):
    assert load(Some, None, overrides).engine == expected


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("engine.kind=vlm",), "engine"),
        (("engine.kind=local", "engine.memory=0.5"), "unknown setting engine.memory"),
        (("engine.kind=vllm", "engine.cache_mb=5"), "unknown setting engine.cache_mb"),
        (("engine.kind=remote",), "engine.address is missing"),
        (("engine.kind=vllm", "engine.memory=1.5"), "engine.memory must"),
        (("engine.kind=scripted", "engine.texts=[]"), "engine.texts"),
    ],
)
def test_settings_of_another_kind_and_wrong_values_are_refused(overrides: tuple[str, ...], words: str):
    with pytest.raises(PonderError, match=words):
        load(Some, None, overrides)


def test_every_kind_is_listed_with_its_settings_and_they_are_those_of_the_union():
    rows = json.loads(json.dumps(listing()))
    assert [row["name"] for row in rows] == list(ENGINES) == ["local", "vllm", "remote", "scripted"]
    assert all(len(row["summary"]) > 20 and row["settings"] for row in rows)
    assert [row["trainable"] for row in rows] == [True, True, False, True]
    for kind in ENGINES.values():
        assert kind.settings.model_fields["kind"].get_default() == kind.name


def test_what_an_engine_takes_is_what_the_list_says():
    opened: list[tuple[str, Any]] = [
        ("local", open_engine(LocalSettings(), Pieces(), model=model("llama"))),
        ("scripted", open_engine(ScriptedSettings(), Pieces())),
    ]
    for name, engine in opened:
        assert engine.takes == ENGINES[name].takes


def test_the_local_engine_is_opened_as_its_settings_say():
    lm = model("llama")
    engine = open_engine(LocalSettings(dtype="bfloat16", context=20, max_batch=3), Pieces(), model=lm, version=4)
    assert isinstance(engine, LocalEngine)
    assert (engine.context, engine.version, engine._model.dtype) == (20, 4, torch.bfloat16)
    assert lm.dtype == torch.float32 and engine._model is not lm
    engine.replace_weights(model("llama", seed=5).state_dict(), 5)
    assert torch.equal(lm.lm_head.weight, model("llama").lm_head.weight)  # the trainer's stay as they were
    shared = open_engine(LocalSettings(share_weights=True), Pieces(), model=lm)
    assert isinstance(shared, LocalEngine) and shared._model is lm


def test_a_scripted_engine_says_its_texts():
    engine = open_engine(ScriptedSettings(texts=("ab", "c")), Pieces())
    assert isinstance(engine, ScriptedEngine)
    found = {Pieces().decode(c.tokens) for c in gather_all(engine.generate(request("a", seed=i)) for i in range(30))}
    assert found == {"ab", "c"}


def test_what_an_engine_needs_to_start_is_named():
    for settings, words in (
        (LocalSettings(), "from a loaded model"),
        (VllmSettings(), "from a model folder"),
        (RemoteSettings(address="http://h/v1#m"), "words and no tokens"),
    ):
        with pytest.raises(PonderError, match=words):
            open_engine(settings, Pieces())


def test_an_engine_that_takes_no_weights_is_refused_before_anything_is_loaded():
    config = model("llama").config
    with pytest.raises(PonderError, match=r"http://h/v1#m cannot be replaced .* cannot be trained; use local or vllm"):
        check_trainable(RemoteSettings(address="http://h/v1#m"), config)
    with pytest.raises(PonderError, match="adapters are not part"):
        check_trainable(LocalSettings(share_weights=True), config, lora=True)
    check_trainable(LocalSettings(), config, lora=True)
    check_trainable(LocalSettings(share_weights=True), config)


def test_vllm_on_a_cpu_refuses_tied_embeddings_at_the_start(monkeypatch: pytest.MonkeyPatch):
    class Platform:
        cpu = True

        def is_cpu(self) -> bool:
            return self.cpu

    class Library:
        class platforms:
            current_platform = Platform()

    monkeypatch.setattr("ponder.engines.vllm.engine.library", Library)
    with pytest.raises(PonderError, match="tied embeddings"):
        check_trainable(VllmSettings(), model("llama", tied=True).config)
    check_trainable(VllmSettings(), model("llama", tied=False).config)
    monkeypatch.setattr(Platform, "cpu", False)
    check_trainable(VllmSettings(), model("llama", tied=True).config)


# Weights on their way.


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_folder_in_shared_memory_holds_the_weights_and_is_gone_afterwards(name: str, tmp_path: Path):
    lm = make(name)
    with folder_of(lm.state_dict(), lm.config, tmp_path) as path:
        assert path.parent == tmp_path
        tokenizer().save_pretrained(path)
        loaded = load_model(str(path)).model
        for key, value in lm.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], value)
    assert list(tmp_path.iterdir()) == []


def test_without_room_in_shared_memory_the_folder_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ponder.engines.publish.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1 << 20}))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "disk"))
    (tmp_path / "disk").mkdir()
    (tmp_path / "memory").mkdir()
    lm = model("llama")
    with folder_of(lm.state_dict(), lm.config, tmp_path / "memory") as path:
        assert path.parent == tmp_path / "disk"
    with folder_of(lm.state_dict(), lm.config, tmp_path / "nowhere") as path:
        assert path.parent == tmp_path / "disk"


@pytest.mark.parametrize("takes", [("tensors", "path"), ("path",), ()])
def test_weights_go_by_the_first_way_that_the_engine_takes(takes: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch):
    got: list[tuple[bool, bool, int]] = []

    class Keeping(ScriptedEngine):
        async def update_weights(self, source: WeightSource, version: int) -> None:
            got.append((source.tensors is not None, source.path is not None and source.path.is_dir(), version))

    monkeypatch.setattr(Keeping, "takes", takes)
    lm = model("llama")
    engine = Keeping(Pieces(), lambda *_: "a")
    if not takes:
        with pytest.raises(PonderError, match="Keeping takes no weights"):
            run(publish(engine, lm.state_dict(), 1, lm.config))
        return
    run(publish(engine, lm.state_dict(), 1, lm.config))
    assert got == [("tensors" in takes, "tensors" not in takes, 1)]
