"""Who may import whom. The table is that of docs/architecture.md; a new arrow is a decision, not an accident."""

import ast
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

import ponder

ROOT = Path(ponder.__file__).parent
# The floor: nouns, verbs, run folder, settings, seeds, the end of thinking. Every room may import it; it imports nouns.
FLOOR = {"types", "protocols", "runlog", "config", "seeds", "thinking", "names", "catalogue"}
# Room -> the rooms above the floor that it may import.
MAY_IMPORT: dict[str, set[str]] = {
    "problems": set(),
    "models": set(),
    "reports": set(),
    "native": set(),
    "engines": {"models", "native"},
    "verifiers": {"models"},
    "policy": set(),
    "search": set(),
    "learning": {"models", "native", "losses"},
    "rollout": {"search"},
    "labels": {"search", "rollout"},
    "rewards": set(),
    "algorithms": {"rewards"},
    "losses": set(),
    "evaluation": {"problems", "search", "rollout"},
    "selfplay": {
        "problems",
        "policy",
        "models",
        "search",
        "rollout",
        "labels",
        "rewards",
        "algorithms",
        "losses",
        "learning",
        "evaluation",
        "verifiers",
    },
    "distributed": {"engines", "rollout", "learning", "selfplay"},
    "serving": {"api", "policy", "search", "verifiers"},
}
# The public layer puts the rooms together, so it may import every one of them but those that are built on it.
MAY_IMPORT["api"] = MAY_IMPORT.keys() - {"serving"}
# The command line imports everything; nobody below imports it.
TOP = {"cli", "commands", "__main__"}
# The one arrow up to the command line, until the training of `ponder run` stands in the public layer.
UNTIL_MOVED = ("ponder/api/train.py", "ponder.commands.run")
# Rooms that work without a tensor in sight.
NO_TENSORS = {*FLOOR, "problems", "search", "reports"}
TENSORS = {"torch", "transformers", "safetensors"}


def imports(file: Path, package: list[str]) -> Iterator[tuple[str, int]]:
    """Absolute dotted names that a file imports anywhere in it, inside functions and type checks too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            # `from ponder import search` names a room only by what is imported.
            yield from ((f"{stem}.{alias.name}" if stem == "ponder" else stem, node.lineno) for alias in node.names)


def room(module: str) -> str:
    """`ponder.search.strategies.beam` -> `search`; the package itself and what is no part of it have none."""
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] if top == "ponder" else ""


def allowed(here: str, there: str) -> bool:
    """Whether a module of room `here` may import one of room `there`."""
    if here == there or not there or there.startswith("__version"):
        return True
    if here in TOP or (not here and there == "api"):  # the package's own names are those of the public layer
        return True
    return there == "types" if here in FLOOR else there in FLOOR | MAY_IMPORT.get(here, set())


def violations(root: Path) -> list[str]:
    """Every forbidden import below `root` (a folder named ponder), and every pair of rooms that import each other."""
    found: set[str] = set()
    arrows: set[tuple[str, str]] = set()
    for file in sorted(root.rglob("*.py")):
        path = file.relative_to(root.parent)
        here = room(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
        for name, line in imports(file, list(path.parent.parts)):
            there = room(name)
            if (path.as_posix(), name) == UNTIL_MOVED:
                continue
            arrows.add((here, there))
            tensors = here in NO_TENSORS and name.partition(".")[0] in TENSORS
            if tensors or not allowed(here, there):
                found.add(f"{path}:{line}: {here or 'the package'} may not import {name}")
    rooms = sorted({here for here, _ in arrows} - {""} - TOP)
    pairs = [(a, b) for a, b in combinations(rooms, 2) if {(a, b), (b, a)} <= arrows]
    return sorted(found) + [f"{a} and {b} import each other" for a, b in pairs]


def test_every_arrow_points_down():
    assert violations(ROOT) == []


def test_every_room_stands_in_the_table():
    rooms = {
        path.stem for path in ROOT.iterdir() if (path.is_dir() and any(path.rglob("*.py"))) or path.suffix == ".py"
    }
    assert rooms - {"__init__", "__pycache__"} <= FLOOR | MAY_IMPORT.keys() | TOP


def importers_of_commands(root: Path) -> list[str]:
    """Imports of `ponder.commands` in the files below `root`, but for the command line's own and its tests."""
    own = (root / "ponder" / "commands", root / "tests" / "commands")
    found = []
    for file in sorted(root.rglob("*.py")):
        path = file.relative_to(root)
        if path.parts[0].startswith(".") or file == root / "ponder" / "cli.py" or any(map(file.is_relative_to, own)):
            continue
        for name, line in imports(file, list(path.parent.parts)):
            known = (path.as_posix(), name) == UNTIL_MOVED
            if not known and (name == "ponder.commands" or name.startswith("ponder.commands.")):
                found.append(f"{path}:{line}: {name} is of the command line alone; what others need stands in api")
    return found


