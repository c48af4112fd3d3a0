"""The interpreter as a box sees it: the executable, the standard library and the system's shared libraries, read only.

Boxes run the interpreter that runs us (outside of any virtual environment), because compiled code and marshal data go
from one to the other. No installed package is on a box's import path.
"""

from __future__ import annotations

import marshal
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

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
_HERE = Path(__file__).parent


def executable() -> str:
    return str(Path(sys.executable).resolve())


def command(incoming: int, outgoing: int) -> list[str]:
    """Python with nothing but its standard library, that waits for code on descriptor `incoming`."""
    return [executable(), "-P", "-s", "-S", "-B", "-X", "utf8", "-c", _BOOT, str(incoming), str(outgoing)]


@lru_cache(maxsize=2)
def code(*modules: tuple[str, str]) -> bytes:
    """The frame for `_BOOT` from pairs of (name in the box, file beside this one)."""
    compiled = [
        (name, compile((_HERE / file).read_text("utf-8"), file, "exec", dont_inherit=True)) for name, file in modules
    ]
    data = marshal.dumps(compiled)
    return len(data).to_bytes(4, "big") + data


@lru_cache(maxsize=1)
def mounts() -> tuple[str, ...]:
    """Bubblewrap's arguments that put the runtime into a box."""
    arguments: list[str] = []
    system = [Path(path) for path in ("/usr/lib", "/usr/lib64", "/lib", "/lib64")]
    for path in system:
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    for wanted in _python_files():
        if not any(wanted.is_relative_to(path) for path in system):
            arguments += ["--ro-bind", str(wanted), str(wanted)]
    return (*arguments, "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache")


def _python_files() -> list[Path]:
    """The executable, the standard library, its compiled modules where they stand elsewhere, the shared library."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    compiled = Path(sysconfig.get_config_var("DESTSHARED") or stdlib)
    library = sysconfig.get_config_var("LDLIBRARY") or ""
    shared = Path(sysconfig.get_config_var("LIBDIR") or "/") / library
    files = [Path(executable()), stdlib]
    files += [compiled] if compiled.is_dir() and not compiled.is_relative_to(stdlib) else []
    return [*files, shared] if ".so" in library and shared.is_file() else files
