"""Before a run: its settings made whole for the model, and what it will take (`ponder run --dry-run` shows both)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ponder.api.machine import check_device, set_threads
from ponder.api.training import defaults
from ponder.api.training.defaults import About, Choice
from ponder.api.training.forecast import forecast as forecasts
from ponder.api.training.forecast.forecast import Forecast
from ponder.api.training.forecast.memory import dtype_on, skeleton
from ponder.api.training.forecast.room import here
from ponder.api.training.stage import check_engine
from ponder.config import checked, load, set_in
from ponder.config import given as given_by
from ponder.models import trained_on
from ponder.models.load import EMBEDDED
from ponder.selfplay import needs
from ponder.selfplay.config import Run
from ponder.types import PonderError


@dataclass(frozen=True)
class Plan:
    """A run that could start: all of its settings, those that were chosen for its model, and what it will take."""

    config: Run
    chosen: tuple[Choice, ...]
    forecast: Forecast

    def as_data(self) -> dict[str, Any]:
        return {"chosen": [asdict(choice) for choice in self.chosen], "forecast": self.forecast.as_data()}


def plan(config: Run | Path | None, settings: list[str], out: Path, *, resume: bool) -> Plan:
    """Settings from a configuration, a TOML file or nothing, changed by `settings`; a resumed run has its own.

    What nobody set is chosen for the model (`defaults`). Raises PonderError for a wrong setting.
    """
    if isinstance(config, Run):
        if settings:
            raise PonderError("give settings either in the configuration or as text; see RunConfig.model_copy")
        asked, table = config, set_in(config)
    else:
        file = _begun(out, config) if resume else config
        asked = load(Run, file, settings)
        table = given_by(file, settings)
    check_device(asked.device)
    needs.check(asked)
    check_engine(asked)
    set_threads(asked.threads)
    whole, chosen = completed(asked, table, about(asked, out)) if not resume else (asked, [])
    return Plan(whole, tuple(chosen), forecasts.forecast(whole, out))


def completed(asked: Run, table: Mapping[str, Any], model: About) -> tuple[Run, list[Choice]]:
    """`asked`, whose set fields stand in `table`, with the choices for its model where nothing was set."""
    filled, chosen = defaults.filled(table, defaults.choices(model))
    return (checked(Run, filled), chosen) if chosen else (asked, [])


def about(config: Run, out: Path) -> About:
    """What the choices depend on, of this model on this machine."""
    if config.model == EMBEDDED:
        return About(EMBEDDED, 0.0, config.device, 0.0)
    count = sum(p.numel() for p in skeleton(config.model, dtype_on(config.device)).parameters())
    return About(
        config.model,
        float(count),
        config.device,
        here(config.device, out).memory,
        framed=trained_on.frame_of(config.model) is not None,
        files=all(spec.startswith(("jsonl:", "hf:")) for spec in config.problems),
    )


def _begun(folder: Path, config: Path | None) -> Path:
    """The settings that the run in `folder` began with."""
    begun = folder / "config.toml"
    if config is not None:
        raise PonderError(f"a run that is continued has the settings in {begun}; leave {config} out")
    if not begun.is_file():
        raise PonderError(f"{folder} is no run folder to continue, it has no config.toml; leave --resume out to begin")
    return begun
