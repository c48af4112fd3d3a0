"""The operator's file of tiers and prices, in TOML.

[price]             # of a million tokens, in a currency of the operator's choice
prompt = 0.10
thinking = 0.40

[tiers.free]
request = 400       # token-equivalents that one request may spend
minute = 4000
month = 200000
concurrent = 1
effort = "low"

[tiers.paid]
request = 25600

"""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import Field, ValidationError

from ponder.config import Strict
from ponder.serving.caller import Price, Tier
from ponder.serving.dial import NAMES
from ponder.types import PonderError

STANDARD = "standard"


class Offer(Strict):
    """Tiers by name, and the price. Without a file there is one tier, `standard`, without limits of its own."""

    price: Price = Price()
    tiers: dict[str, Tier] = Field(default_factory=lambda: {STANDARD: Tier()})


def read(path: Path | None) -> Offer:
    """The offer in a file; PonderError that names what is wrong with it."""
    if path is None:
        return Offer()
    try:
        offer = Offer.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise PonderError(f"--tiers {path}: cannot be read ({error.strerror}); name a TOML file of tiers") from None
    except tomllib.TOMLDecodeError as error:
        raise PonderError(f"--tiers {path}: not valid TOML ({error})") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise PonderError(f"--tiers {path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    for name, tier in offer.tiers.items():
        if tier.effort not in NAMES:
            raise PonderError(f"--tiers {path}: tiers.{name}.effort={tier.effort!r}: choose among {', '.join(NAMES)}")
    return offer
