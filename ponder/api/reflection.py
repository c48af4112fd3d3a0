"""`ponder reflect RUN`: how often the steps of a run's samples go back, and what that did: page, picture and data.

It reads what the run kept, so it draws nothing and takes seconds. See `evaluation/reflection/reflection` for the rule.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ponder.evaluation.reflection.over_training import over_training
from ponder.reports.thinking import reflection as thinking_reflection
from ponder.runlog import read_config
from ponder.runlog.files import explained, write_json
from ponder.types import PonderError

RULE = (
    "a step goes back if it holds a phrase of doubt or, in countdown, if it is a try after the first; useful: wrong "
    "before and right after, harmful: the other way round, idle: the verdict did not change"
)


def reflect(run: Path, out: Path | None = None) -> dict[str, Any]:
    """Count, write reflection.json, .html and .png into `out` (the run folder unless given), return the first."""
    if not (run / "config.toml").is_file():
        raise PonderError(f"{run} is no run folder, it has no config.toml; name the --out of a `ponder run`")
    rounds = over_training(run, int(read_config(run)["sampling"]["max_tokens"]))
    if not rounds:
        raise PonderError(f"{run} keeps no samples in {run / 'trajectories'}; finish a round of the run first")
    data = {"schema": 1, "rule": RULE, "unit": "shares with 95 % intervals over problems", "rounds": rounds}
    folder = out or run
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / thinking_reflection.DATA, data)
    thinking_reflection.render(folder)
    return data
