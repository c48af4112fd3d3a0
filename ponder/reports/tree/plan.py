"""What the planner of a search chose and why, as data of `tree.json` and in sentences for terminal and page.

    {"row": 1000.0, "choice": "beam?width=4", "strategy": "beam", "settings": {...}, "why": "bin", "looked": 4,
     "ended": 3, "spent": 212.0, "features": [{"name": "agreement", "value": 0.5, "low": 0.4, "high": null}],
     "bin": 1, "bins": 2}

`row` is the fitted budget whose row was used, in token-equivalents of this model. `choice` is what the plan says and
`strategy` what thought in the end (null: nothing more, the samples looked at were enough). `spent` is what looking
cost, the verifier's share included; it is part of the bill, and the samples stay candidates. `bin` counts from 0.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ponder.config import Strict
from ponder.reports import formatting as say

Why = Literal["one for all", "no verifier", "no room to look", "looking", "not known", "bin"]


class Feature(Strict):
    """One feature of difficulty with the edges of its bin (null: open); a value on an edge is in the bin above."""

    name: str
    value: float = Field(allow_inf_nan=False)
    low: float | None = None
    high: float | None = None


class Chosen(Strict):
    """The choice of the planner; see above."""

    row: float = Field(gt=0, allow_inf_nan=False)
    choice: str
    strategy: str | None = None
    settings: dict[str, Any] = {}
    why: Why
    looked: int = Field(default=0, ge=0)
    ended: int = Field(default=0, ge=0)
    spent: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    features: tuple[Feature, ...] = ()
    bin: int | None = Field(default=None, ge=0)
    bins: int = Field(default=0, ge=0)


def name(chosen: Chosen) -> str:
    """What the planner chose, in a word or two."""
    return "to stop" if chosen.strategy is None and chosen.why != "looking" else say.human(_said(chosen))


def sentences(chosen: Chosen) -> list[str]:
    """What was chosen, why, and what looking cost."""
    return [_choice(chosen), _probing(chosen)]


def _choice(chosen: Chosen) -> str:
    row = f"The plan's row for {say.count(round(chosen.row))} token-equivalents"
    said = say.human(chosen.choice)
    match chosen.why:
        case "one for all":
            text = f"{row} has one strategy for problems of every kind: {said}"
        case "no verifier":
            text = f"{row} tells problems apart by a verifier's scores; without a verifier it falls back on {said}"
        case "no room to look":
            text = f"{row} tells problems apart by samples, and so few are allowed that it falls back on {said}"
        case "looking":
            text = f"{row} tells problems apart by samples, which are being drawn"
        case "not known":
            text = f"{row} falls back on {said}, since the samples do not show how hard the problem is"
        case _:
            shown = say.joined([_feature(feature) for feature in chosen.features])
            kind = f"{(chosen.bin or 0) + 1} of {chosen.bins}"
            text = f"{row} tells kinds of problem apart; this one, with {shown}, is of kind {kind}: {said}"
    return f"{text}{_instead(chosen)}."


def _instead(chosen: Chosen) -> str:
    if chosen.why == "looking" or chosen.choice == chosen.strategy:
        return ""
    if chosen.strategy is None:
        return "; the samples already drawn were the answer" if chosen.choice == "stop" else ""
    if chosen.choice.partition("?")[0] != chosen.strategy:
        return f", which needs a verifier; {say.human(chosen.strategy)} took its place"
    return ""


def _probing(chosen: Chosen) -> str:
    if not chosen.looked:
        return "No samples were looked at first, so nothing was spent on probing."
    spent = say.count(round(chosen.spent, 1))
    return (
        f"Probing took {spent} token-equivalents for {chosen.looked} samples, of which {chosen.ended} ended; "
        "they stayed candidates."
    )


def _feature(feature: Feature) -> str:
    low, high = (None if edge is None else say.plain(edge) for edge in (feature.low, feature.high))
    within = f"{low} to {high}" if low and high else f"at least {low}" if low else f"below {high}" if high else "any"
    return f"{feature.name} {say.plain(feature.value)} ({within})"


def _said(chosen: Chosen) -> str:
    return chosen.choice if chosen.strategy is None else chosen.strategy
