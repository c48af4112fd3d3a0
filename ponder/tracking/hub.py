"""All trackers of a run as one. One that fails is closed and left out, and somebody is told; the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ponder.tracking.metrics import flat
from ponder.tracking.tracker import RunInfo, Tracker, TrackerSettings

Tell = Callable[[str, str], None]  # the kind of the tracker, what went wrong


class Hub:
    """Opens, feeds and closes the trackers of a run."""

    def __init__(self, settings: Sequence[TrackerSettings], run: RunInfo, failed: Tell) -> None:
        self._failed = failed
        self._open: dict[str, Tracker] = {}
        for number, one in enumerate(settings):
            self._try(f"{one.kind} {number}", lambda one=one: one.open(run))  # type: ignore[misc]

    def log(self, step: int, row: Mapping[str, Any]) -> None:
        """The numbers of a round's row, to all trackers that still work."""
        values = flat(row)
        for name, tracker in list(self._open.items()):
            self._try(name, lambda tracker=tracker: tracker.log(step, values))  # type: ignore[misc]

    def close(self) -> None:
        """Close all trackers."""
        for name, tracker in list(self._open.items()):
            self._try(name, tracker.close)
        self._open = {}

    def _try(self, name: str, act: Callable[[], Any]) -> None:
        try:
            made = act()
            if name not in self._open and made is not None:
                self._open[name] = made
        except Exception as error:  # somebody else's server, disk or version must not end a training
            self._open.pop(name, None)
            self._failed(name.partition(" ")[0], f"{type(error).__name__}: {error}")


@contextmanager
def tracking(settings: Sequence[TrackerSettings], run: RunInfo, failed: Tell) -> Iterator[Hub]:
    """The trackers of a run, closed in any case."""
    hub = Hub(settings, run, failed)
    try:
        yield hub
    finally:
        hub.close()
