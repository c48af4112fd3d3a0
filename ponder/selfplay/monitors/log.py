"""Where the watch leaves what it found: `disagreements.jsonl` and the events of a run folder."""

from __future__ import annotations

from pathlib import Path

from ponder.printable import json_line
from ponder.runlog import RunLog
from ponder.runlog.files import append_line, mend, read_jsonl, write_text
from ponder.selfplay.monitors.reward_hacking import Watched

DISAGREEMENTS = "disagreements.jsonl"


def write(log: RunLog, number: int, watched: Watched) -> None:
    """One event for the look itself, one for each alarm, one line for each disagreement."""
    log.event("watch", round=number, seconds=watched.seconds, compared=watched.compared)
    for alarm in watched.alarms:
        log.event("alarm", round=number, **alarm)
    for one in watched.disagreements:
        append_line(log.path / DISAGREEMENTS, {"round": number, **one.row()})


def truncate_after(folder: Path, number: int) -> None:
    """Drop the disagreements of rounds later than `number`: those rounds are played again."""
    path = folder / DISAGREEMENTS
    mend(path)
    rows = read_jsonl(path)
    kept = [row for row in rows if row["round"] <= number]
    if len(kept) < len(rows):
        write_text(path, "".join(json_line(row) + "\n" for row in kept))
