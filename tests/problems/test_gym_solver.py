"""Without pycosat every task can be imported and only the one that needs it says so."""

import sys

import pytest

from ponder.problems.gym import solver as gym_solver
from ponder.types import PonderError


def test_the_stand_in_takes_the_name_only_if_the_package_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "pycosat", raising=False)
    monkeypatch.setattr(gym_solver, "find_spec", lambda _: object())
    gym_solver.stand_in()
    assert "pycosat" not in sys.modules
    monkeypatch.setattr(gym_solver, "find_spec", lambda _: None)
    gym_solver.stand_in()
    with pytest.raises(PonderError, match="C compiler"):
        sys.modules["pycosat"].itersolve([[1]])
    monkeypatch.delitem(sys.modules, "pycosat")
