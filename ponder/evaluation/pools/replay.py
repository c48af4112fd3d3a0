"""`Propose` and `Judge` on a pool: what a strategy is handed instead of a policy and a verifier."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ponder.evaluation.pools.pool import Pool, PoolEntry
from ponder.protocols import Price, Until
from ponder.seeds import derive_seed
from ponder.types import PonderError, Question, Step, StopReason, Trajectory, Verdict


class PoolPropose:
    """Replays the samples of one problem in the random order of `seed`; one instance serves one run.

    The seed of a call is ignored: a pool has no randomness but its order. `dry` tells whether more samples were asked
    than there were left; the strategy then spends less than it was given.
    """

    def __init__(self, entry: PoolEntry, pool: Pool, seed: int) -> None:
        self.entry = entry
        self.dry = False
        self._drawn_with = pool.max_tokens
        self._queue = list(entry.draws)
        random.Random(derive_seed("pool order", seed, entry.problem.id)).shuffle(self._queue)
        self._queue.reverse()  # taken from the end

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        del seed  # see above
        if n < 1 or max_tokens < 1:
            return []
        if until == "answer" and n == 1:
            return await self.entry.answered(question, prefix, max_tokens)
        if until != "end" or prefix is not None:
            raise PonderError(f"{question.id}: a pool holds whole samples and cannot branch; run this strategy live")
        self.dry |= n > len(self._queue)
        return [self._serve(self._queue.pop().trajectory, max_tokens) for _ in range(min(n, len(self._queue)))]

    def answer(self, trajectory: Trajectory) -> str | None:
        known = self.entry.known(trajectory)
        return None if known is None else known.answer

    def outcome(self, trajectory: Trajectory | None) -> float | None:
        """Ground truth of what a strategy returned; none at all, or a cut one, is wrong. None: grading failed."""
        known = None if trajectory is None else self.entry.known(trajectory)
        return 0.0 if known is None else known.outcome

    def _serve(self, trajectory: Trajectory, max_tokens: int) -> Step:
        if len(trajectory) > max_tokens:
            return self.entry.cut(trajectory.leaf, max_tokens)
        if max_tokens > self._drawn_with and trajectory.stop is StopReason.LENGTH:
            raise PonderError(
                f"{trajectory.question.id}: {max_tokens} tokens asked of a pool drawn with {self._drawn_with}, and a "
                f"sample was cut there; let the strategy think for at most {self._drawn_with} tokens"
            )
        return trajectory.leaf


class PoolJudge:
    """Serves the verdicts of one problem's samples at the price of the judge that gave them."""

    def __init__(self, entry: PoolEntry) -> None:
        if entry.live.judge is None:
            raise PonderError(f"{entry.problem.id}: this pool was drawn without a verifier")
        self.entry = entry
        self._judge = entry.live.judge

    def price(self, question: Question) -> Price:
        return self._judge.price(question)

    def extra(self, trajectory: Trajectory) -> float:
        return self._judge.extra(trajectory)

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        return await self.entry.verdicts(question, trajectories)
