"""`ponder watch`: the state of a run folder with the newest samples of it."""

from __future__ import annotations

from pathlib import Path

from ponder.reports.follow.state import Said, State, read
from ponder.rollout import store
from ponder.types import PonderError

SAMPLES = 3


def state(folder: Path, samples: int = SAMPLES) -> State:
    """The run as it stands. Raises PonderError if `folder` is no run folder."""
    return read(folder, newest(folder, samples))


def newest(folder: Path, samples: int) -> list[Said]:
    """Samples of the newest round: the first of each family, right ones first; none before the first round."""
    files = sorted((folder / "trajectories").glob("round-*.parquet"))
    if not files or samples < 1:
        return []
    try:
        rows = store.read(files[-1])
    except PonderError:  # it is being written, or of another version: the curves are shown all the same
        return []
    found: dict[tuple[str, bool], Said] = {}
    for row in rows:
        key = (str(row["family"]), bool(row["outcome"]))
        if key not in found:
            found[key] = Said(str(row["family"]), str(row["question"]), tuple(row["steps"]), row["outcome"])
    return sorted(found.values(), key=lambda said: (not said.outcome, said.family))[:samples]
