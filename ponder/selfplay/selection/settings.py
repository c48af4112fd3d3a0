"""Settings of the data selection; everything is off unless it is asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ponder.config import Strict

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Replay(Strict):
    """Rare successes are learned from again: `rows` of them in each update (0: none).

    A success is rare if at most `below` of its group were right. The newest `capacity` are kept. With a loss that
    compares (clipped, gspo, cispo) a row keeps the advantage and the log-probabilities of its own draw, so its ratio
    corrects for its age; with cloning it is imitated again.
    """

    rows: Count = 0
    below: Share = 0.25
    capacity: Positive = 256


class Selection(Strict):
    """What is learned from.

    `refill`: at most so many further draws until the update is full of mixed groups (dynamic sampling, DAPO, arXiv
    2503.14476, section 3.2); their cost is counted. `retire`: problems whose group was solved at this rate are not
    asked again (ScaleRL, arXiv 2510.13786: 0.9; 0: never); it bites where problems repeat, as in files. `overlong`
    "mask": answers cut by the token limit give no row, though they count in the baseline of their group (DAPO, section
    3.4); prices on length are rewards. `rationalise`: so many further answers, drawn with the key's answer as a hint,
    for each problem that was never solved; right ones are imitated without the hint (STaR, arXiv 2203.14465).
    `length_targets`: each problem asks for one of these numbers of tokens (for the reward l1).
    """

    refill: Count = 0
    retire: Share = 0.0
    overlong: Literal["keep", "mask"] = "keep"
    replay: Replay = Replay()
    rationalise: Count = 0
    length_targets: tuple[Positive, ...] = ()
