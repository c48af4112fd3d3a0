"""Programs that try to be found right without being right, or to do harm: at least one for each group of attacks.

They stand in attacks.txt, as they would be written; three that are long or cannot be written there are made here. All
are asked for `f` with f(x) = x * x + 917, which none of them computes.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from ponder.verifiers.rules.code.limits import Cause
from ponder.verifiers.rules.code.tasks import FunctionTask, Task, read_task

TASK = FunctionTask(("f",), "", tuple(f"assert f({x}) == {x * x + 917}" for x in (3, 4, 15)), entry="f")
HONEST = "def f(x):\n    return x * x + 917\n"
WRONG = "def f(x):\n    return 0\n"
ALLOWED: dict[str, set[Cause]] = {
    "early exit": {Cause.WRONG},
    "forged": {Cause.WRONG, Cause.OUTPUT},
    "foreign": {Cause.REFUSED},
    "files": {Cause.WRONG},
    "limits": {Cause.WRONG, Cause.TIMEOUT, Cause.MEMORY, Cause.OUTPUT, Cause.CRASH, Cause.REFUSED},
    "reaching": {Cause.WRONG},
}
# The cause that must be told where only one is right.
EXACT = {
    "A36 endless loop": Cause.TIMEOUT, "A37 sleep": Cause.TIMEOUT, "A38 memory": Cause.MEMORY,
    "A38 memory by bits": Cause.MEMORY, "A41 flood of stdout": Cause.OUTPUT, "A42 flood of stderr": Cause.OUTPUT,
    "A42 flood of the pipe": Cause.OUTPUT, "A46 ignored signals": Cause.TIMEOUT, "A48 a crash": Cause.CRASH,
    "A49 huge power": Cause.TIMEOUT, "A50 huge list": Cause.OUTPUT, "A50 deep list": Cause.REFUSED,
    "A51 endless generator": Cause.WRONG,
    "A52 regular expression": Cause.TIMEOUT, "A77 patches": Cause.TIMEOUT,
}  # fmt: skip
# Those that run into a limit of time; the tests take the first two of them, the benchmark all.
SLOW = (
    "A37 sleep", "A36 endless loop", "A44 names on the disk", "A46 ignored signals", "A49 huge power",
    "A52 regular expression", "A77 patches",
)  # fmt: skip
_ONE = re.compile(r"^#### ([\w ]+): (.+?)( \(\+ wrong\))?\n(.*?)(?=^####|\Z)", re.MULTILINE | re.DOTALL)
_MADE = {
    ("forged", "A57 NUL in the source"): "def f(x):\0 return x * x + 917",
    ("limits", "A53 brackets"): "def f(x): return " + "(" * 3000 + ")" * 3000,
    ("limits", "A53 a long sum"): "def f(x): return " + "-" * 50000 + "1",
}


def attacks(host: Path, port: int) -> dict[str, tuple[str, set[Cause]]]:
    """Name -> (source, allowed causes), aimed at a file of the host and a port on which it listens."""
    text = (Path(__file__).with_name("attacks.txt")).read_text(encoding="utf-8")
    found = dict(_MADE)
    for group, name, wrong, source in _ONE.findall(text):
        armed = source.replace("HOST", str(host)).replace("PORT", str(port))
        found[group, name] = armed + WRONG if wrong else armed
    return {name: (source, _allowed(group, name)) for (group, name), source in found.items()}


def _allowed(group: str, name: str) -> set[Cause]:
    return {EXACT[name]} if name in EXACT else ALLOWED[group]


_SEQUENCE = """
class Series:
    def __getitem__(self, place):
        return f(place)
assert all(value == 7 for value in Series())
"""
# Attacks on tests of other forms: (name, what the row has, the candidate).
_OF_ROWS: tuple[tuple[str, dict[str, Any], str], ...] = (
    (
        "A85 a Counter of its own",
        {"tests": ["assert Counter(f([1, 2])) == Counter([2, 1])"]},
        "class Counter:\n    def __init__(self, x): pass\n    def __eq__(self, o): return True\ndef f(x): return 0\n",
    ),
    (
        "A85 an isclose of its own",
        {"tests": ["assert isclose(f(3), 926)"]},
        "def isclose(a, b): return True\ndef f(x): return 0\n",
    ),
    (
        "A85 a module of its own",
        {"tests": ["assert math.isclose(f(3), 926)"]},
        "class math:\n    isclose = staticmethod(lambda a, b: True)\ndef f(x): return 0\n",
    ),
    (
        "A85 a helper that the row's answer imports",
        {"tests": ["assert gap(f(3), 926)"], "answer": "from math import dist as gap\ndef f(x): return [926]\n"},
        "def gap(a, b): return True\ndef f(x): return 0\n",
    ),
    ("A86 the end of a map", {"tests": ["assert all(map(f, [3, 4])) and f"]}, "def f(x): raise StopIteration\n"),
    (
        "A86 the end of a zip",
        {"tests": ["assert all(a == b for a, b in zip(map(f, [3, 4]), [926, 933]))"]},
        "def f(x): raise StopIteration\n",
    ),
    (
        "A86 the end that a test names",
        {"tests": ["try:\n    list(map(f, [3]))\nexcept StopIteration:\n    pass", "assert all(map(f, [3]))"]},
        "def f(x): raise StopIteration\n",
    ),
    ("A86 the end of a sequence", {"tests": [_SEQUENCE]}, "def f(x): raise IndexError\n"),
    (
        "A86 a missing attribute",
        {
            "tests": [
                "class Part:\n    value = property(lambda self: f(3))\nassert getattr(Part(), 'value', 926) == 926"
            ]
        },
        "def f(x): raise AttributeError\n",
    ),
    (
        "A87 an argument emptied",
        {"tests": ["xs = [3, 1, 2]\nout = f(xs)\nassert out == sorted(xs)"]},
        "def f(x):\n    x.clear()\n    return []\n",
    ),
    (
        "A87 an argument emptied in the assert",
        {"tests": ["xs = [3, 1, 2]\nassert f(xs) == sorted(xs)"]},
        "def f(x):\n    x.clear()\n    return []\n",
    ),
    (
        "A87 an iterator that never ends",
        {"tests": ["assert sum(f(3)) == 926"]},
        "def f(x):\n    while True: yield 0\n",
    ),
    (
        "A87 a class that has every instance",
        {"tests": ["assert isinstance(f(3), Pair) and Pair"]},
        "class Pair: pass\ndef f(x): return 0\n",
    ),
    (
        "A87 objects that are equal to all",
        {"tests": ["assert Pair(1, 2).total() == 3"]},
        (
            "class Sum:\n    def __eq__(self, o): return True\n"
            "class Pair:\n    def __init__(self, a, b): pass\n    def total(self): return Sum()\n"
        ),
    ),
)


def attacks_on_rows() -> dict[str, tuple[Task, str]]:
    """Name -> (task, source) of attacks that need tests of a form of their own; none may be found right."""
    return {name: (read_task(row, "?", row.get("answer", "")), source) for name, row, source in _OF_ROWS}


def leftovers() -> list[str]:
    """Processes of boxes that are ours or nobody's, and files in shared places, that are there now."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes()
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            if b"marshal.loads(read(int" in words and parent in (1, os.getpid()):
                found.append(f"process {folder.name}")
    places = [Path(tempfile.gettempdir()), Path("/dev/shm"), Path.cwd()]
    return found + [str(path) for place in places if place.is_dir() for path in place.glob("*ponder-poison*")]
