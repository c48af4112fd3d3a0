"""Six answers worth reading (solved, unsolved, changed from wrong to right), and the story of one problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ponder.evaluation.pools.pool import Pool, PoolEntry
from ponder.types import Group, Trajectory

Chosen = tuple[str, PoolEntry, int]  # kind, problem, index of the draw


def choose(pool: Pool, base: Sequence[Group]) -> list[dict[str, Any]]:
    """Up to two transcripts of each kind. `base` holds the base's answers to problems of the pool."""
    before = {group.problem.id: group for group in base}
    found: list[Chosen] = []
    for kind, wanted in (("changed", 1.0), ("solved", 1.0), ("unsolved", 0.0)):
        found += _two(kind, wanted, pool, before, used={entry.problem.id for _, entry, _ in found})
    return [_row(kind, entry, draw, before) for kind, entry, draw in found]


def story(pool: Pool, base: Sequence[Group]) -> dict[str, Any] | None:
    """One problem that the base failed in every try and that the final model solves now and then, and how a vote ends.

    Of such problems the one whose share of right answers is nearest to 60 %: a search has something to do there. None
    if there is no such problem. `votes` are the answers with how many samples gave each, the most frequent first.
    """
    before = {group.problem.id: group for group in base}
    fitting = [
        (abs(sum(known) / len(known) - 0.6), place)
        for place, entry in enumerate(pool.entries)
        if (known := [d.outcome for d in entry.draws if d.outcome is not None])
        and 0 < sum(known) < len(known)
        and (old := before.get(entry.problem.id)) is not None
        and old.judged
        and not any(y for _, y in old.judged)
    ]
    if not fitting:
        return None
    entry = pool.entries[min(fitting)[1]]
    right = next(i for i, d in enumerate(entry.draws) if d.outcome == 1.0)
    votes = Counter(d.answer for d in entry.draws if d.answer is not None)
    outcomes = {d.answer: d.outcome for d in entry.draws if d.outcome is not None}
    ranked = votes.most_common()
    return {
        **_row("changed", entry, right, before),
        "samples": len(entry.draws),
        "right": sum(d.outcome == 1.0 for d in entry.draws),
        "answers": len(votes),
        "vote_is_right": bool(ranked) and outcomes.get(ranked[0][0]) == 1.0,
        "votes": [{"answer": a, "count": n, "outcome": outcomes.get(a)} for a, n in ranked],
    }


def _two(kind: str, wanted: float, pool: Pool, before: dict[str, Group], used: set[str]) -> list[Chosen]:
    """The first fitting problems of different families; of the same one if there is no other."""
    fitting: list[Chosen] = []
    for entry in pool.entries:
        wrong_before = _first(before.get(entry.problem.id), 0.0) is not None
        if entry.problem.id in used or (kind == "changed") != wrong_before:
            continue
        draw = next((i for i, d in enumerate(entry.draws) if d.outcome == wanted), None)
        if draw is not None:
            fitting.append((kind, entry, draw))
    families = {entry.problem.family: (k, entry, draw) for k, entry, draw in reversed(fitting)}
    different = list(families.values())[:2]
    return different if len(different) == 2 else fitting[:2]


def _row(kind: str, entry: PoolEntry, index: int, before: dict[str, Group]) -> dict[str, Any]:
    draw, question = entry.draws[index], entry.problem.question
    steps = draw.trajectory.steps
    scores = (draw.verdict.step_scores if draw.verdict else None) or (None,) * len(steps)
    old = _first(before.get(entry.problem.id), 0.0) if kind == "changed" else None
    return {
        "kind": kind,
        "family": question.family,
        "level": question.level,
        "question": question.text,
        "key": entry.problem.key.answer,
        "outcome": draw.outcome,
        "steps": [{"text": s.text, "score": score} for s, score in zip(steps, scores, strict=True)],
        "before": None if old is None else old.text,
    }


def _first(group: Group | None, outcome: float) -> Trajectory | None:
    """The group's first trajectory with this outcome."""
    return next((t for t, y in group.judged if y == outcome), None) if group else None
