"""How many threads torch takes."""

from __future__ import annotations

import pytest
import torch

from ponder.api import machine

FOUND = torch.get_num_threads()


@pytest.mark.parametrize(
    ("told", "asked", "threads"),
    [("3", 0, 3), ("3,2", 0, 3), ("3", 2, 2), (None, 0, 5), ("", 0, 5), ("0", 0, 5), ("many", 0, 5)],
)
def test_asked_for_then_told_by_the_environment_then_all_cores(monkeypatch, told, asked, threads):
    assert torch.get_num_threads() == FOUND  # whatever the test before this one set
    monkeypatch.setattr(machine, "cores", lambda: 5)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    machine.set_threads(asked)
    assert torch.get_num_threads() == threads
