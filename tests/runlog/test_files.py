"""Writes that survive: a kill in the middle of a line, a full disk, an exception half way."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ponder.runlog import append_line, files, read_jsonl, replacing, write_json, write_text
from ponder.runlog.files import mend, plain, whole_folder
from ponder.types import PonderError, StopReason


def test_a_journal_reads_back_what_was_appended(tmp_path):
    file = tmp_path / "a.jsonl"
    append_line(file, {"step": 1, "text": "line\nbreak é"})
    append_line(file, {"step": 2, "loss": None})
    assert read_jsonl(file) == [{"step": 1, "text": "line\nbreak é"}, {"step": 2, "loss": None}]


def test_a_missing_journal_is_empty(tmp_path):
    assert read_jsonl(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("torn", [b'{"step": 3, "lo', b'{"step": 3}', b"\0\0\0\0\n"])
def test_a_torn_last_line_is_dropped(tmp_path, torn):
    file = tmp_path / "a.jsonl"
    append_line(file, {"step": 1})
    with file.open("ab") as stream:
        stream.write(torn)
    assert read_jsonl(file) == [{"step": 1}]


def test_after_mending_the_next_line_does_not_continue_a_torn_one(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"step": 1}\n{"st')
    mend(file)
    append_line(file, {"step": 2})
    assert read_jsonl(file) == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize("broken", [b"{oops\n", b"[1, 2]\n", b"7\n"])
def test_a_broken_line_in_the_middle_is_named(tmp_path, broken):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"step": 1}\n' + broken + b'{"step": 3}\n')
    with pytest.raises(PonderError, match=r"a\.jsonl, line 2"):
        read_jsonl(file)


_APPENDER = """
import sys
from pathlib import Path
from ponder.runlog import append_line
for step in range(10**9):
    append_line(Path(sys.argv[1]), {"step": step, "filler": "x" * 5000})
    print(step, flush=True)
"""


def test_kill_9_during_appends_loses_no_acknowledged_line_and_doubles_none(tmp_path):
    file = tmp_path / "a.jsonl"
    child = subprocess.Popen([sys.executable, "-c", _APPENDER, str(file)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(20):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    acknowledged = 19 + len(child.stdout.read().splitlines())
    child.wait()
    steps = [row["step"] for row in read_jsonl(file)]
    assert steps == list(range(len(steps)))
    assert len(steps) >= acknowledged


def test_a_file_is_replaced_whole_and_leaves_no_temporary(tmp_path):
    file = tmp_path / "sub" / "a.json"
    write_json(file, {"a": 1})
    write_json(file, {"a": (1, 2)})
    assert json.loads(file.read_text()) == {"a": [1, 2]}
    assert [file.name for file in file.parent.iterdir()] == ["a.json"]


def test_an_exception_half_way_leaves_the_old_file(tmp_path):
    file = tmp_path / "a.txt"
    write_text(file, "old")

    def half() -> None:
        with replacing(file) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert file.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_the_rename_comes_after_the_bytes_are_on_the_disk(tmp_path, monkeypatch):
    order: list[str] = []

    def note(name, call):
        def noting(*args):
            order.append(name)
            return call(*args)

        return noting

    monkeypatch.setattr(os, "fsync", note("sync", os.fsync))
    monkeypatch.setattr(Path, "replace", note("rename", Path.replace))
    write_text(tmp_path / "a.txt", "new")
    assert order == ["sync", "rename", "sync"]


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a small disk needs root; the same is tested below with a patched write")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_clear_error_and_the_old_content_stays(small_disk):
    write_text(small_disk / "a.txt", "old")
    with pytest.raises(PonderError, match=r"cannot write .*a\.txt: the disk is full; free some space"):
        write_text(small_disk / "a.txt", "x" * 200_000)
    assert (small_disk / "a.txt").read_text() == "old"
    assert [file.name for file in small_disk.iterdir()] == ["a.txt"]


def test_a_line_that_does_not_fit_is_taken_back_whole(small_disk):
    file = small_disk / "a.jsonl"
    append_line(file, {"step": 1})
    before = file.read_bytes()
    with pytest.raises(PonderError, match="the disk is full"):
        append_line(file, {"step": 2, "filler": "x" * 200_000})
    assert file.read_bytes() == before
    append_line(file, {"step": 3})
    assert [row["step"] for row in read_jsonl(file)] == [1, 3]


def test_a_line_cut_by_a_full_disk_is_taken_back_where_no_small_disk_can_be_made(tmp_path, monkeypatch):
    file = tmp_path / "a.jsonl"
    append_line(file, {"step": 1})
    write = os.write
    budget = [10]

    def scarce(descriptor: int, data: bytes) -> int:
        if budget[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, data[: budget[0]])
        budget[0] -= written
        return written

    monkeypatch.setattr(os, "write", scarce)
    with pytest.raises(PonderError, match="the disk is full"):
        append_line(file, {"step": 2, "filler": "x" * 100})
    assert file.read_bytes() == b'{"step": 1}\n'


def test_a_full_disk_in_a_library_s_own_error_class_is_explained_too(tmp_path):
    def save() -> None:
        with replacing(tmp_path / "model.safetensors"):
            raise RuntimeError("I/O error: No space left on device (os error 28)")

    with pytest.raises(PonderError, match=r"model\.safetensors: the disk is full"):
        save()


def test_other_errors_pass_unchanged(tmp_path):
    def save() -> None:
        with replacing(tmp_path / "a.txt"):
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        save()


def test_a_folder_that_vanished_is_named(tmp_path):
    with pytest.raises(PonderError, match="its folder is gone"):
        append_line(tmp_path / "gone" / "a.jsonl", {})


@dataclass
class Point:
    x: float
    stop: StopReason


def test_plain_unfolds_what_json_does_not_know():
    value = {"p": Point(float("nan"), StopReason.END), "n": np.float32(0.5), 3: Path("a"), "s": (1, float("inf"))}
    assert plain(value) == {"p": {"x": None, "stop": "end"}, "n": 0.5, "3": "a", "s": [1, None]}


def test_plain_refuses_what_has_no_json_form():
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        plain(object())


def test_a_folder_appears_whole_and_on_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "sync", lambda path: synced.append(path.relative_to(tmp_path).as_posix()))
    with whole_folder(tmp_path / "model") as place:
        assert not (tmp_path / "model").exists()
        (place / "below").mkdir()
        (place / "below" / "weights").write_text("1")
    assert (tmp_path / "model" / "below" / "weights").read_text() == "1"
    assert synced == [".tmp-model/below/weights", ".tmp-model/below", ".tmp-model", "."]
    with whole_folder(tmp_path / "model") as place:  # one that exists keeps what else is in it
        (place / "more").write_text("2")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["below", "more"]


def test_after_an_error_or_a_kill_there_is_no_half_folder(tmp_path):
    with contextlib.suppress(ZeroDivisionError), whole_folder(tmp_path / "model") as place:
        (place / "weights").write_text("1")
        1 / 0  # noqa: B018 - half way
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".tmp-model").mkdir()
    (tmp_path / ".tmp-model" / "of a killed process").write_text("1")
    with whole_folder(tmp_path / "model") as place:
        assert list(place.iterdir()) == []


def test_a_folder_on_a_full_disk_is_one_sentence(small_disk):
    with (
        pytest.raises(PonderError, match=r"cannot write .*model: the disk is full"),
        whole_folder(small_disk / "model") as place,
    ):
        (place / "weights").write_bytes(bytes(2**22))
    assert not (small_disk / "model").exists() and not (small_disk / ".tmp-model").exists()
