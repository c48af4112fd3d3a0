"""How far sampling may run ahead of learning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ponder.config import Strict


class Staleness(Strict):
    """`updates` 0: an update's answers are drawn when the one before it is done, by the newest weights.

    With k > 0 the engine draws for later updates while the policy learns, at most k updates ahead. Sampling waits where
    it would get further ahead; nothing that was drawn is thrown away for its age.

    weights  fixed    update n learns from answers that weights of exactly k updates earlier drew, whoever is faster:
                      a run gives the same result every time, bit for bit on a CPU
             newest   the engine takes new weights as soon as there are some; answers under way go on under them, and
                      each token knows the version that drew it. Two runs of this kind differ.

    A loss must weigh tokens by their ratio to the weights that drew them (clipped, gspo, cispo); `loss.correction`
    truncates or masks what moved too far.
    """

    updates: Annotated[int, Field(ge=0)] = 0
    weights: Literal["fixed", "newest"] = "fixed"
