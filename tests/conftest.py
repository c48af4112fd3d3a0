"""One thread for each of several test processes, and what every test leaves as it found it."""

from __future__ import annotations

import os
from collections.abc import Iterator

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported; `make test` says it too
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

_THREADS = torch.get_num_threads()


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    """Torch's number of threads belongs to the process: raised by one test, it slows all later tests of a worker."""
    yield
    if torch.get_num_threads() != _THREADS:
        torch.set_num_threads(_THREADS)
