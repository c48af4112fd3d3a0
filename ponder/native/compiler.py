"""C++ of this package as machine code: compiled once for a machine and kept, or not at all.

The compiler is `CXX` (with arguments, such as `ccache g++`), or the first of g++, clang++ and c++. Where none is, or it
fails, or
`PONDER_NATIVE` is 0, callers get None and take torch's operations: slower, and the same to rounding. Libraries lie
under `PONDER_CACHE` (default: `ponder` in the user's cache folder), named by a hash of all that went into them: a new
source, another compiler or another processor makes a new one, and two processes that compile at once do no harm.

A library is code that will run as us, so one is loaded only if it and its folder belong to us and nobody else may write
to them, and if its size and hash are those that were noted when it was made (see `cache`); else it is made again.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from functools import cache as remembered
from pathlib import Path

import torch

from ponder.native import cache

_log = logging.getLogger(__name__)

# Sums may not be put in another order (a row's result would hang on its neighbours); products and sums may be fused.
_FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")
_DEADLINE_S = 120
_HEADERS = Path(__file__).parent


@remembered
def library(source: Path, constants: tuple[tuple[str, int], ...] = ()) -> ctypes.CDLL | None:
    """`source` compiled with these constants defined, loaded; None where that cannot be."""
    if os.environ.get("PONDER_NATIVE") == "0" or (compiler := _compiler()) is None:
        return None
    try:
        flags = [*_FLAGS, _for_this_processor(), *(f"-D{name}={value}" for name, value in constants)]
        sources = [source, *sorted(_HEADERS.glob("*.h")), *sorted(source.parent.glob("*.h"))]
        parts = (*(path.read_text(encoding="utf-8") for path in sources), *flags, *_identity(compiler))
        name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
        path = cache.folder(_folder()) / f"{source.stem}-{name}.so"
        command = [*compiler, *flags, f"-I{_HEADERS}", str(source)]
        if path.exists():
            try:
                cache.check(path)
                return ctypes.CDLL(str(path))
            except OSError as error:
                # Without a note it was made by a version that wrote none.
                level = logging.INFO if isinstance(error, FileNotFoundError) else logging.WARNING
                _log.log(level, "%s is compiled again: %s", path, error)
        _compile(command, path)
        cache.check(path)
        return ctypes.CDLL(str(path))
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:  # no home folder is a RuntimeError
        reason = error.stderr.decode(errors="replace") if isinstance(error, subprocess.CalledProcessError) else error
        _log.warning("%s was not compiled, decoding takes torch's operations instead: %s", source.name, reason)
        return None


def _compile(command: list[str], path: Path) -> None:
    """Into a file of its own first, so that nobody ever loads half a library."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        subprocess.run([*command, "-o", str(made)], check=True, capture_output=True, timeout=_DEADLINE_S)
        cache.keep(made, path)


@remembered
def _compiler() -> tuple[str, ...] | None:
    chosen = shlex.split(os.environ.get("CXX", ""))
    for command in [chosen] if chosen else [["g++"], ["clang++"], ["c++"]]:
        if found := shutil.which(command[0]):
            return (found, *command[1:])
    return None


def _for_this_processor() -> str:
    return "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"


@remembered
def _identity(compiler: tuple[str, ...]) -> tuple[str, str]:
    """The compiler's version and the processor's abilities, since a folder may be shared by unlike machines."""
    version = subprocess.run([*compiler, "--version"], check=True, capture_output=True, timeout=_DEADLINE_S)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        abilities = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    except OSError:
        abilities = platform.processor()
    return version.stdout.decode(errors="replace"), abilities


def _folder() -> Path:
    if chosen := os.environ.get("PONDER_CACHE"):
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ponder"


@remembered
def pool() -> ctypes._NamedFuncPointer | None:
    """The pool of torch, whose threads wait between its own operations: a second one would fight it for the cores."""
    for path in (Path(torch.__file__).parent / "lib").glob("libgomp*.so*"):
        try:
            return ctypes.CDLL(str(path)).GOMP_parallel
        except (OSError, AttributeError):
            continue
    return None
