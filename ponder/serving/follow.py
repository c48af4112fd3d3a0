"""What can be served from a folder: a model, or a run with its policy, its verifier and its checkpoints.

Following a run: whenever it has saved a newer whole checkpoint, the weights are read beside the requests and put into
the engine between two of its steps. Requests under way go on from their text so far under the new weights. The
verifier stays the one that was loaded.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.engines.remote.address import is_address
from ponder.learning.checkpoints.checkpoints import Checkpoints
from ponder.models.load import load
from ponder.protocols import WeightSource
from ponder.runlog.folder import CONFIG
from ponder.serving.thinking.thinker import Thinker
from ponder.types import PonderError

EVERY = 5.0  # seconds between two looks at a run
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """Where the model, its verifier and a run's checkpoints are; `name` is what clients call the model."""

    model: str
    name: str
    verifier: str | None = None
    checkpoints: Path | None = None


def parts_of(model: str) -> Parts:
    """What the argument of `ponder serve` means: a model as everywhere, an address, or the folder of a run."""
    if is_address(model):
        return Parts(model, model.partition("#")[2] or model)
    run = Path(model)
    if not (run / CONFIG).is_file():
        return Parts(model, run.name if run.is_dir() else model)
    name = run.resolve().name
    checkpoints = run / "checkpoints"
    verifier = run / "verifier"
    judged = str(verifier) if (verifier / "config.json").is_file() else None
    if (run / "model" / "config.json").is_file():
        return Parts(str(run / "model"), name, judged, checkpoints if checkpoints.is_dir() else None)
    found = Checkpoints(checkpoints).load_latest() if checkpoints.is_dir() else None
    if found is None or found.saved is None:
        raise PonderError(f"{model} is a run that has saved nothing yet; wait for its first round, or name a model")
    return Parts(str(found.saved.policy), name, judged, checkpoints)


class Follower:
    """Keeps the weights of an engine those of a run's newest checkpoint."""

    def __init__(self, thinker: Thinker, checkpoints: Path) -> None:
        self._thinker, self._checkpoints = thinker, checkpoints
        self._seen = ""

    async def follow(self) -> None:
        """Look again and again; what cannot be read now is tried at the next look."""
        while True:
            try:
                await self.look()
            except (PonderError, OSError) as error:
                _log.warning("the run's newest checkpoint was not taken: %s", error)
            await asyncio.sleep(EVERY)

    async def look(self) -> bool:
        """Take a newer checkpoint, if there is one; whether there was."""
        newest = self._newest()
        if newest == self._seen:
            return False
        found = await asyncio.to_thread(Checkpoints(self._checkpoints).load_latest)
        if found.saved is None:
            return False
        loaded = await asyncio.to_thread(load, str(found.saved.policy))
        version = max(found.saved.ref.version, self._thinker.version)
        await asyncio.wrap_future(self._thinker.call(self._update(loaded.model.state_dict(), version)))
        self._seen = newest
        _log.warning("weights of version %d are live", version)
        return True

    async def _update(self, weights: dict[str, Any], version: int) -> None:
        engine: Any = self._thinker.propose.engine
        await engine.update_weights(WeightSource(tensors=weights), version)

    def _newest(self) -> str:
        try:
            return (self._checkpoints / "latest").read_text(encoding="utf-8").strip()
        except OSError:
            return self._seen