def test_nobody_but_the_command_line_and_its_tests_imports_commands():
    assert importers_of_commands(ROOT.parent) == []


def test_a_planted_import_of_commands_is_caught(tmp_path):
    for name in ("recipes/a/measure.py", "ponder/commands/b.py", "ponder/cli.py", "tests/commands/test_b.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("from ponder.commands import run\nimport ponder.commands.run\n")
    some = importers_of_commands(tmp_path)
    assert [line.split(": ")[0] for line in some] == ["recipes/a/measure.py:1", "recipes/a/measure.py:2"]


def test_the_table_itself_has_no_mutual_pair():
    assert [(a, b) for a in MAY_IMPORT for b in MAY_IMPORT[a] if a in MAY_IMPORT.get(b, set())] == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"search/beam.py": "import torch\n"},
            ["ponder/search/beam.py:1: search may not import torch"],
        ),
        (
            {"search/beam.py": "def f():\n    from torch.nn import functional\n"},
            ["ponder/search/beam.py:2: search may not import torch.nn"],
        ),
        (
            {"search/beam.py": "import ponder.engines.local.engine\n"},
            ["ponder/search/beam.py:1: search may not import ponder.engines.local.engine"],
        ),
        (
            {"learning/learner.py": "from ponder import rollout\n"},
            ["ponder/learning/learner.py:1: learning may not import ponder.rollout"],
        ),
        (
            {"policy/__init__.py": "from ..engines import local\n"},
            ["ponder/policy/__init__.py:1: policy may not import ponder.engines"],
        ),
        ({"types.py": "import ponder.protocols\n"}, ["ponder/types.py:1: types may not import ponder.protocols"]),
        (
            {"problems/a.py": "from ponder.cli import main\n"},
            ["ponder/problems/a.py:1: problems may not import ponder.cli"],
        ),
        (
            {"rollout/a.py": "import ponder.search.b\n", "search/b.py": "import ponder.rollout.a\n"},
            ["ponder/search/b.py:1: search may not import ponder.rollout.a", "rollout and search import each other"],
        ),
        (
            {"unheard_of/a.py": "import ponder.search\n"},
            ["ponder/unheard_of/a.py:1: unheard_of may not import ponder.search"],
        ),
        (
            {"__init__.py": "from ponder.search import beam\n"},
            ["ponder/__init__.py:1: the package may not import ponder.search"],
        ),
        ({"cli.py": "import torch\nfrom ponder.engines import local\n"}, []),
        (
            {"search/beam.py": "from ponder.types import Step\nfrom ponder.search.budget import Budget\n"},
            [],
        ),
    ],
)
def test_a_planted_violation_is_caught_and_a_right_arrow_is_not(tmp_path, files, expected):
    for name, text in files.items():
        file = tmp_path / "ponder" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert violations(tmp_path / "ponder") == expected
