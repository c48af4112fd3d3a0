"""Compiled libraries in their cache: what is loaded, what is made again, what a compiler with arguments does."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ponder.native import cache, compiler

pytestmark = pytest.mark.skipif(compiler._compiler() is None, reason="no C++ compiler here")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PONDER_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "answer.cpp"
    path.write_text('extern "C" int answer() { return 42; }\n')
    for each in (compiler.library, compiler._compiler):
        each.cache_clear()
    yield path
    for each in (compiler.library, compiler._compiler):
        each.cache_clear()


def loaded(source: Path) -> tuple[int, Path]:
    compiler.library.cache_clear()
    library = compiler.library(source)
    assert library is not None
    assert isinstance(library, ctypes.CDLL)
    return library.answer(), Path(library._name)


def test_a_library_is_made_once_and_found_again(source: Path) -> None:
    first = loaded(source)
    made = first[1].stat().st_mtime_ns
    assert first[0] == 42 and loaded(source) == first and first[1].stat().st_mtime_ns == made


@pytest.mark.parametrize("damage", ["cut", "changed", "no note", "broken note", "open to others"])
def test_what_is_not_as_it_was_written_is_made_again(
    source: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is checked before the loader sees it: a file that was cut would end the process with SIGBUS."""
    _, path = loaded(source)
    note = path.with_name(path.name + ".json")
    path.unlink()  # the old file stays mapped
    assert loaded(source)[1] == path
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:64] if damage == "cut" else data[:-1] + b"x" if damage == "changed" else data)
    if damage == "no note":
        note.unlink()
    elif damage == "broken note":
        note.write_text("{")
    path.chmod(0o777 if damage == "open to others" else 0o755)
    assert loaded(source) == (42, path)
    assert "is compiled again" in caplog.text or damage == "no note"
    cache.check(path)


def test_somebody_elses_folder_is_not_used(source: Path, tmp_path: Path) -> None:
    shared = tmp_path / "cache"
    shared.mkdir()
    shared.chmod(0o777)
    assert loaded(source)[1].parent == shared / f"user-{os.geteuid()}"
    if os.geteuid() == 0:
        os.chown(shared / "user-0", 1234, 1234)
        with pytest.raises(OSError, match="belongs to user 1234"):
            cache.folder(shared)


def test_a_compiler_may_have_arguments(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = compiler._compiler()
    assert real is not None
    wrapper = tmp_path / "wrap"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/said\nexec "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("CXX", f"{wrapper} '{real[0]}'")
    compiler._compiler.cache_clear()
    assert loaded(source)[0] == 42
    assert real[0] in (tmp_path / "said").read_text()
