"""A stage of a run: so many rounds with some settings changed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ponder.config import Strict


class Stage(Strict):
    """`rounds` rounds in which the settings `set` (each "key.path=value", as on the command line) take the run's place.

    What a stage may change is how is learned: rewards, coupling, algorithm, loss, sampling, trainer, verifier. A stage
    begins with the weights of the one before it, with a fresh optimizer and a schedule of its own.
    """

    name: Annotated[str, Field(min_length=1)]
    rounds: Annotated[int, Field(ge=1)]
    set: tuple[str, ...] = ()
