"""What every test leaves as it found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

_THREADS = torch.get_num_threads()


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    """Torch's number of threads belongs to the process: raised by one test, it slows all later tests of a worker."""
    yield
    if torch.get_num_threads() != _THREADS:
        torch.set_num_threads(_THREADS)
