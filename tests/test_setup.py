"""What `make setup` and `.ci/run` say of programs that pip does not bring."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "system_packages.sh"
PROGRAMS = ("bwrap", "setpriv", "g++", "chromium")


def said(folder: Path, *present: str, arguments: tuple[str, ...] = ()) -> str:
    """What the script says where only these programs are installed."""
    for name in ("bash", "id", "env", *present):
        target = folder / name
        found = next((Path(d) / name for d in ("/usr/bin", "/bin") if (Path(d) / name).exists()), None)
        if found and name not in PROGRAMS:
            target.symlink_to(found)
        else:
            target.write_text("#!/bin/sh\n")
            target.chmod(0o755)
    environment = {"PATH": str(folder), "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        ["/bin/bash", SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_where_all_is_there_nothing_is_said(tmp_path):
    assert said(tmp_path, *PROGRAMS) == ""


@pytest.mark.parametrize(("name", "package"), [("bwrap", "bubblewrap"), ("chromium", "chromium"), ("g++", "g++")])
def test_a_missing_program_is_named_with_what_it_is_for_and_what_installs_it(tmp_path, name, package):
    text = said(tmp_path, *(each for each in PROGRAMS if each != name), arguments=("--install",))
    assert f"  {package} (" in text
    assert text.splitlines()[-1].endswith(f"apt-get install {package}")
    assert len(text.splitlines()) == 3
