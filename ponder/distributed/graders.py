"""Graders in processes of a cluster: verdicts in order, from whichever grader had room.

A grader that is lost is replaced and its answers are graded again by the new one. What a grader decides depends on the
answer alone, so who grades changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Any

from ponder.distributed.background import Background
from ponder.distributed.members import Heard, Launch, Lost, Member, silent
from ponder.distributed.messages import Told
from ponder.protocols import Family
from ponder.rollout.grading import SECONDS
from ponder.selfplay.cluster import Cluster
from ponder.types import Problem, Verdict
from ponder.verifiers.truth import GroundTruth

_PART = 16  # answers that travel together
_MOST_TRIES = 5
_BEAT = 5.0  # seconds after which a grader at work is asked whether it is still there


class GraderWorker:
    """The far end: ground truth with its own killable worker process."""

    def __init__(self, families: Sequence[Family], allow_unsafe_code: bool) -> None:
        named = {family.name: family for family in families}
        self._truth = GroundTruth(named, workers=1, allow_unsafe_code=allow_unsafe_code)

    def grade(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        return self._truth.grade(problems, responses)

    def alive(self) -> Told:
        return Told(host=socket.gethostname(), pid=os.getpid())


class GraderPool:
    """Ground truth over several graders: plain code that may be called from any thread (`protocols.Grade`)."""

    def __init__(
        self,
        launch: Launch,
        settings: Cluster,
        *,
        heard: Heard = silent,
        seconds: float = SECONDS,
    ) -> None:
        self._launch, self._settings, self._heard, self._seconds = launch, settings, heard, seconds
        self._background = Background("ponder graders")
        self._began = [0] * settings.graders
        self._members: list[Member | None] = [None] * settings.graders
        self._free: asyncio.Queue[int] = asyncio.Queue()
        for place in range(settings.graders):
            self._free.put_nowait(place)

    def grade(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """One verdict for each response to the problem at the same place. Lost if no grader would stay alive."""
        limit = self._seconds + self._settings.start_seconds
        return self._background.run(self._all(problems, responses), limit, "grading on the cluster")

    def close(self) -> None:
        for member in self._members:
            if member is not None:
                member.kill()
        self._background.close()

    async def _all(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        starts = range(0, len(problems), _PART)
        parts = [self._part(problems[i : i + _PART], responses[i : i + _PART]) for i in starts]
        return [verdict for part in await asyncio.gather(*parts) for verdict in part]

    async def _part(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        for attempt in range(_MOST_TRIES):
            place = await self._free.get()
            try:
                return await self._asked(place, "grade", list(problems), list(responses))
            except Lost as error:
                self._lose(place, error, len(problems))
                if attempt + 1 == _MOST_TRIES:
                    raise
            finally:
                self._free.put_nowait(place)
        raise AssertionError("unreachable")

    async def _asked(self, place: int, method: str, *arguments: Any) -> list[Verdict]:
        member = self._members[place]
        if member is None:
            member = self._members[place] = await self._launch(place, self._began[place])
            self._began[place] += 1
            await member.call("alive", seconds=self._settings.start_seconds)
        asked = asyncio.ensure_future(member.call(method, *arguments, seconds=self._seconds))
        try:
            while not (await asyncio.wait([asked], timeout=_BEAT))[0]:
                # It may take long, but it must be alive: a grader that was stopped is given up.
                await member.call("alive", seconds=self._settings.stall_seconds)
        finally:
            asked.cancel()
        found: list[Verdict] = asked.result()
        return found

    def _lose(self, place: int, why: Lost, answers: int) -> None:
        member, self._members[place] = self._members[place], None
        if member is not None:
            member.kill()
        name = member.name if member is not None else f"grader {place}"
        self._heard("grader_lost", {"grader": name, "why": str(why), "answers": answers})
