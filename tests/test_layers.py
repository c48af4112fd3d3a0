"""Who may import whom. The table is that of docs/architecture.md; a new arrow is a decision, not an accident."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

import ponder

ROOT = Path(ponder.__file__).parent
# The floor: nouns, verbs, run folder, settings, seeds, the end of thinking, names that people type, worker processes.
# Every room may import it.
FLOOR = {
    "types",
    "protocols",
    "runlog",
    "config",
    "seeds",
    "thinking",
    "names",
    "plugins",
    "workers",
    "catalogue",
    "version",
    "printable",
    "estimators",
}
# What the floor itself may import.
BEDROCK = {"types", "config", "names", "version", "printable"}
# Room -> the rooms above the floor that it may import.
MAY_IMPORT: dict[str, set[str]] = {
    "problems": set(),
    "models": set(),
    "reports": set(),
    "native": set(),
    "engines": {"models", "native"},
    "verifiers": {"models", "learning", "problems"},
    "policy": set(),
    "search": set(),
    "learning": {"models", "native", "losses"},
    "environments": {"problems"},
    "tools": {"verifiers"},
    "rollout": {"search", "environments"},
    "labels": {"search", "rollout"},
    "factory": {"problems", "search", "rollout", "labels"},
    "rewards": set(),
    "algorithms": {"rewards"},
    "losses": set(),
    "tracking": set(),
    "claims": set(),
    "evaluation": {"problems", "search", "rollout"},
    "selfplay": {
        "engines",
        "environments",
        "tools",
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
        "tracking",
    },
    "distributed": {"engines", "policy", "models", "verifiers", "rollout", "learning", "losses", "selfplay"},
    "serving": {"api", "engines", "policy", "search", "models", "learning", "reports"},
}
# The public layer puts the rooms together, so it may import every one of them but those that are built on it.
MAY_IMPORT["api"] = MAY_IMPORT.keys() - {"serving"}
# The command line imports everything; nobody below imports it.
TOP = {"cli", "commands", "__main__"}
# Rooms that work without a tensor in sight.
NO_TENSORS = {*FLOOR, "problems", "search", "environments", "reports"}
TENSORS = {"torch", "transformers", "safetensors"}
# A folder with more Python files than a reader takes in at a glance wants subfolders.
MOST_FILES = 16


@cache
def named(source: str) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """The imports anywhere in a file's text; most files are asked about in several tests."""
    return tuple(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom))


def imports(file: Path, package: list[str]) -> Iterator[tuple[str, int]]:
    """Absolute dotted names that a file imports anywhere in it, inside functions and type checks too."""
    for node in named(file.read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        else:
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
    return there in BEDROCK if here in FLOOR else there in FLOOR | MAY_IMPORT.get(here, set())


def violations(root: Path) -> list[str]:
    """Every forbidden import below `root` (a folder named ponder), and every pair of rooms that import each other."""
    found: set[str] = set()
    arrows: set[tuple[str, str]] = set()
    for file in sorted(root.rglob("*.py")):
        path = file.relative_to(root.parent)
        here = room(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
        for name, line in imports(file, list(path.parent.parts)):
            there = room(name)
            arrows.add((here, there))
            tensors = here in NO_TENSORS and name.partition(".")[0] in TENSORS
            if tensors or not allowed(here, there):
                found.add(f"{path}:{line}: {here or 'the package'} may not import {name}")
    rooms = sorted({here for here, _ in arrows} - {""} - TOP)
    pairs = [(a, b) for a, b in combinations(rooms, 2) if {(a, b), (b, a)} <= arrows]
    return sorted(found) + [f"{a} and {b} import each other" for a, b in pairs]


def modules(root: Path) -> dict[str, Path]:
    """Every module below `root` (a folder named ponder) by its dotted name."""
    found = {}
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = file
    return found


def graph(root: Path) -> dict[str, set[str]]:
    """Which modules each module names in an import, at its top or inside a function.

    `from a import b` names a.b if that is a module, else a.
    """
    files = modules(root)
    arrows: dict[str, set[str]] = {}
    for name, file in files.items():
        arrows[name] = set()
        for node in named(file.read_text(encoding="utf-8")):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif node.module and not node.level:
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [each if each in files else node.module for each in inner]
            else:
                continue
            arrows[name] |= {target for target in targets if target in files and target != name}
    return arrows


def peeled(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without the modules that reach no circle: again and again those that import nothing that is left are dropped."""
    left = dict(arrows)
    while ends := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in ends:
            del left[name]
    return left


def circles(root: Path) -> list[str]:
    """Circles of modules that import each other, as one line each, until none is left."""
    found = []
    left = peeled(graph(root))
    while left:
        path = [min(left)]
        while (following := min(left[path[-1]] & left.keys())) not in path:
            path.append(following)
        circle = path[path.index(following) :]
        found.append(" -> ".join([*circle, following]))
        left = peeled({name: targets for name, targets in left.items() if name not in circle})
    return found


def crowded(root: Path) -> list[str]:
    """Folders with more than MOST_FILES Python files directly in them."""
    counts = Counter(file.parent for file in root.rglob("*.py"))
    return [f"{path.relative_to(root.parent)} holds {n} files" for path, n in sorted(counts.items()) if n > MOST_FILES]


def test_no_files_import_each_other_in_a_circle():
    assert circles(ROOT) == []


def test_no_folder_is_crowded():
    assert crowded(ROOT) == []


def test_a_planted_circle_is_caught_inside_a_function_too(tmp_path):
    for name, text in {
        "a.py": "from ponder.b import x\n",
        "b.py": "def f():\n    from ponder import c\n",
        "c.py": "import ponder.a\n",
        "d.py": "from ponder import a\n",
        "e/__init__.py": "from ponder.e.inner import x\n",
        "e/inner.py": "from ponder import d\n",
        "f/__init__.py": "from ponder.f.inner import x\n",
        "f/inner.py": "from ponder.f import x\n",
    }.items():
        (tmp_path / "ponder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "ponder" / name).write_text(text)
    assert circles(tmp_path / "ponder") == [
        "ponder.a -> ponder.b -> ponder.c -> ponder.a",
        "ponder.f -> ponder.f.inner -> ponder.f",
    ]


def test_a_crowded_folder_is_caught(tmp_path):
    for number in range(MOST_FILES + 1):
        (tmp_path / "ponder" / "room").mkdir(parents=True, exist_ok=True)
        (tmp_path / "ponder" / "room" / f"file{number}.py").write_text("")
    assert crowded(tmp_path / "ponder") == [f"ponder/room holds {MOST_FILES + 1} files"]


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
    shown = [each for each in root.iterdir() if not each.name.startswith(".")]  # .venv holds thousands of files
    files = [each for each in shown if each.suffix == ".py"]
    for file in sorted([*files, *(file for each in shown for file in each.rglob("*.py"))]):
        path = file.relative_to(root)
        if file == root / "ponder" / "cli.py" or any(map(file.is_relative_to, own)):
            continue
        for name, line in imports(file, list(path.parent.parts)):
            if name == "ponder.commands" or name.startswith("ponder.commands."):
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
        ({"config.py": "from ponder.names import nearest\n"}, []),
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
