"""Every limit of the server, with its default."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ponder.config import Strict

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Limits(Strict):
    """What one server takes on. Token counts are token-equivalents.

    `max_tokens` is the longest single chain of thought; the efforts are multiples of it. `budget` is the most that one
    request may spend, `seconds` the longest that it may take, its wait included. `searches` run at once, `waiting` more
    may stand in line. A client that reads nothing for `slow_reader` seconds, or takes `upload` seconds to send a
    request, is dropped. `grace` is how long requests may go on after SIGTERM. `trees` MB of finished searches are kept
    to be looked at, and `responses` MB of stored conversations.
    """

    max_tokens: Annotated[int, Field(ge=41)] = 400
    budget: Count = 25_600
    seconds: Seconds = 120.0
    searches: Count = 64
    waiting: Annotated[int, Field(ge=0)] = 256
    choices: Count = 16
    body_bytes: Count = 1 << 20
    header_bytes: Count = 32 << 10
    connections: Count = 1000
    upload: Seconds = 30.0
    slow_reader: Seconds = 30.0
    grace: Seconds = 20.0
    trees: Count = 64
    responses: Count = 64
    show_thinking: bool = True
