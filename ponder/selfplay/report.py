"""What a round says of itself: one row of plain data, from the updates, the ladder and the monitors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ponder.learning.report import UpdateReport
from ponder.selfplay.accounts import Part
from ponder.selfplay.ledger import Ledger
from ponder.selfplay.monitors.reward_hacking import Watched
from ponder.selfplay.provers.roles import is_sneaky
from ponder.types import Group


@dataclass(frozen=True)
class Improvement:
    """One policy update: the groups it learned from, what the trainer says, dead groups, and metrics of the credit.

    `proposals` are answers to the problem source, which were learned from too.
    """

    groups: tuple[Group, ...]
    report: UpdateReport
    dead: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    proposals: tuple[Group, ...] = ()


def round_row(
    number: int,
    ledger: Ledger,
    parts: Mapping[str, Part],
    levels: Any,
    updates: Sequence[Improvement],
    ladder: Sequence[Group],
    quality: dict[str, Any] | None,
    watched: Watched,
) -> dict[str, Any]:
    """The row of round `number`, counted from 0. Means over updates leave out those that did not measure."""
    groups = [group for update in updates for group in update.groups]
    learned = len(groups) + sum(len(update.proposals) for update in updates)  # dead ones are counted among both
    reports = [update.report for update in updates]
    skipped = [r.skipped for r in reports if r.skipped]
    failures = Counter(v.failure for group in groups for v in group.verdicts if v.failure)
    return {
        "round": number,
        "seconds": round(ledger.seconds, 3),
        "flops": ledger.flops,
        "sampled_tokens": ledger.sampled,
        "work": {purpose: part.as_data() for purpose, part in parts.items()},
        "levels": levels,
        "solve_rate": rates([group for group in groups if not is_sneaky(group.problem)]),
        "tokens": by_family(groups, lambda g: [float(len(t)) for t in g.trajectories]),
        "validation": with_mean(rates(ladder)),
        "ladder": by_family_and_problem(ladder),
        "verifier": quality,
        "updates": sum(r.steps for r in reports),
        "skipped": len(skipped),
        "skip_reasons": skipped,
        "dead_groups": sum(u.dead for u in updates) / max(1, learned),
        "kl_mismatch": mean([abs(r.kl_mismatch) for r in reports if r.kl_mismatch is not None]),
        "entropy": mean([r.entropy for r in reports if r.entropy is not None]),
        "grad_norm": mean([r.grad_norm for r in reports if r.grad_norm is not None]),
        "learning_rate": reports[-1].learning_rate if reports else None,
        "metrics": {**_means([u.metrics for u in updates]), **_means([r.metrics for r in reports], "loss/")},
        "failures": dict(failures),
        "watch": watched.row(),
    }


def in_turns(groups: Sequence[Group]) -> list[Group]:
    """The first group of each family, then the second of each, and so on."""
    seen: Counter[str] = Counter()
    turns = []
    for group in groups:
        turns.append(seen[group.problem.family])
        seen[group.problem.family] += 1
    return [group for _, group in sorted(zip(turns, groups, strict=True), key=lambda pair: pair[0])]


def rates(groups: Sequence[Group]) -> dict[str, float]:
    """Mean solve rate by family; a family without a single verdict is absent."""
    return by_family(groups, lambda g: [outcome for _, outcome in g.judged])


def with_mean(rates: Mapping[str, float]) -> dict[str, float | None]:
    """Rates by family, and their mean as one more entry."""
    return {**rates, "mean": mean(list(rates.values()))}


def by_family(groups: Sequence[Group], values: Callable[[Group], list[float]]) -> dict[str, float]:
    """The mean of `values` by family; a family without any is absent."""
    found: dict[str, list[float]] = {}
    for group in groups:
        found.setdefault(group.problem.family, []).extend(values(group))
    return {family: sum(some) / len(some) for family, some in found.items() if some}


def by_family_and_problem(groups: Sequence[Group]) -> dict[str, list[float]]:
    """Solve rates of the problems of each family; what could not be graded is left out."""
    found: dict[str, list[float]] = {}
    for group in groups:
        if group.solve_rate is not None:
            found.setdefault(group.problem.family, []).append(group.solve_rate)
    return found


def mean(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return sum(values) / len(values) if values else None


def solved(groups: Sequence[Group]) -> str:
    """The solve rates as a note for people."""
    return ", ".join(f"{family} {rate:.0%}" for family, rate in rates(groups).items())


def _means(metrics: Sequence[Mapping[str, float]], prefix: str = "") -> dict[str, float]:
    names = dict.fromkeys(name for one in metrics for name in one)
    found = {name: [one[name] for one in metrics if name in one] for name in names}
    return {f"{prefix}{name}": sum(values) / len(values) for name, values in found.items()}
