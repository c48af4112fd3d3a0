"""The numbers that a long run is watched by, taken from the row and the answers of a round. None: not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ponder.types import Group, StopReason

GRAM = 16  # tokens; honest answers of the embedded model repeat a tenth of theirs at most
REPEATS = 0.5  # a response repeats itself if more than this share of its grams was there before


@dataclass(frozen=True)
class Readings:
    """Of one round. `validation` has `problems` behind it; `entropy` and `mismatch` are in nats a token.

    `length` counts tokens, `cut` is the share of answers that met the limit, `live` that of groups with a gradient and
    `solved` the mean solve rate. `gap` and `only_verifier` compare the verifier with the truth on validation problems
    (`coupling.agreement`), or on training answers where these are worse.
    """

    validation: float | None = None
    problems: int = 0
    entropy: float | None = None
    mismatch: float | None = None
    repetition: float | None = None
    length: float | None = None
    cut: float | None = None
    live: float | None = None
    solved: float | None = None
    gap: float | None = None
    only_verifier: float | None = None

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def read(row: Mapping[str, Any], groups: Sequence[Group]) -> Readings:
    """The readings of a round: its row of the report, and what was answered in it."""
    answers = [t for group in groups for t in group.trajectories]
    outcomes = [outcome for group in groups for _, outcome in group.judged]
    agreed, metrics = row.get("agreement") or {}, row.get("metrics") or {}
    dead = row.get("dead_groups")
    return Readings(
        validation=(row.get("validation") or {}).get("mean"),
        problems=sum(len(rates) for rates in (row.get("ladder") or {}).values()),
        entropy=row.get("entropy"),
        mismatch=row.get("kl_mismatch"),
        repetition=_share([repeats(t.tokens) for t in answers]),
        length=sum(map(len, answers)) / len(answers) if answers else None,
        cut=_share([t.stop is StopReason.LENGTH for t in answers]),
        live=None if dead is None or not groups else 1.0 - dead,
        solved=sum(outcomes) / len(outcomes) if outcomes else None,
        gap=_widest(agreed.get("gap"), metrics.get("verifier/gap")),
        only_verifier=_widest(agreed.get("only_verifier"), metrics.get("verifier/only_verifier")),
    )


def repeats(tokens: Sequence[int]) -> bool:
    """Whether most of a response was said before in it, `GRAM` tokens at a time; a short one never does."""
    grams = [tuple(tokens[i : i + GRAM]) for i in range(len(tokens) - GRAM + 1)]
    return bool(grams) and 1 - len(set(grams)) / len(grams) > REPEATS


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _widest(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return max(known, key=abs) if known else None
