"""`ponder doctor`: what is there is said, what is missing comes with what mends it, what is broken is an exit code."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ponder.api.study import doctor
from ponder.api.study.doctor import EXTRAS, Check, State, broken, look
from ponder.cli import app
from ponder.commands.study.doctor import shown

ROOT = Path(__file__).parent.parent.parent


def named(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_a_working_installation_is_found_to_work(tmp_path: Path) -> None:
    checks = look(tmp_path)
    assert not broken(checks)
    assert named(checks)["embedded model"].found == "617,344 parameters"
    assert all(check.mend for check in checks if check.state is not State.FINE), "what is missing has a remedy"


def test_the_remedy_for_every_extra_exists() -> None:
    """An extra that pyproject.toml lacks has a remedy that does not work; one that is not looked at stays unknown."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"dev"}


def test_what_is_missing_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "fastapi" else real(name, *more)
    )
    monkeypatch.setenv("PONDER_NATIVE", "0")
    known = named(look(tmp_path))
    assert known["extra serve"].state is State.MISSING
    assert known["extra serve"].found == "no fastapi" and "'.[serve]'" in known["extra serve"].mend
    assert known["C++ compiler"].mend == "unset PONDER_NATIVE"


def test_what_is_broken_is_a_finding_and_an_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: str) -> Any:
        raise OSError("no such file: model.safetensors")

    monkeypatch.setattr(doctor, "load", gone)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Disk", (), {"free": 1e6})())
    found = CliRunner().invoke(app, ["doctor", "--place", str(tmp_path), "--json"])
    assert found.exit_code == 1
    known = {check["name"]: check for check in json.loads(found.stdout)}
    assert known["embedded model"]["state"] == "broken" and "model.safetensors" in known["embedded model"]["found"]
    assert known["folder for runs"]["state"] == "broken"


def test_eighty_columns_hold_it_and_commands_are_whole() -> None:
    long = "x" * 200
    checks = [Check("a", State.FINE, long, "b"), Check("c", State.MISSING, "none", "d", "apt-get install " + "y" * 90)]
    console = Console(width=80, record=True, force_terminal=False)
    console.print(shown(checks, 80), crop=False)
    lines = console.export_text().splitlines()
    assert all(len(line.rstrip()) <= 80 for line in lines if "apt-get" not in line)
    assert any(line.strip() == "apt-get install " + "y" * 90 for line in lines)
