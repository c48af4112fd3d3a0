"""The documentation site: every page is in its menu, it builds strictly, and it asks no other host for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_every_page_is_in_the_menu_and_nothing_else() -> None:
    menu = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M))
    assert menu == {path.name for path in (ROOT / "docs").glob("*.md")}


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="pip install -e '.[docs]' builds the site")
def test_it_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.glob("*.html"))
    assert len(pages) > 20
    for page in pages:
        asked = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?https?://[^\" >]*", page.read_text())
        assert asked == [], page.name
