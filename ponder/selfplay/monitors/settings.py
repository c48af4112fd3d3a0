"""What a long run watches in itself, and what it does about it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ponder.config import Strict

Signal = Literal[
    "validation",
    "decline",
    "entropy",
    "mismatch",
    "not_finite",
    "repetition",
    "length",
    "live_groups",
    "drift",
    "only_verifier",
]
Share = Annotated[float, Field(ge=0, le=1)]
Above = Annotated[float, Field(gt=0, allow_inf_nan=False)]
SIGNALS: tuple[Signal, ...] = (
    "validation",
    "decline",
    "entropy",
    "mismatch",
    "not_finite",
    "repetition",
    "length",
    "live_groups",
    "drift",
    "only_verifier",
)


class Monitors(Strict):
    """Thresholds of the signals, looked at after every round; a signal beyond its own is an alarm that names the cause.

    An alarm of a signal in `rollback` rejects the round: the run goes back to the checkpoint before it, multiplies the
    learning rates by `rate_factor` and draws the round anew; after `most_rollbacks` it stops and says why. A `decline`
    is no fault of its last round: that round stays in the log, and the run goes on from the best checkpoint at smaller
    rates; after `most_rollbacks` it is an alarm like the others. Alarms of the others are logged and shown. Entropy is
    one of those: while a model learns the form of an answer it falls to a tenth within a round and accuracy rises with
    it. Relative thresholds are in multiples of the first round's value.

    `export` says which policy a run leaves, serves and measures: the `last`, the `best` by the mean validation accuracy
    of its last `rounds` rounds, or (`auto`) the last unless it ends in a decline. `rounds` make the means of which a
    decline is told (0: it is not looked for), and `sag` is how far they may lie apart whatever the noise.

    `drop` is how far validation accuracy may lie below its best (and at least three standard errors, or noise would be
    an alarm), `entropy_low` and `entropy_high` bound the entropy, `mismatch` is the largest divergence of sampler and
    trainer in nats a token, `repetition` the share of answers that repeat themselves, `length` and `cut` bound the mean
    length and the share of answers cut by the limit, `live` is the least share of groups with a gradient (of a run that
    has not solved its problems), `drift` the largest gap between the verifier's mean score and the solve rate, and
    `only_verifier` the largest share of answers that are wrong and that the verifier likes.
    """

    enabled: bool = True
    rollback: tuple[Signal, ...] = ("validation", "decline", "mismatch", "not_finite", "repetition")
    rate_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    most_rollbacks: Annotated[int, Field(ge=0)] = 3
    export: Literal["auto", "last", "best"] = "auto"
    rounds: Annotated[int, Field(ge=0)] = 5
    sag: Share = 0.05
    drop: Share = 0.15
    entropy_low: Annotated[float, Field(ge=0)] = 0.1
    entropy_high: Above = 4.0
    mismatch: Above = 0.1
    repetition: Share = 0.1
    length: Above = 5.0
    cut: Share = 0.5
    live: Share = 0.05
    drift: Share = 0.35
    only_verifier: Share = 0.3
