"""The session of one search: it proposes, judges and pays, and knows at any moment what is finished.

Every call is paid for when it is made, from the tokens that came back. Calls of one round are awaited together, so the
engine sees them in one batch. Seeds are hashed from (seed, name, counter): the first draw from the root is the same in
all strategies, which therefore agree when they may draw only once.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ponder.protocols import Account, Judge, Propose, Steered, Telling, Until
from ponder.search.common import new_tokens, together
from ponder.search.limits import Limits
from ponder.search.progress import Progress
from ponder.search.session.choose import Candidate, Rule
from ponder.search.session.length_statistics import LengthStatistics
from ponder.search.session.verifier_cost import VerifierCost
from ponder.seeds import derive_seed
from ponder.types import PonderError, Question, SearchResult, Step, StopReason, Trajectory, Verdict

_CUT = (StopReason.STEP, StopReason.LENGTH, StopReason.CONTEXT)
_log = logging.getLogger(__name__)


@dataclass
class SearchSession:
    """One search at work. `judge` becomes None when it raises: what it said is kept, and nothing more is paid to it."""

    name: str
    limits: Limits
    question: Question
    propose: Propose
    judge: Judge | None
    budget: Account
    seed: int
    progress: Progress | None = None
    pace: LengthStatistics = field(default_factory=LengthStatistics)
    _judged: bool = field(init=False)
    _reading: VerifierCost | None = field(init=False)
    _notes: list[str] = field(default_factory=list)
    _finished: dict[Step, Trajectory] = field(default_factory=dict)
    _arrived: dict[Step, Trajectory] = field(default_factory=dict)
    _scores: dict[Step, float | None] = field(default_factory=dict)
    _counters: dict[str, int] = field(default_factory=dict)
    _in_flight: float = 0.0
    _unscored: int = 0

    def __post_init__(self) -> None:
        self._judged = self.judge is not None
        self._reading = None if self.judge is None else VerifierCost(self.judge, self.question)

    @property
    def remaining(self) -> float:
        return self.budget.remaining

    @property
    def finished(self) -> list[Candidate]:
        """What has ended so far, with the scores known so far, in the order in which it came."""
        known = self._finished | {leaf: t for leaf, t in self._arrived.items() if leaf.stop is StopReason.END}
        trajectories, scores = list(known.values()), [self._scores.get(leaf) for leaf in known]
        return self.candidates(trajectories, scores)

    async def grow(
        self,
        prefix: Trajectory | None,
        n: int,
        *,
        until: Until,
        max_tokens: int,
        name: str,
        via: Propose | None = None,
        reading: int = 0,
    ) -> list[Trajectory]:
        """`n` continuations of `prefix`, paid for. Fewer mean that the source has no more.

        `via` asks another view of the policy (greedy, revising) instead of the policy itself. `reading` are tokens that
        the policy is given and has not seen before, words it was made to say or a request: they are paid with the draw.
        """
        leaf = None if prefix is None else prefix.leaf
        seed, propose = self.next_seed(name), via or self.propose
        first = self.progress.reserve(leaf, n) if self.progress else 0
        self._in_flight += n * max_tokens + reading
        told: set[Step] = set()
        unread = reading

        def arrived(place: int, end: Step) -> None:
            """One of them has ended: it is paid and known at once, since whatever stops the search loses the call.

            What was read before it is paid with the first, for it stands in its chain.
            """
            nonlocal unread
            told.add(end)
            self._arrived[end] = Trajectory(self.question, end)
            self._in_flight -= max_tokens + unread
            self.budget.charge_generated(new_tokens(end, leaf) + unread, calls=0)
            unread = 0
            if self.progress:
                self.progress.grew(leaf, [end], first + place)

        if isinstance(propose, Telling):
            propose = propose.telling(arrived)
        leaves = await propose(self.question, leaf, n, until=until, max_tokens=max_tokens, seed=seed)
        # Not if it raised: nobody knows then what the others drew.
        self._in_flight -= (n - len(told)) * max_tokens + unread
        new = [new_tokens(end, leaf) for end in leaves]
        unpaid = sum(tokens for end, tokens in zip(leaves, new, strict=True) if end not in told)
        self.budget.charge_generated(unpaid + unread)
        if self.progress and not told:
            self.progress.grew(leaf, leaves, first)
        grown = [Trajectory(self.question, end) for end in leaves]
        for trajectory, tokens in zip(grown, new, strict=True):
            self._arrived.pop(trajectory.leaf, None)
            self._saw(trajectory, tokens)
        return grown

    def say(self, prefix: Trajectory | None, text: str) -> Trajectory:
        """`prefix` with `text` forced behind it. Its tokens are paid for by the `reading` of the next draw."""
        leaf = None if prefix is None else prefix.leaf
        first = self.progress.reserve(leaf, 1) if self.progress else 0
        step = self.steered("makes the policy say words").say(leaf, text)
        if self.progress:
            self.progress.grew(leaf, [step], first)
        return Trajectory(self.question, step)

    async def close(
        self, trajectories: Sequence[Trajectory], via: Sequence[Propose | None] | None = None
    ) -> list[Trajectory]:
        """The same trajectories, those that were cut with a forced answer of at most `answer_reserve` tokens."""
        closed = list(trajectories)
        cut = [i for i, t in enumerate(trajectories) if t.stop in _CUT]
        views = via or [None] * len(trajectories)
        reserve = self.limits.answer_reserve
        answers = await together(
            [self.grow(closed[i], 1, until="answer", max_tokens=reserve, name="answer", via=views[i]) for i in cut]
        )
        for i, answered in zip(cut, answers, strict=True):
            closed[i] = answered[0] if answered else closed[i]
        return closed

    async def verdicts(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """The judge's verdicts, paid for. A failed one has no score; it is paid, since the judge may have computed."""
        failed = [Verdict(failure="infrastructure")] * len(trajectories)
        if self.judge is None or (read := self._at_work) is None or not trajectories:
            return failed
        self.budget.charge_verifier(read.take(trajectories))
        try:
            verdicts = await self.judge(self.question, trajectories)
            if len(verdicts) != len(trajectories):
                raise ValueError(f"{len(verdicts)} verdicts for {len(trajectories)} trajectories")
        except Exception as error:  # a broken judge must not lose the samples: they are voted on instead
            _log.warning("%s: the judge failed, voting goes on without it: %s", self.question.id, error)
            self.note(f"the verifier failed ({_first_line(error)}); the answer was chosen without it from then on")
            self.judge = None
            return failed
        verdicts = [_sound(v) for v in verdicts]
        for trajectory, verdict in zip(trajectories, verdicts, strict=True):
            self._heard(trajectory.leaf, verdict.score)
        return verdicts

    async def scores(self, trajectories: Sequence[Trajectory]) -> list[float | None]:
        """The scores of `verdicts`, None where it failed."""
        return [v.score for v in await self.verdicts(trajectories)]

    async def judged(self, trajectories: Sequence[Trajectory]) -> list[Candidate]:
        """Candidates with scores. A single one is left unscored, since there is nothing to choose."""
        scores = await self.scores(trajectories) if len(trajectories) > 1 else [None] * len(trajectories)
        return self.candidates(trajectories, scores)

    def candidates(
        self, trajectories: Sequence[Trajectory], scores: Sequence[float | None] | None = None
    ) -> list[Candidate]:
        """Candidates with their canonical answers."""
        known = scores or [None] * len(trajectories)
        return [Candidate(t, self.propose.answer(t), s) for t, s in zip(trajectories, known, strict=True)]

    def cost(self, tokens: int, new: int | None = None) -> float:
        """The most that judging a trajectory of at most `tokens` tokens costs; 0 without a judge.

        At most `new` (None: all) of them are not read yet. What `owed` sets aside for the question comes on top.
        """
        return 0.0 if (read := self._at_work) is None else read.most(tokens, tokens if new is None else new)

    def unread(self, branch: Trajectory | None) -> int:
        """Tokens of a branch (None: the root) that the judge has not read yet; 0 without a judge."""
        return 0 if (read := self._at_work) is None or branch is None else read.unread(branch)

    def owed(self, trajectories: Sequence[Trajectory]) -> float:
        """What to set aside for judging: what exactly these will cost; until it is read, the question in any case."""
        if (read := self._at_work) is None:
            return 0.0
        return read.cost(trajectories) if trajectories else read.opening

    def drop(self, leaves: Sequence[Trajectory]) -> None:
        """Tell whoever watches that these will not be continued."""
        if self.progress:
            self.progress.dropped(leaves)

    def note(self, sentence: str) -> None:
        """Something that did not go as asked, for `SearchResult.degraded`."""
        self._notes.append(sentence)

    def steered(self, needs: str) -> Steered:
        """The policy, if it can be asked in other ways than to continue. `needs` says what the strategy does."""
        if not isinstance(self.propose, Steered):
            raise PonderError(
                f"{self.name} {needs}, and this source of samples cannot do that (a pool cannot); run it live"
            )
        return self.propose

    def result(self, candidates: Sequence[Candidate], rule: Rule) -> SearchResult:
        """The choice by `rule`. `scores` is empty for a strategy without a judge; None in it says: not scored."""
        chosen = rule(candidates) if candidates else None
        usage = self.budget.usage(len(chosen.trajectory) if chosen else 0)
        return SearchResult(
            self.question,
            chosen.answer if chosen else None,
            chosen.trajectory if chosen else None,
            replace(usage, unsettled=self._in_flight),
            tuple(c.trajectory for c in candidates),
            tuple(c.score for c in candidates) if self._judged else (),
            self._degraded(),
        )

    def next_seed(self, name: str) -> int:
        """The seed of the next draw of this name."""
        count = self._counters.get(name, 0)
        self._counters[name] = count + 1
        return derive_seed("search", name, self.seed, count)

    @property
    def _at_work(self) -> VerifierCost | None:
        """The judge's reading, while there is a judge."""
        return None if self.judge is None else self._reading

    def _degraded(self) -> str | None:
        notes = list(self._notes)
        if self._unscored:
            notes.append(f"the verifier gave no score {self._unscored} times; such answers count as the mean")
        return "; ".join(notes) or None

    def _saw(self, trajectory: Trajectory, new: int) -> None:
        self.pace.saw(trajectory, new)
        if trajectory.stop is StopReason.END:
            self._finished[trajectory.leaf] = trajectory

    def _heard(self, leaf: Step, score: float | None) -> None:
        self._unscored += score is None
        self._scores[leaf] = score
        if self.progress:
            self.progress.scored(leaf, score)


def _sound(verdict: Verdict) -> Verdict:
    """The verdict, with a score that is no number taken for none."""
    if verdict.score is None or math.isfinite(verdict.score):
        return verdict
    return replace(verdict, score=None)


def _first_line(error: Exception, most: int = 120) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:most]
