from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from ponder.learning.checkpoints import manifest
from ponder.learning.checkpoints.checkpoints import Checkpoints, Saved
from ponder.learning.checkpoints.state import LearnerState
from ponder.losses.clipped import Clipped
from ponder.models.load import load
from ponder.types import PonderError
from tests.learning.factory import model, samples, tokenizer, trainer

MODEL, TOKENIZER = model(layers=1), tokenizer()


def save(checkpoints: Checkpoints, round: int) -> None:
    tensors = {"optimizer": {"moment": torch.full((3,), float(round))}, "verifier": {}}
    checkpoints.save(round, MODEL, TOKENIZER, tensors=tensors, state={"round": round, "rate": 0.1}, version=round + 1)


def latest(checkpoints: Checkpoints) -> Saved:
    found = checkpoints.load_latest(MODEL)
    assert found.saved is not None
    return found.saved


def is_whole(saved: Saved) -> bool:
    """Every part of it is of the same round."""
    round = saved.ref.round
    return saved.state["round"] == round and saved.tensors["optimizer"]["moment"].tolist() == [float(round)] * 3


def test_what_was_saved_comes_back(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints")
    assert checkpoints.load_latest().saved is None
    save(checkpoints, 3)
    found = checkpoints.load_latest(MODEL)
    assert found.warnings == ()
    saved = latest(checkpoints)
    assert (saved.ref.round, saved.ref.version) == (3, 4)
    assert saved.state == {"round": 3, "rate": 0.1}
    assert saved.tensors["verifier"] == {}
    assert is_whole(saved)
    assert (checkpoints.folder / "latest").read_text() == Path(saved.ref.path).name


def test_the_best_stays_besides_the_last_ones_until_another_is_better(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    assert checkpoints.load_best() is None
    for round in range(5):
        checkpoints.save(round, MODEL, TOKENIZER, tensors={}, state={"round": round}, best=round == 1)
    assert [path.name.split("-")[-1] for path in sorted(tmp_path.glob("*-round-*"))] == ["1", "3", "4"]
    best = checkpoints.load_best()
    assert best is not None and best.state == {"round": 1}
    assert checkpoints.load_latest(MODEL).saved is not None
    checkpoints.save(5, MODEL, TOKENIZER, tensors={}, state={"round": 5}, best=True)
    assert [path.name.split("-")[-1] for path in sorted(tmp_path.glob("*-round-*"))] == ["4", "5"]
    (Path(checkpoints.load_best().ref.path) / "state.json").write_text("{}")  # type: ignore[union-attr]
    assert checkpoints.load_best() is None  # damaged: nobody goes back to it


def test_the_policy_folder_is_an_ordinary_model_folder(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 0)
    theirs = AutoModelForCausalLM.from_pretrained(latest(checkpoints).policy)
    ours = load(str(latest(checkpoints).policy))
    for name, parameter in MODEL.named_parameters():
        assert torch.equal(parameter, theirs.get_parameter(name))
        assert torch.equal(parameter, ours.model.get_parameter(name))
    assert ours.tokenizer.get_vocab() == TOKENIZER.get_vocab()


def test_nothing_is_pickled(tmp_path: Path):
    save(Checkpoints(tmp_path), 0)
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} <= {".safetensors", ".json", ".jinja", ""}


def test_only_the_last_ones_are_kept(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for round in range(12):
        save(checkpoints, round)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000011-round-10", "000012-round-11", "latest"]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


FILES = [
    "policy/model.safetensors",
    "policy/config.json",
    "tensors/optimizer.safetensors",
    "state.json",
    "manifest.json",
]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
def test_a_damaged_file_is_named_and_the_previous_checkpoint_is_used(
    tmp_path: Path, file: str, damage: Callable[[Path], None]
):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 0)
    save(checkpoints, 1)
    damage(tmp_path / "000002-round-1" / file)
    found = checkpoints.load_latest(MODEL)
    assert found.saved is not None
    assert found.saved.ref.round == 0
    assert is_whole(found.saved)
    (warning,) = found.warnings
    assert "000002-round-1" in warning
    assert file.rpartition("/")[2] in warning


def test_if_none_is_whole_it_is_an_error_and_not_a_fresh_start(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 0)
    flip(tmp_path / "000001-round-0" / "state.json")
    with pytest.raises(PonderError, match=r"no checkpoint.*is whole.*state\.json"):
        checkpoints.load_latest()


@pytest.mark.parametrize("pointer", [None, "nowhere", "000001-round-0"])
def test_a_missing_or_wrong_pointer_takes_the_newest_and_a_right_one_is_obeyed(tmp_path: Path, pointer: str | None):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 0)
    save(checkpoints, 1)
    (tmp_path / "latest").unlink() if pointer is None else (tmp_path / "latest").write_text(pointer)
    assert latest(checkpoints).ref.round == (0 if pointer == "000001-round-0" else 1)


