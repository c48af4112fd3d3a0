"""A run that is told to stop (SIGTERM: a scheduler, a shutdown) ends after its round, when everything is saved.

The first signal asks; the run says so at once and stops at the next safe point. A second one ends the process as ever.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ponder.types import PonderError


class Stop:
    """Whether somebody asked; `check` ends the run if so."""

    def __init__(self) -> None:
        self.asked = False

    def check(self, where: str, out: object) -> None:
        """PonderError that says what is saved and how to go on, if the run was told to stop."""
        if self.asked:
            raise PonderError(f"told to stop (SIGTERM): {where} is saved; go on with `ponder run --out {out} --resume`")


@contextmanager
def stoppable(say: Callable[[str], None]) -> Iterator[Stop]:
    """Hear of SIGTERM inside; `say` tells people once. Outside of the main thread nothing is heard."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def hear(_number: int, _frame: FrameType | None) -> None:
        stop.asked = True
        signal.signal(signal.SIGTERM, before)
        say("told to stop: this round is finished and saved first")

    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, hear)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
