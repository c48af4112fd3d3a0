"""reasoning-gym imports pycosat, a SAT solver that one task (zebra_puzzles) uses and that needs a C compiler.

Without it no task at all could be imported. Then a stand-in takes its name, and only the puzzle that needs it fails.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from ponder.types import PonderError


def task_classes() -> tuple[dict[str, Any], dict[str, Any]]:
    """Data set classes and curriculum classes of all tasks, by the task's name."""
    stand_in()
    from reasoning_gym.factory import CURRICULA, DATASETS

    return DATASETS, CURRICULA


def stand_in() -> None:
    """Put the stand-in where an import looks, if the real package is missing."""
    if find_spec("pycosat") is None:
        module = ModuleType("pycosat")
        vars(module)["itersolve"] = _refuse
        sys.modules["pycosat"] = module


def _refuse(*_: Any, **__: Any) -> Any:
    raise PonderError("this task needs pycosat; install a C compiler and then `pip install pycosat`")