def test_the_same_round_can_be_saved_again(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    save(checkpoints, 1)
    assert is_whole(latest(checkpoints))


def test_a_newer_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 0)
    monkeypatch.setattr(manifest, "FORMAT", 0)
    with pytest.raises(PonderError, match="format 1, this Ponder reads up to 0"):
        checkpoints.load_latest()


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 0)
    with pytest.raises(PonderError, match="another model"):
        checkpoints.load_latest(model(layers=2))


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked process; its exit status as os.waitstatus_to_exitcode gives it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(operation: int, folder: Path) -> Callable[[], None]:
    """Kill this process just before its n-th change to the disk under `folder` (open to write, rename, fsync, ...)."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if count == operation:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        changes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree")
        if writes or changes:
            step()

    def work() -> None:
        real = os.fsync

        def fsync(fd: Any) -> None:
            step()
            real(fd)

        os.fsync = fsync
        sys.addaudithook(watch)
        save(Checkpoints(folder), 2)

    return work


def test_a_kill_at_any_point_of_a_save_leaves_the_old_checkpoint_or_the_new_one(tmp_path: Path):
    start = Checkpoints(tmp_path / "start")
    save(start, 0)
    save(start, 1)
    seen: set[int] = set()
    for operation in range(1, 400):
        checkpoints = Checkpoints(tmp_path / str(operation))
        shutil.copytree(start.folder, checkpoints.folder)
        status = in_child(kill_at(operation, checkpoints.folder))
        found = checkpoints.load_latest(MODEL)
        assert found.warnings == ()
        assert found.saved is not None
        assert is_whole(found.saved)
        seen.add(found.saved.ref.round)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert status == 0
    assert operation > 30
    assert seen == {1, 2}


@pytest.mark.parametrize("operation", [2, 15, 30])
def test_the_save_after_a_kill_works_and_clears_up(tmp_path: Path, operation: int):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    assert in_child(kill_at(operation, tmp_path)) == -signal.SIGKILL
    save(checkpoints, 3)
    assert latest(checkpoints).ref.round == 3
    assert not list(tmp_path.glob(".tmp-*-round-*"))


def test_a_full_disk_is_one_error_and_leaves_everything_as_it_was(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 0)
    before = sorted(p.name for p in tmp_path.iterdir())

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))
        with pytest.raises(PonderError, match=r"not saved.*earlier checkpoints are untouched"):
            save(checkpoints, 1)

    assert in_child(work) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert latest(checkpoints).ref.round == 0


def test_training_through_a_checkpoint_ends_bit_equal(tmp_path: Path):
    options: dict[str, Any] = {"loss": Clipped(kl_coef=0.1), "minibatches": 2, "warmup_steps": 5}
    straight = trainer(model(layers=1), **options)
    for step in range(4):
        straight.update(samples(6, seed=step))

    first = trainer(model(layers=1), **options)
    for step in range(2):
        first.update(samples(6, seed=step))
    state = first.state()
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, first.model, TOKENIZER, tensors={"learner": state.tensors}, state=dict(state.counters))

    saved = latest(checkpoints)
    second = trainer(load(str(saved.policy)).model, **options)
    second.load_state(LearnerState(dict(second.model.named_parameters()), saved.tensors["learner"], saved.state))
    for step in range(2, 4):
        second.update(samples(6, seed=step))
    for name, parameter in straight.model.named_parameters():
        assert torch.equal(parameter, second.model.get_parameter(name))


def test_a_state_that_is_not_json_is_refused_before_anything_is_visible(tmp_path: Path):
    with pytest.raises(TypeError):
        Checkpoints(tmp_path).save(0, MODEL, TOKENIZER, tensors={}, state={"x": object()})
    assert [p.name for p in tmp_path.iterdir() if p.name[0] != "."] == []
