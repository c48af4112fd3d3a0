"""What episodes of several turns came to, turn by turn.

"Right after turn k" is the outcome of the k-th answer, or of the last one where the episode had ended by then, so the
numbers are all of the same episodes and the last one is the accuracy. Tokens count what was read as well as what was
said. Where the environment did not check every turn (`Verdict.turns`) an episode of several turns is left out of the
outcomes by turn and counted as `unknown`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ponder.evaluation.intervals import stratified_interval
from ponder.evaluation.suite import Scores, Suite
from ponder.types import Group, Problem, Trajectory, Verdict


@dataclass(frozen=True, slots=True)
class Played:
    """One episode: `turns` are its tokens, (said, read) each, and `finished` whether the policy ended the last one.

    No turn: nothing could be finished within the budget, which is wrong.
    """

    problem: Problem
    verdict: Verdict
    turns: tuple[tuple[int, int], ...]
    finished: bool

    @classmethod
    def of(cls, problem: Problem, trajectory: Trajectory | None, verdict: Verdict) -> Played:
        """What is measured of a trajectory (None: there is none)."""
        if trajectory is None:
            return cls(problem, verdict, (), True)
        return cls(problem, verdict, tuple(_turns(trajectory)), trajectory.finished)


def of_groups(groups: Iterable[Group]) -> list[Played]:
    """The episodes of groups, one by one."""
    return [Played.of(g.problem, t, v) for g in groups for t, v in zip(g.trajectories, g.verdicts, strict=True)]


def scored(suite: Suite, groups: Iterable[Group], *, temperature: float, seed: int = 0) -> Scores:
    """The outcomes of episodes of a suite's problems, with their summary."""
    by_problem = {group.problem.id: group for group in groups}
    found = [by_problem.get(problem.id) for problem in suite.problems]
    tries_P = tuple(() if group is None else tuple(y for _, y in group.judged) for group in found)
    drawn = sum(len(group.trajectories) for group in by_problem.values())
    turns = summary(of_groups(by_problem.values()), seed=seed)
    return Scores(suite, temperature, tries_P, drawn - sum(map(len, tries_P)), turns)


def summary(episodes: Sequence[Played], *, seed: int = 0) -> dict[str, Any]:
    """Accuracy as the mean over families with its interval over problems, the same after each turn, and the tokens.

    Failures are counted by type and left out of all outcomes; tokens are means over all episodes.
    """
    failures = Counter(one.verdict.failure for one in episodes if one.verdict.failure is not None)
    judged = [one for one in episodes if one.verdict.outcome is not None]
    known = [(one, by_turn) for one in judged if (by_turn := outcomes_by_turn(one)) is not None]
    paths = [one.turns for one in episodes]
    most = max(map(len, paths), default=0)
    return {
        "problems": len({one.problem.id for one in judged}),
        "episodes": len(episodes),
        "failures": dict(failures),
        "unknown": len(judged) - len(known),
        "accuracy": _interval([(one.problem, one.verdict.outcome or 0.0) for one in judged], seed),
        "by_family": {
            name: _interval([(o.problem, o.verdict.outcome or 0.0) for o in judged if o.problem.family == name], seed)
            for name in dict.fromkeys(one.problem.family for one in judged)
        },
        "turns": [
            {
                "turn": k + 1,
                "reached": sum(len(path) > k for path in paths) / len(paths),
                "accuracy": _interval([(o.problem, y[min(k, len(y) - 1)]) for o, y in known], seed),
                "tokens": _mean([sum(said + read for said, read in path[: k + 1]) for path in paths]),
                "read": _mean([sum(read for _, read in path[: k + 1]) for path in paths]),
            }
            for k in range(most)
        ],
        "tokens": _mean([sum(said + read for said, read in path) for path in paths]),
        "read": _mean([sum(read for _, read in path) for path in paths]),
        "cut": _mean([float(not one.finished) for one in episodes]),
    }


def outcomes_by_turn(one: Played) -> tuple[float, ...] | None:
    """The outcome of each turn; None if the environment did not check them all."""
    outcome = one.verdict.outcome
    assert outcome is not None  # asked of judged episodes alone
    if len(one.turns) < 2:
        return (outcome,)
    return one.verdict.turns if len(one.verdict.turns) == len(one.turns) else None


def _turns(trajectory: Trajectory) -> list[tuple[int, int]]:
    """For each turn the tokens that the policy drew, and those that it read (all that was forced)."""
    found = [(0, 0)] * trajectory.turns
    for step, turn in zip(trajectory.steps, trajectory.turn_S, strict=True):
        said, read = found[turn]
        count = len(step.tokens)
        found[turn] = (said, read + count) if step.forced else (said + count, read)
    return found


def _interval(outcomes: Sequence[tuple[Problem, float]], seed: int) -> dict[str, Any] | None:
    """The mean over families of the means over problems, as data; None if there is nothing."""
    strata: dict[str, dict[str, list[float]]] = {}
    for problem, outcome in outcomes:
        strata.setdefault(problem.family, {}).setdefault(problem.id, []).append(outcome)
    values: Mapping[str, list[list[float]]] = {name: list(some.values()) for name, some in strata.items()}
    found = stratified_interval(values, seed=seed)
    return None if found is None else asdict(found)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
