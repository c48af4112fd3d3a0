"""Problems to judged groups: every problem is answered several times, and each answer is judged as soon as it is there.

Answers are drawn plainly or by a search under a budget (`draws`), go on for as many turns as the environment wants
(`episodes`), and are graded while others are still being generated (`grading`). The same seed gives the same groups,
bit for bit, however long a grader or an environment takes, unless one misses its deadline.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import overload

from ponder.environments import SingleTurn
from ponder.protocols import Environment, Judge, Propose, Strategy, Together
from ponder.protocols import Grade as Grade
from ponder.rollout import grading
from ponder.rollout.acting import Acting
from ponder.rollout.draws import Draw, Plain, Searched
from ponder.rollout.episodes import Episodes
from ponder.rollout.grading import Grading
from ponder.rollout.joint import joint_groups
from ponder.search.common import together
from ponder.thinking import reading_of
from ponder.types import Group, PonderError, Problem, Trajectory, Usage


@dataclass(frozen=True)
class Collected(Sequence[Group]):
    """The groups in the order of their problems, and what drawing them cost in token-equivalents.

    `usage.kept` are the tokens of all trajectories (plain sampling), or of those that the searches chose; the other
    trajectories of searches are in `discarded` although they are in the groups too. `degraded` says what did not go
    as asked while searching, a sentence a problem. `metrics` are what joint episodes measured, as means.
    """

    groups: tuple[Group, ...]
    usage: Usage
    degraded: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)

    @overload
    def __getitem__(self, index: int) -> Group: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Group, ...]: ...

    def __getitem__(self, index: int | slice) -> Group | tuple[Group, ...]:
        return self.groups[index]

    def __len__(self) -> int:
        return len(self.groups)


Judged = Callable[[Problem, Sequence[Trajectory]], Awaitable[tuple[Group, int]]]


@dataclass(frozen=True, slots=True)
class _Answered:
    group: Group | None
    usage: Usage
    degraded: str | None


async def collect(
    problems: Sequence[Problem],
    propose: Propose,
    grade: Grade,
    *,
    group_size: int | Sequence[int] | None,
    max_tokens: int,
    seed: int,
    strategy: Strategy | None = None,
    judge: Judge | None = None,
    budget: float | None = None,
    environment: Environment | None = None,
    grading_seconds: float = grading.SECONDS,
    judged_group: Callable[[Group, Usage], None] | None = None,
) -> Collected:
    """One group of `group_size` whole trajectories a problem, in the order of `problems`; sizes may differ.

    A group of size 0 is no group and left out, and so is a problem for which nothing could be drawn. All problems are
    begun at once, so the engine sees one large batch. `max_tokens` bounds a trajectory, all its turns together.

    With a `strategy` a group holds what its search finished within `budget` token-equivalents: all of it if
    `group_size` is None, else at most so many. In an environment of several turns these are whole episodes, and the
    search branches at any step of any turn (`acting`). `environment` None is one turn and ground truth.
    `grading_seconds` is the most that one call of `grade` may take. `judged_group` hears of each group and what it cost
    as soon as it is judged (not of joint episodes).
    """
    acts_in = environment or SingleTurn()
    sizes = list(group_size) if isinstance(group_size, Sequence) else [group_size] * len(problems)
    _check(strategy, judge, budget, acts_in)
    if isinstance(acts_in, Together):
        found = await joint_groups(acts_in, problems, sizes, propose, max_tokens=max_tokens, seed=seed)
        return Collected(found[0], found[1], metrics=found[2])
    async with Grading(grade, seconds=grading_seconds, read=reading_of(propose)) as grader:
        episodes = Episodes(acts_in, propose, grader, max_tokens, seed)
        draw: Draw = Plain(propose, episodes.first, seed)
        judged: Judged = partial(_played, episodes)
        if strategy is not None and budget is not None and acts_in.most_turns > 1:
            acting = Acting(episodes, {problem.id: problem for problem in problems})
            draw, judged = Searched(acting, strategy, judge, budget, max_tokens, seed), partial(_searched, acting)
        elif strategy is not None and budget is not None:
            draw = Searched(propose, strategy, judge, budget, episodes.first, seed)
        jobs = zip(problems, sizes, strict=True)
        heard = judged_group or (lambda *_: None)
        answered = await together([_answer(problem, size, draw, judged, heard) for problem, size in jobs])
    return Collected(
        tuple(a.group for a in answered if a.group is not None),
        sum((a.usage for a in answered), Usage()),
        tuple(f"{p.id}: {a.degraded}" for p, a in zip(problems, answered, strict=True) if a.degraded),
    )


def _check(strategy: Strategy | None, judge: Judge | None, budget: float | None, environment: Environment) -> None:
    """Refuse what does not go together."""
    if strategy is None:
        if judge is not None or budget is not None:
            raise PonderError("a verifier and a budget are for searches: name a strategy, or give neither of them")
        return
    name = type(strategy).__name__
    if budget is None:
        raise PonderError(f"{name} needs a budget: give the token-equivalents that a search may spend on a problem")
    if isinstance(environment, Together):
        raise PonderError(
            f"{name} searches one answer, and in the environment {type(environment).__name__} several come about "
            "together; use plain sampling there"
        )


async def _answer(
    problem: Problem, size: int | None, draw: Draw, judged: Judged, heard: Callable[[Group, Usage], None]
) -> _Answered:
    drawn = await draw(problem, size)
    if not drawn.trajectories:
        return _Answered(None, drawn.usage, drawn.degraded)
    group, turns = await judged(problem, drawn.trajectories)
    further = sum(map(len, group.trajectories)) - sum(map(len, drawn.trajectories))
    usage = replace(drawn.usage, kept=drawn.usage.kept + further, calls=drawn.usage.calls + turns)
    heard(group, usage)
    return _Answered(group, usage, drawn.degraded)


async def _played(episodes: Episodes, problem: Problem, first: Sequence[Trajectory]) -> tuple[Group, int]:
    """The episodes that begin with these turns, judged, and how many turns were drawn after them."""
    played = await together([episodes.play(problem, turn, member) for member, turn in enumerate(first)])
    group = Group(problem, tuple(t for t, _, _ in played), tuple(v for _, v, _ in played))
    return group, sum(turns for _, _, turns in played)


async def _searched(acting: Acting, problem: Problem, whole: Sequence[Trajectory]) -> tuple[Group, int]:
    """Episodes that a search has played to their end, judged; nothing more is drawn."""
    return Group(problem, tuple(whole), tuple(await acting.verdicts(whole))), 0
