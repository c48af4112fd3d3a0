"""What a run folder says of a run that may still go on: rows of rounds, alarms, how far it is, the newest samples."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.printable import printable
from ponder.reports.run.summary_reader import at, number, rows, text
from ponder.runlog.folder import read_config
from ponder.types import PonderError

STALE_SECONDS = 600.0  # without a new row for so long, a run that has not ended is said to be silent


@dataclass(frozen=True)
class Said:
    """A sample of the newest round: `outcome` None was not judged."""

    family: str
    question: str
    steps: tuple[str, ...]
    outcome: float | None


@dataclass(frozen=True)
class State:
    """`rows` are those of metrics.jsonl, the first of them before training (round -1). `total` rounds are asked for."""

    folder: Path
    rows: tuple[Mapping[str, Any], ...]
    total: int | None
    ended: bool
    silent: float
    alarms: tuple[str, ...]
    said: tuple[Said, ...] = ()

    @property
    def done(self) -> int:
        """Rounds that are over."""
        return sum(1 for row in self.rows if (number(row, "round") or 0) >= 0 and "round" in row)

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return max((number(row, "seconds") or 0.0 for row in self.rows), default=0.0)

    @property
    def left(self) -> float | None:
        """Seconds of training that are left at the pace so far; None if that cannot be told."""
        if self.ended or not self.total or not self.done:
            return None
        return self.seconds / self.done * max(0, self.total - self.done)

    def series(self, *keys: str) -> list[tuple[float, float]]:
        """(round, value) of a number of the rows, where it is known; before training is round 0."""
        return [
            (number(row, "round") or 0.0, value)
            for row in self.rows
            if "round" in row and (value := number(row, *keys)) is not None
        ]


def read(folder: Path, said: Sequence[Said] = (), now: float | None = None) -> State:
    """The state of a run folder. Raises PonderError if it is none; a line that is still being written is left out."""
    config = read_config(folder)
    some = tuple(journal(folder / "metrics.jsonl"))
    events = list(journal(folder / "events.jsonl"))
    moments = [t for row in (*some, *events) if (t := number(row, "time")) is not None]
    total = number(config, "rounds")
    clock = time.time() if now is None else now
    return State(
        folder,
        some,
        None if total is None else int(total),
        any(text(event, "kind") == "finished" for event in events),
        max(0.0, clock - max(moments)) if moments else 0.0,
        tuple(_alarms(some)),
        tuple(said),
    )


def journal(path: Path) -> list[Mapping[str, Any]]:
    """The whole lines of a journal; none if it is not there yet."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PonderError(f"{path} cannot be read: {error.strerror}") from error
    found = []
    for line in raw.split(b"\n")[:-1]:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, Mapping):
            found.append(row)
    return found


def _alarms(some: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every alarm of the monitors and of the watch for reward hacking, and rounds that were rejected."""
    found = []
    for row in some:
        when = f"round {int(number(row, 'round') or 0) + 1}"
        for where in ("health", "watch"):
            for alarm in rows(row, where, "alarms"):
                says = text(alarm, "says") or text(alarm, "signal") or text(alarm, "counter") or "an alarm"
                family = text(alarm, "family")
                found.append(printable(f"{when}: {f'{family}: ' if family else ''}{says}"))
        if rows(row, "health", "rolled_back") or at(row, "health", "rejected") is True:
            found.append(f"{when}: rejected, drawn anew at a smaller rate")
    return found
