"""`ponder.train`: the self-play loop from a model to a report, as `ponder run` does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.api.training.forecast.forecast import check
from ponder.api.training.planning import Plan, plan
from ponder.api.training.presets import settings_of
from ponder.api.training.run import run
from ponder.selfplay.config import Run as RunConfig

__all__ = ["Plan", "RunConfig", "Trained", "check_plan", "plan_run", "train"]
Tell = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, and what its summary.json holds."""

    folder: Path
    summary: dict[str, Any]

    @property
    def model(self) -> Path:
        """The folder of the trained policy, for `load_policy`."""
        return self.folder / "model"

    @property
    def verifier(self) -> Path:
        """The folder of the trained verifier, for `load_verifier`."""
        return self.folder / "verifier"

    @property
    def report(self) -> Path:
        """The page that says what came of it."""
        return self.folder / "report.html"


def train(
    config: RunConfig | Path | Plan | None = None,
    *,
    out: Path | str,
    settings: Sequence[str] = (),
    preset: str = "",
    resume: bool = False,
    tell: Tell | None = None,
    cluster: str = "",
) -> Trained:
    """Train policy and verifier, measure both scaling laws, write a report; `ponder run` does the same.

    `config` is a `ponder.RunConfig`, a TOML file, a plan of `plan_run`, or None for the embedded default;
    `settings` are changes to a file or to the default, such as "rounds=2" or "sampling.group_size=4", and `preset`
    names a method whose settings come before them (`ponder list presets`). What is not set is chosen for the model
    (`plan_run` shows it), and a run that cannot fit into memory or onto the disk is refused with a plan. `out` is
    the run folder; `resume` goes on with a run that was stopped, whose settings need not be given again.
    `tell(stage, done, total, note)` hears of progress. `cluster` is "local" or HOST:PORT of a Ray cluster
    (docs/cluster.md). The same seed gives the same run on a CPU. Raises PonderError for a setting that is unknown
    or wrong, and for a folder that holds another run.
    """
    folder = Path(out)
    asked = [*(settings_of(preset) if preset else ()), *settings]
    made = config if isinstance(config, Plan) else plan(config, asked, folder, resume=resume)
    return Trained(folder, run(made, folder, resume=resume, tell=tell or (lambda *_: None), cluster=cluster))


def plan_run(
    config: RunConfig | Path | None = None, *, out: Path | str, settings: Sequence[str] = (), resume: bool = False
) -> Plan:
    """What `train` would do with the same arguments: all settings, those chosen for the model, memory, disk and time.

    Nothing is loaded or written. Raises PonderError for a wrong setting; a run that cannot fit is refused by `train`,
    and by `check_plan` before.
    """
    return plan(config, list(settings), Path(out), resume=resume)


def check_plan(plan: Plan) -> None:
    """PonderError with the changes that would help if the run cannot fit into memory or onto the disk."""
    check(plan.forecast)
