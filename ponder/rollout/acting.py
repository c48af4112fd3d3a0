"""The policy in an environment as a search sees it: a turn that the environment answers is a step like any other.

A strategy continues prefixes and knows nothing of environments. Here the end of a turn is the end of the trajectory
only if the environment says so: else its reply is read, as a forced step, and the trajectory may go on. So strategies
branch behind any step of any turn, and draw whole episodes where they draw whole answers.

A branch needs the state in which the environment was there. No environment is asked for a copy of its state: an episode
is opened anew, with one seed for all branches of a problem, and the turns of the branch are played again. One that
replies to the same turns in another way is noticed, and the branch fails ("environment"). Each turn costs as many calls
of the environment as there were turns before it, and nothing of the budget: nothing is drawn again.

What is read counts as new tokens of the continuation that was asked for, so every budget pays for it; a reply that is
longer than a step of the search is read in several. A reply after which nothing could follow is not read, and the turn
is the last one, as in plain episodes (`episodes`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ponder.protocols import Conversing, Environment, Episode, Propose, Steered, Until
from ponder.rollout.episodes import Asking, EnvironmentFailed, Episodes
from ponder.search.common import new_tokens, together
from ponder.seeds import derive_seed
from ponder.thinking import reading_of
from ponder.types import PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict


@dataclass(frozen=True)
class Acting:
    """`Propose` whose trajectories are episodes of `problems` (by id); the keys stay with the environment."""

    episodes: Episodes
    problems: Mapping[str, Problem]
    _read: dict[Step, Step | None] = field(default_factory=dict, repr=False)  # by the end of a turn
    _unread: dict[Step, tuple[Step, int]] = field(default_factory=dict, repr=False)  # a reply, and what is read
    _failed: dict[Step, str] = field(default_factory=dict, repr=False)

    @property
    def environment(self) -> Environment:
        return self.episodes.environment

    @property
    def base(self) -> Propose:
        """The policy outside of any environment."""
        return self.episodes.propose

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        if n < 1 or max_tokens < 1:
            return []
        if until in ("answer", "think"):  # an answer that was forced ends the episode: there was no room for more
            if until == "answer" and prefix is not None and prefix in self._unread and not prefix.part:
                return [Step((), (), "", prefix.version, StopReason.END, prefix, forced=True)] * n  # answered already
            return await self.base(question, prefix, n, until=until, max_tokens=max_tokens, seed=seed)
        start, left = prefix, max_tokens
        if prefix is not None and prefix in self._unread:
            start = self._part(prefix, *self._unread[prefix], left)
            left -= len(start.tokens)
            if until == "step" or start in self._unread or left < 1:
                return [start]
        most = min(left, self._left_of_turn(start, left))
        leaves = await self.base(question, start, n, until=until, max_tokens=most, seed=seed) if most > 0 else []
        return await together(
            [
                self._on(question, prefix, leaf, until, max_tokens, derive_seed("acting", seed, place))
                for place, leaf in enumerate(leaves)
            ]
        )

    def answer(self, trajectory: Trajectory) -> str | None:
        return self.base.answer(trajectory)

    def graded(self, trajectory: Trajectory) -> str:
        """The last turn as graders read it."""
        return reading_of(self.base)(trajectory)

    def greedy(self) -> Acting:
        return replace(self, episodes=replace(self.episodes, propose=self._steered().greedy()))

    def say(self, prefix: Step | None, text: str) -> Step:
        return self._steered().say(prefix, text)

    def room(self, question: Question, prefix: Step | None) -> int:
        return self._steered().room(question, prefix)

    def revising(self, attempt: Trajectory, critique: str = "") -> tuple[Steered, int]:
        raise PonderError(
            "this strategy shows the policy its own attempts, and here an environment answers them; use another one, "
            "for example vote, best_of_n, beam or mcts"
        )

    async def verdict(self, trajectory: Trajectory) -> Verdict:
        """What the environment says of a whole episode; where it broke on the way, the failure "environment"."""
        problem = self._problem(trajectory.question)
        try:
            if trajectory.leaf in self._failed:
                raise EnvironmentFailed(self._failed[trajectory.leaf])
            async with self.episodes.opened(problem, self._seed(problem)) as (episode, asked):
                await self._replayed(problem, trajectory, episode, asked)
                return await asked.verdict(episode, trajectory)
        except EnvironmentFailed as error:
            return Verdict(failure="environment", detail=str(error))

    async def verdicts(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """The same of several at once."""
        return await together([self.verdict(trajectory) for trajectory in trajectories])

    def close(self) -> None:
        """Give the grader's thread back, where nobody entered `episodes.grading` as a context."""
        self.episodes.grading.close()

    async def _on(
        self, question: Question, prefix: Step | None, leaf: Step, until: Until, max_tokens: int, seed: int
    ) -> Step:
        """`leaf` with what the environment says behind it; with `until` "end" also the turns after that.

        A reply that is longer than the step that was asked for is read in parts. Where no more is asked for than a
        turn and its reply do not fit in, the turn is the last one.
        """
        while leaf.stop is StopReason.END and (read := await self._reply(Trajectory(question, leaf))) is not None:
            left = max_tokens - new_tokens(leaf, prefix)
            if until == "step":
                return read if len(read.tokens) <= left else self._part(leaf, read, 0, left)
            left -= len(read.tokens)
            if left < 1:
                return leaf
            most = min(left, self.environment.most_turn_tokens or left)
            turn = derive_seed("turn", seed, Trajectory(question, leaf).turns)
            leaves = await self.base(question, read, 1, until="end", max_tokens=most, seed=turn)
            if not leaves:
                return leaf
            leaf = leaves[0]
        return leaf

    def _part(self, before: Step, whole: Step, done: int, most: int) -> Step:
        """The next at most `most` tokens of the reply `whole`, of which `done` were read in steps up to `before`.

        With no room at all it is `before`, only that the trajectory may go on. The last part has the text.
        """
        if most < 1:
            part = replace(before, stop=StopReason.STEP)
        else:
            tokens, number = whole.tokens[done : done + most], before.part + 1
            text = whole.text if done + most >= len(whole.tokens) else ""
            logprobs = (0.0,) * len(tokens)
            part = Step(tokens, logprobs, text, whole.version, StopReason.STEP, before, forced=True, part=number)
        if done + most < len(whole.tokens):
            self._unread[part] = whole, done + max(0, most)
        return part

    async def _reply(self, trajectory: Trajectory) -> Step | None:
        """What is read after a turn that the policy ended; None: the episode is over, or nothing could follow it."""
        leaf, policy = trajectory.leaf, self.base
        if leaf not in self._read:
            said = await self._said(trajectory)
            read = None
            if said is not None:
                assert isinstance(policy, Conversing)  # Episodes refused anything else
                read = policy.observe(trajectory.question, leaf, said)
                left = self.episodes.max_tokens - len(trajectory) - len(read.tokens)
                if min(left, policy.room(trajectory.question, read)) < 1:
                    read = None
            self._read[leaf] = read
        return self._read[leaf]

    async def _said(self, trajectory: Trajectory) -> str | None:
        if trajectory.turns >= self.environment.most_turns:
            return None
        problem = self._problem(trajectory.question)
        try:
            async with self.episodes.opened(problem, self._seed(problem)) as (episode, asked):
                await self._replayed(problem, trajectory, episode, asked)
                return await asked.reply(episode, trajectory)
        except EnvironmentFailed as error:
            self._failed[trajectory.leaf] = str(error)
            return None

    async def _replayed(self, problem: Problem, trajectory: Trajectory, episode: Episode, asked: Asking) -> None:
        """Play the earlier turns again. Raises EnvironmentFailed if the environment now says something else."""
        policy, steps = self.base, trajectory.steps
        for place, step in enumerate(steps):
            if not step.opens_turn or step.parent is None:
                continue
            awaited = step.parent.stop is not StopReason.END  # its reply did not fit into the same step
            ended = replace(step.parent, stop=StopReason.END) if awaited else step.parent
            said = await asked.reply(episode, Trajectory(problem.question, ended))
            assert isinstance(policy, Conversing)
            told = () if said is None else policy.observe(problem.question, ended, said).tokens
            parts = itertools.takewhile(lambda other: other.is_observation, steps[place:])
            read = tuple(token for part in parts for token in part.tokens)
            if told[: len(read)] != read:  # what a small budget cut is the beginning of it
                raise EnvironmentFailed(
                    "played again with the same turns it replied something else; a search needs an environment that "
                    "does the same after the same turns"
                )

    def _left_of_turn(self, prefix: Step | None, otherwise: int) -> int:
        """The most tokens that the turn of `prefix` may still have; `otherwise` where turns have no limit."""
        most = self.environment.most_turn_tokens
        said, node = 0, prefix
        while node is not None and not node.is_observation:
            said, node = said + len(node.tokens), node.parent
        return most - said if most else otherwise

    def _steered(self) -> Steered:
        if not isinstance(self.base, Steered):
            raise PonderError("this source of samples cannot be asked in other ways than to continue; use another one")
        return self.base

    def _problem(self, question: Question) -> Problem:
        return self.problems[question.id]

    def _seed(self, problem: Problem) -> int:
        return derive_seed("episode", self.episodes.seed, problem.id, "search")
