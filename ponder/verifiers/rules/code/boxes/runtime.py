"""The interpreter as a box sees it: the executable, the standard library and the system's shared libraries, read only.

Boxes run the interpreter that runs us (outside of any virtual environment), because compiled code and marshal data go
from one to the other. No installed package is on a box's import path but those that the operator has allowed by name.
"""

from __future__ import annotations

import marshal
import sys
import sysconfig
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from ponder.types import PonderError
from ponder.verifiers.rules.code.boxes import stage

PACKAGES = "/packages"  # where a box finds what the operator has allowed
_SYSTEM = tuple(Path(path) for path in ("/usr/lib", "/usr/lib64", "/lib", "/lib64"))
# Libraries of linear algebra start a thread for each core, which would use up the limits of a box.
_ONE_THREAD = ("--setenv", "OPENBLAS_NUM_THREADS", "1", "--setenv", "OMP_NUM_THREADS", "1")

# Reads one frame from the first descriptor: a list of (module name, compiled code), run in order.
_BOOT = """
import marshal, posix, sys
def read(n):
    b = b''
    while len(b) < n:
        d = posix.read(int(sys.argv[1]), n - len(b))
        if not d: posix._exit(0)
        b += d
    return b
for name, code in marshal.loads(read(int.from_bytes(read(4), 'big'))):
    module = sys.modules[name] = type(sys)(name)
    exec(code, module.__dict__)
"""
_SENT = Path(__file__).parents[1] / "sent"


def executable() -> str:
    return str(Path(sys.executable).resolve())


def command(incoming: int, outgoing: int) -> list[str]:
    """Python with nothing but its standard library, that waits for code on descriptor `incoming`."""
    return [executable(), "-P", "-s", "-S", "-B", "-X", "utf8", "-c", _BOOT, str(incoming), str(outgoing)]


@lru_cache(maxsize=2)
def code(*modules: tuple[str, str]) -> bytes:
    """The frame for `_BOOT` from pairs of (name in the box, file of `sent`)."""
    compiled = [
        (name, compile((_SENT / file).read_text("utf-8"), file, "exec", dont_inherit=True)) for name, file in modules
    ]
    data = marshal.dumps(compiled)
    return len(data).to_bytes(4, "big") + data


@lru_cache(maxsize=8)
def mounts(packages: tuple[str, ...] = (), *, staged: bool = False) -> tuple[str, ...]:
    """Bubblewrap's arguments that put the runtime into a box; `staged` takes it from where `stage.enter` put it."""
    arguments: list[str] = []
    for path in _SYSTEM:
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    wanted = sources(packages)
    for number, (source, target) in enumerate(wanted):
        found = stage.staged(number, tuple(path for path, _ in wanted)) if staged else source
        arguments += ["--ro-bind", str(found), str(target)]
    if packages:
        arguments += ["--setenv", "PYTHONPATH", PACKAGES, *_ONE_THREAD]
    return (*arguments, "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache")


@lru_cache(maxsize=8)
def sources(packages: tuple[str, ...] = ()) -> tuple[tuple[Path, Path], ...]:
    """(where it is, where a box sees it) of all that is not among the system's libraries."""
    python = [(path, path) for path in _python_files() if not any(path.is_relative_to(each) for each in _SYSTEM)]
    return (*python, *(pair for name in packages for pair in _package(name)))


def unboxed(packages: tuple[str, ...]) -> dict[str, str]:
    """The environment that makes `packages` importable without a box (bubblewrap clears it)."""
    folders = dict.fromkeys(str(source.parent) for name in packages for source, _ in _package(name))
    return {"PYTHONPATH": ":".join(folders)} if folders else {}


def _package(name: str) -> list[tuple[Path, Path]]:
    """The folders and modules of an installed distribution; its dependencies have to be allowed by name as well."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise PonderError(
            f"PONDER_CODE_PACKAGES: {name!r} is not installed beside Ponder; install it or take it off the list"
        ) from None
    tops = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
    paths = [Path(str(found.locate_file(top))).resolve() for top in sorted(tops)]
    return [(path, Path(PACKAGES) / path.name) for path in paths if path.exists()]


def _python_files() -> list[Path]:
    """The executable, the standard library, its compiled modules where they stand elsewhere, the shared library."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    compiled = Path(sysconfig.get_config_var("DESTSHARED") or stdlib)
    library = sysconfig.get_config_var("LDLIBRARY") or ""
    shared = Path(sysconfig.get_config_var("LIBDIR") or "/") / library
    files = [Path(executable()), stdlib]
    files += [compiled] if compiled.is_dir() and not compiled.is_relative_to(stdlib) else []
    return [*files, shared] if ".so" in library and shared.is_file() else files
