"""What both APIs share of a request: the `ponder` part, and how budget, strategy and visibility are read off it."""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ponder.search.registry import STRATEGIES
from ponder.serving.caller import Caller
from ponder.serving.dial import NAMES, Budget, Dial
from ponder.serving.errors import refused
from ponder.serving.settings import Limits
from ponder.serving.thinking.ask import Show

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class Wire(BaseModel):
    """A part of a request: what it does not name is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Own(Wire):
    """The `ponder` part of a request: what the OpenAI protocol has no word for.

    `strategy` is a name of `ponder list strategies`; `settings` are its settings. `seconds` is a deadline. `show` is
    how much of the thinking comes back. `progress` sends the growing tree in a stream.
    """

    strategy: str = "auto"
    settings: dict[str, float | int | str | bool] = Field(default_factory=dict)
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    show: Show | None = None
    progress: bool = False


def budget_of(
    dial: Dial, caller: Caller, efforts: dict[str, str | None], numbers: dict[str, int | None]
) -> tuple[Budget, str | None]:
    """The budget that is asked for, by names or by numbers under their fields; and the field. Two that differ: 400."""
    given: dict[str, str | int] = {k: v for k, v in {**efforts, **numbers}.items() if v is not None}
    if len(set(given.values())) > 1:
        fields = ", ".join(f"{name}={value}" for name, value in given.items())
        raise refused(list(given)[-1], f"{fields}: these say the same thing in different ways; give one")
    if not given:
        return dial.of_name(caller.tier.effort, caller.tier.request), None
    param, value = next(iter(given.items()))
    if isinstance(value, int):
        return dial.of_number(value, param, caller.tier.request), param
    if value not in NAMES:
        raise refused(param, f"{param}={value!r}: choose among {', '.join(NAMES)}")
    return dial.of_name(value, caller.tier.request), param


def check_strategy(name: str) -> str:
    """A strategy that there is; 400 with the names otherwise."""
    if name not in STRATEGIES:
        raise refused("ponder.strategy", f"strategy {name!r} is unknown; choose among {', '.join(STRATEGIES)}")
    return name


def deadline_of(seconds: float | None, limits: Limits) -> float:
    """The moment by which the answer must be there. A deadline beyond the server's own is refused."""
    if seconds is not None and seconds > limits.seconds:
        raise refused("ponder.seconds", f"ponder.seconds={seconds:g}: this server gives a request {limits.seconds:g} s")
    return time.monotonic() + (limits.seconds if seconds is None else seconds)


def shown(wanted: Show, caller: Caller, limits: Limits, param: str) -> Show:
    """How much is shown; a request for more than the operator allows is refused and not quietly cut."""
    if wanted != "hidden" and not (limits.show_thinking and caller.tier.show_thinking):
        raise refused(param, "the thinking is not shown on this server", "thinking_hidden")
    return wanted


def seed_of(seed: int | None) -> int:
    """The seed that was given, or one that nobody can foresee."""
    return secrets.randbits(31) if seed is None else seed
