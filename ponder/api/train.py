"""`ponder.train`: the self-play loop from a model to a report, as `ponder run` does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.api.machine import check_device
from ponder.api.training.run import run
from ponder.config import load
from ponder.selfplay.config import Run as RunConfig
from ponder.types import PonderError

__all__ = ["RunConfig", "Trained", "train"]
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
    config: RunConfig | Path | None = None,
    *,
    out: Path | str,
    settings: Sequence[str] = (),
    resume: bool = False,
    tell: Tell | None = None,
) -> Trained:
    """Train policy and verifier, measure both scaling laws, write a report; `ponder run` does the same.

    `config` is a `ponder.RunConfig`, a TOML file, or None for the embedded default; `settings` are changes to a file or
    to the default, such as "rounds=2" or "sampling.group_size=4". `out` is the run folder; `resume` goes on with a run
    that was stopped, whose settings need not be given again. `tell(stage, done, total, note)` hears of progress. The
    same seed gives the same run on a CPU. Raises PonderError for a setting that is unknown or wrong, and for a folder
    that holds another run.
    """
    folder = Path(out)
    run_config = _config(config, list(settings), folder if resume else None)
    check_device(run_config.device)
    return Trained(folder, run(run_config, folder, resume=resume, tell=tell or (lambda *_: None)))


def _config(config: RunConfig | Path | None, settings: list[str], resumed: Path | None) -> RunConfig:
    """The settings of a new run, or those that the run in `resumed` began with."""
    if isinstance(config, RunConfig):
        if settings:
            raise PonderError("give settings either in the configuration or as text; see RunConfig.model_copy")
        return config
    if resumed is None:
        return load(RunConfig, config, settings)
    begun = resumed / "config.toml"
    if config is not None:
        raise PonderError(f"a run that is continued has the settings in {begun}; leave {config} out")
    if not begun.is_file():
        raise PonderError(f"{resumed} is no run folder to continue, it has no config.toml; leave --resume out to begin")
    return load(RunConfig, begun, settings)
