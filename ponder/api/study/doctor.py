"""What this machine can do with Ponder, what is missing, and the command that mends it.

Nothing is changed, and no network is asked.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil
import torch

import ponder
from ponder.api.machine import cores
from ponder.models.load import EMBEDDED, load
from ponder.native import compiler

GB = 1e9
NEEDED_MEMORY, NEEDED_DISK = 3e9, 3e9  # of the demo, measured: 2.6 GB and 0.1; a venv of all extras takes 2 GB


class State(StrEnum):
    """`fine`; `missing`: a part of Ponder cannot be used; `broken`: Ponder itself will not work."""

    FINE = "fine"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True)
class Check:
    """One finding: `found` in words, what it is `needed` for, and `mend`, a command or what to do (empty: nothing)."""

    name: str
    state: State
    found: str
    needed: str
    mend: str = ""


@dataclass(frozen=True)
class Extra:
    """An extra of pyproject.toml: the modules that must be there, and what it is for."""

    modules: tuple[str, ...]
    needed: str


EXTRAS = {
    "serve": Extra(("fastapi", "uvicorn", "sqlalchemy", "psycopg", "prometheus_client", "jsonschema"), "ponder serve"),
    "remote": Extra(("httpx2",), "models behind an address (--model http://...)"),
    "gym": Extra(("reasoning_gym",), "a hundred further families (--problems gym:NAME)"),
    "hub": Extra(("datasets",), "data sets of the hub (--problems hf:NAME, --suite without --file)"),
    "pandas": Extra(("pandas",), "results as frames (Evaluation.frame())"),
    "peft": Extra(("peft",), "training adapters (trainer.lora_rank)"),
    "gguf": Extra(("gguf",), "models in GGUF files"),
    "cluster": Extra(("ray", "prometheus_client"), "more than one process or machine (ponder run --cluster)"),
    "vllm": Extra(("vllm",), "vLLM as an engine (engine.kind=vllm)"),
    "verifiers": Extra(("verifiers",), "environments of the package verifiers (--problems verifiers:NAME)"),
    "openenv": Extra(("openenv",), "environments behind an OpenEnv server (--problems openenv:URL)"),
    "inspect": Extra(("inspect_ai",), "Ponder as a model of inspect-ai"),
    "tensorboard": Extra(("tensorboard",), "the tracker tensorboard"),
    "wandb": Extra(("wandb",), "the tracker wandb"),
    "mlflow": Extra(("mlflow",), "the tracker mlflow"),
    "trackio": Extra(("trackio",), "the tracker trackio"),
    "docs": Extra(("mkdocs", "material", "mkdocstrings"), "building the documentation site"),
}


def look(place: Path = Path()) -> list[Check]:
    """Every check, those of Ponder itself first. `place` is where runs would be written."""
    return [*_itself(place), *_device(), *_programs(), *_extras()]


def broken(checks: list[Check]) -> bool:
    """Whether Ponder itself will not work here."""
    return any(check.state is State.BROKEN for check in checks)


def _itself(place: Path) -> Iterator[Check]:
    version = platform.python_version()
    yield Check(
        "Python",
        State.FINE if sys.version_info >= (3, 11) else State.BROKEN,
        f"{version}, {sys.executable}",
        "everything",
        "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer, then PYTHON=python3.11 make setup",
    )
    yield Check("Ponder", State.FINE, f"{ponder.__version__}, {Path(ponder.__file__).parent}", "everything")
    yield _tried("embedded model", _embedded, "the demo and --model tiny", "git checkout ponder/assets, or clone again")
    memory = psutil.virtual_memory()
    yield Check(
        "memory",
        State.FINE if memory.available >= NEEDED_MEMORY else State.MISSING,
        f"{memory.available / GB:.1f} GB free of {memory.total / GB:.1f}",
        "the demo takes 2.6 GB; for another model `ponder run --dry-run` says how much",
        "" if memory.available >= NEEDED_MEMORY else "close other programs, or ponder run --set sampling.problems=12",
    )
    yield _tried("folder for runs", lambda: _writable(place), "run folders", "cd to a folder that you may write to")
    yield Check("cores", State.FINE, f"{cores()} of {os.cpu_count() or 1}", "the more the faster (--threads)")


def _device() -> Iterator[Check]:
    names = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    yield Check(
        "GPU",
        State.FINE if names else State.MISSING,
        ", ".join(names) if names else f"torch {torch.__version__} finds none",
        "models above some hundred million parameters (--set device=cuda)",
        "" if names else "with a GPU in the machine: TORCH_FLAGS='pip options of a build for it' make setup",
    )


def _programs() -> Iterator[Check]:
    found = compiler._compiler()  # noqa: SLF001  # the one place that decides
    off = os.environ.get("PONDER_NATIVE") == "0"
    yield Check(
        "C++ compiler",
        State.FINE if found and not off else State.MISSING,
        "switched off by PONDER_NATIVE=0" if off else " ".join(found) if found else "none",
        "small models run about twice as fast; torch does the same without",
        "unset PONDER_NATIVE" if off else "" if found else _install("g++"),
    )
    from ponder.verifiers.rules.code.isolation import probe

    isolation = probe()
    boxed = isolation.place.bubblewrap is not None
    yield Check(
        "isolation of programs",
        State.FINE if boxed else State.MISSING,
        isolation.level if boxed else isolation.why,
        "grading programs with tests, the tool python",
        ""
        if boxed
        else _install("bubblewrap")
        if not shutil.which("bwrap")
        else "run on a machine where boxes work, or give --allow-unsafe-code for programs that you trust",
    )
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    yield Check(
        "Chromium",
        State.FINE if chromium else State.MISSING,
        chromium or "none",
        "the tests of the pages, nothing else",
        "" if chromium else _install("chromium"),
    )


def _extras() -> Iterator[Check]:
    for name, extra in EXTRAS.items():
        absent = [module for module in extra.modules if importlib.util.find_spec(module) is None]
        yield Check(
            f"extra {name}",
            State.MISSING if absent else State.FINE,
            f"no {', '.join(absent)}" if absent else _version(extra.modules[0]),
            extra.needed,
            f".venv/bin/python -m pip install -e '.[{name}]'" if absent else "",
        )


def _version(module: str) -> str:
    try:
        names = importlib.metadata.packages_distributions().get(module, [module])
        return f"{names[0]} {importlib.metadata.version(names[0])}"
    except importlib.metadata.PackageNotFoundError:
        return "installed"


def _tried(name: str, action: Callable[[], str], needed: str, mend: str) -> Check:
    """Fine if `action` returns, broken with its error if it raises."""
    try:
        return Check(name, State.FINE, action(), needed)
    except Exception as error:  # whatever is wrong with the installation is a finding and no crash
        return Check(name, State.BROKEN, f"{type(error).__name__}: {error}".splitlines()[0][:200], needed, mend)


def _embedded() -> str:
    model = load(EMBEDDED).model
    return f"{sum(p.numel() for p in model.parameters()):,} parameters"


def _writable(place: Path) -> str:
    with tempfile.TemporaryFile(dir=place):
        free = shutil.disk_usage(place).free
    if free < NEEDED_DISK:
        raise OSError(f"{free / GB:.1f} GB free; {NEEDED_DISK / GB:.0f} are wanted")
    return f"{place.absolute()}, {free / GB:.0f} GB free"


def _install(package: str) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    return (
        f"{sudo}apt-get install {package}"
        if shutil.which("apt-get")
        else f"install {package} with your package manager"
    )
