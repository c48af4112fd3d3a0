"""`import ponder`: quick, without torch, and every public name there, documented and known to type checkers."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ponder
from ponder.tracking import TRACKERS

ROOT = Path(ponder.__file__).parent


def test_import_is_quick_and_imports_no_torch() -> None:
    code = (
        "import sys, time; before = time.process_time(); import ponder; took = time.process_time() - before; "
        "print(took, sorted({'torch', 'transformers', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    took, _, heavy = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.partition(" ")
    assert float(took) < 0.2 and heavy.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in ponder.__all__ if name != "__version__"])
def test_every_name_is_there_and_documented(name: str) -> None:
    assert name in dir(ponder)
    assert inspect.getdoc(getattr(ponder, name))


def test_type_checkers_know_exactly_the_names_that_are_there() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    known = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert known == set(ponder.__all__) - {"__version__"}


def test_no_name_hides_a_module_of_the_package() -> None:
    modules = {path.stem for path in ROOT.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert not modules & set(ponder.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'thinks'"):
        _ = ponder.thinks


def test_every_extra_that_an_error_advises_exists() -> None:
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    advised = {
        extra
        for file in ROOT.rglob("*.py")
        for extra in re.findall(r"\binstall\(['\"](\w+)['\"]\)", file.read_text(encoding="utf-8"))
    }
    advised |= {tracker.extra for tracker in TRACKERS.classes.values() if tracker.package}
    assert {"hub", "pandas", "serve", "wandb"} <= advised <= project["optional-dependencies"].keys()


def test_no_error_and_no_page_sends_anybody_to_a_package_of_our_name_on_an_index() -> None:
    files = [*ROOT.rglob("*.py"), *(ROOT.parent / "docs").glob("*.md"), *(ROOT.parent / "recipes").rglob("*.md")]
    sent = [str(file) for file in files if re.search(r"pip install\s+['\"]?ponder\b", file.read_text(encoding="utf-8"))]
    assert not sent
