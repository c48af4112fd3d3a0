"""The health of a run: readings of each round against thresholds, and what is remembered from round to round.

It remembers the first round (what "relative" refers to), the best validation accuracy, the course over several rounds,
the factor on the learning rates and every rollback; a checkpoint carries that, so a resumed run judges and draws as the
undisturbed one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ponder.selfplay.monitors.course import Course
from ponder.selfplay.monitors.readings import Readings, read
from ponder.selfplay.monitors.settings import Monitors, Signal
from ponder.types import Group

STANDARD_ERRORS = 3.0
SOLVED = 0.9  # a run that solves so much has dead groups because nothing is left to learn


@dataclass(frozen=True)
class Alarm:
    """A signal beyond its limit: the value (None: there is none), the limit, and the cause with what to do about it."""

    signal: Signal
    value: float | None
    limit: float
    says: str

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Health:
    """`scale` is the factor on the learning rates. `rolled_back` holds a row for each round that was rejected."""

    settings: Monitors
    first: Readings | None = None
    best: float | None = None
    scale: float = 1.0
    rolled_back: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.course = Course(self.settings.rounds, self.settings.sag)

    @property
    def attempt(self) -> int:
        """How often the run went back: the draws of a round that is played again depend on it."""
        return len(self.rolled_back)

    def look(self, row: Mapping[str, Any], groups: Sequence[Group]) -> tuple[Readings, list[Alarm]]:
        """Readings and alarms of a round; nothing is remembered yet."""
        readings = read(row, groups)
        found = [*(check(self, readings) for check in _CHECKS), self._decline(row)] if self.settings.enabled else []
        return readings, [alarm for alarm in found if alarm is not None]

    def _decline(self, row: Mapping[str, Any]) -> Alarm | None:
        decline = self.course.look(row.get("ladder") or {}, row.get("stage", 0))
        if decline is None or not decline.is_real:
            return None
        return Alarm(
            "decline",
            decline.recent,
            decline.best - decline.allowed,
            f"validation accuracy of the last {self.settings.rounds} rounds is {decline.recent:.1%} on average, after "
            f"{decline.best:.1%} as of round {decline.round + 1}, more than noise explains: the run loses slowly what "
            "it had; a falling rate (trainer.schedule=cosine), larger sampling.problems or the reward `overlong` may "
            "help",
        )

    def rejects(self, alarms: Sequence[Alarm]) -> Alarm | None:
        """The alarm for which the round is not kept; None: it is. A decline is no fault of its last round."""
        refused = [alarm for alarm in alarms if alarm.signal in self.settings.rollback and alarm.signal != "decline"]
        return refused[0] if refused else None

    def returns(self, alarms: Sequence[Alarm]) -> Alarm | None:
        """The decline for which the run goes back to its best checkpoint; None: there is none, or it did so often."""
        declines = [alarm for alarm in alarms if alarm.signal == "decline"]
        wanted = "decline" in self.settings.rollback and not self.exhausted
        return declines[0] if declines and wanted else None

    def keep(self, readings: Readings, row: Mapping[str, Any] | None = None) -> bool:
        """Remember a round that is kept; whether it ends the best rounds so far."""
        self.first = self.first or readings
        if readings.validation is not None:
            self.best = max(self.best or 0.0, readings.validation)
        if row is None:
            return False
        return self.course.keep(int(row.get("round", 0)), row.get("ladder") or {}, row.get("stage", 0))

    def went_back(self, round_number: int, alarm: Alarm) -> None:
        """Remember a rejected round; from now on the rates are smaller."""
        self.scale *= self.settings.rate_factor
        self.rolled_back.append({"round": round_number, "scale": self.scale, **alarm.as_data()})

    @property
    def exhausted(self) -> bool:
        """Whether another rollback is one too many."""
        return len(self.rolled_back) >= self.settings.most_rollbacks

    def row(self, readings: Readings, alarms: Sequence[Alarm]) -> dict[str, Any]:
        """For the round's row of the report."""
        return {
            "readings": readings.as_data(),
            "alarms": [alarm.as_data() for alarm in alarms],
            "rate_scale": self.scale,
            "rolled_back": list(self.rolled_back),
        }

    def state(self) -> dict[str, Any]:
        first = None if self.first is None else self.first.as_data()
        kept = {"first": first, "best": self.best, "scale": self.scale, "rolled_back": list(self.rolled_back)}
        return {**kept, "course": self.course.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.first = None if state["first"] is None else Readings(**state["first"])
        self.best, self.scale = state["best"], state["scale"]
        self.rolled_back = list(state["rolled_back"])
        if "course" in state:  # not in checkpoints of earlier versions
            self.course.load_state(state["course"])


def not_finite(why: str) -> Alarm:
    """The alarm of a round that could not be played to its end."""
    return Alarm("not_finite", None, 0.0, f"losses or gradients were not finite and the round was given up ({why})")


def _validation(health: Health, r: Readings) -> Alarm | None:
    if r.validation is None or health.best is None or not r.problems:
        return None
    # Two shares of so many problems each differ by chance with this deviation at most.
    noise = STANDARD_ERRORS * math.sqrt(0.5 / r.problems)
    allowed = max(health.settings.drop, noise)
    if health.best - r.validation <= allowed:
        return None
    return Alarm(
        "validation",
        r.validation,
        health.best - allowed,
        f"validation accuracy fell to {r.validation:.1%} from {health.best:.1%} at its best: the last updates made the "
        "policy worse; a smaller trainer.learning_rate or larger sampling.problems makes steps safer",
    )


def _entropy(health: Health, r: Readings) -> Alarm | None:
    first = health.first.entropy if health.first else None
    if r.entropy is None or not first:
        return None
    low, high = health.settings.entropy_low * first, health.settings.entropy_high * first
    if r.entropy < low:
        return Alarm(
            "entropy",
            r.entropy,
            low,
            f"entropy collapsed to {r.entropy:.3g} nats a token from {first:.3g} in the first round: the policy says "
            "nearly always the same and explores no more; raise loss.clip_high, add an entropy bonus or lower the rate",
        )
    if r.entropy > high:
        return Alarm(
            "entropy",
            r.entropy,
            high,
            f"entropy rose to {r.entropy:.3g} nats a token from {first:.3g} in the first round: the policy is falling "
            "apart into noise; lower trainer.learning_rate or pull it to the start with loss.kl_coef",
        )
    return None


def _mismatch(health: Health, r: Readings) -> Alarm | None:
    limit = health.settings.mismatch
    if r.mismatch is None or r.mismatch <= limit:
        return None
    return Alarm(
        "mismatch",
        r.mismatch,
        limit,
        f"sampler and trainer differ by {r.mismatch:.3g} nats a token (limit {limit:g}): the engine does not sample "
        "from what is trained, or from weights that are too old; check engine.dtype and the parity of the engine",
    )


def _repetition(health: Health, r: Readings) -> Alarm | None:
    limit = health.settings.repetition
    if r.repetition is None or r.repetition <= limit:
        return None
    return Alarm(
        "repetition",
        r.repetition,
        limit,
        f"{r.repetition:.0%} of the answers repeat themselves (limit {limit:.0%}): the policy runs in loops; lower the "
        "rate, or add the reward `overlong` so that loops cost something",
    )


def _length(health: Health, r: Readings) -> Alarm | None:
    if r.cut is not None and r.cut > health.settings.cut:
        return Alarm(
            "length",
            r.cut,
            health.settings.cut,
            f"{r.cut:.0%} of the answers were cut by sampling.max_tokens (limit {health.settings.cut:.0%}): raise it, "
            "or add a reward on length",
        )
    first = health.first.length if health.first else None
    if r.length is None or not first or r.length <= health.settings.length * first:
        return None
    return Alarm(
        "length",
        r.length,
        health.settings.length * first,
        f"answers grew to {r.length:.0f} tokens from {first:.0f} in the first round: check that accuracy grows with "
        "them, else add a reward on length",
    )


def _live_groups(health: Health, r: Readings) -> Alarm | None:
    limit = health.settings.live
    if r.live is None or r.live >= limit or (r.solved or 0.0) >= SOLVED:
        return None
    return Alarm(
        "live_groups",
        r.live,
        limit,
        f"only {r.live:.0%} of the groups had both right and wrong answers (limit {limit:.0%}) while "
        f"{r.solved or 0:.0%} of the answers are right: the problems are too hard or too easy, and little is learned; "
        "choose another level or a larger sampling.group_size",
    )


def _drift(health: Health, r: Readings) -> Alarm | None:
    limit = health.settings.drift
    if r.gap is None or abs(r.gap) <= limit:
        return None
    side = "promises more" if r.gap > 0 else "promises less"
    return Alarm(
        "drift",
        r.gap,
        limit,
        f"the verifier drifted: its mean score {side} than the solve rate by {abs(r.gap):.2f} (limit {limit:g}); it "
        "does not follow the policy; raise verifier.groups, verifier.epochs or its rate, or lower coupling.weight",
    )


def _only_verifier(health: Health, r: Readings) -> Alarm | None:
    limit = health.settings.only_verifier
    if r.only_verifier is None or r.only_verifier <= limit:
        return None
    return Alarm(
        "only_verifier",
        r.only_verifier,
        limit,
        f"{r.only_verifier:.0%} of the answers are wrong and the verifier likes them (limit {limit:.0%}): it is being "
        "fooled, or has not learned yet; keep the outcome in the reward (coupling.kind=both) with a smaller weight",
    )


_CHECKS: tuple[Callable[[Health, Readings], Alarm | None], ...] = (
    _mismatch,
    _entropy,
    _repetition,
    _validation,
    _length,
    _live_groups,
    _drift,
    _only_verifier,
)


def gathered(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The health of a whole run from its rows: each signal's alarms with their rounds, and the rollbacks."""
    watched = [(row["round"], row["health"]) for row in rows if "health" in row]
    alarms: dict[str, dict[str, Any]] = {}
    for number, health in watched:
        for alarm in health["alarms"]:
            known = alarms.setdefault(alarm["signal"], {**alarm, "rounds": []})
            known["rounds"].append(number)
            known.update({key: alarm[key] for key in ("value", "says")})
    return {
        "rounds": len(watched),
        "alarms": list(alarms.values()),
        "rolled_back": watched[-1][1]["rolled_back"] if watched else [],
        "rate_scale": watched[-1][1]["rate_scale"] if watched else 1.0,
    }
