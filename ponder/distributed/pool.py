"""Many engines that look like one: what the run asks goes to the engine that fits, and is asked again if it is lost.

Every question has an id and a seed, and an engine's answer depends on nothing else but the weights. So an answer that
comes from another engine, or from a second try, is the same answer, and which of two arrives does not matter; the
second is counted and dropped. A lost engine is replaced by one with the weights that are live, and its questions go to
the others at once. Nothing is heard of an engine after it was given up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from ponder.distributed.background import Background
from ponder.distributed.counting import Counted
from ponder.distributed.members import Heard, Launch, Lost, Member, Share, silent
from ponder.distributed.messages import Ask, Done, Report, Told, packed
from ponder.distributed.routing import Router
from ponder.engines.weights import check_version, tensors_of
from ponder.protocols import Completion, Drawn, Request, Way, WeightSource, Work
from ponder.selfplay.cluster import Cluster
from ponder.types import EngineError, PonderError

_BEAT = 1.0  # seconds that an idle engine waits before it says that it is idle
_BURST = 0.002  # seconds in which questions gather before they travel


@dataclass(eq=False)
class _Asked:
    """A question under way."""

    ask: Ask
    future: Future[Any]
    drawn: Drawn | None
    since: float
    tries: int = 0
    place: int | None = None
    cancelled: bool = False


@dataclass(eq=False)
class _Slot:
    """The place of one engine."""

    place: int
    member: Member | None = None
    state: str = "starting"
    began: int = 0  # members that were started for this place
    failures: int = 0  # in a row
    told: Told = field(default_factory=Told)
    heard: float = 0.0  # when, on the monotonic clock
    asked: dict[int, _Asked] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.member.name if self.member is not None else f"engine {self.place}"


class EnginePool:
    """`WeightedEngine` over members that `launch` starts. `share` puts weights where they can fetch them.

    `heard(kind, facts)` is told of engines that were lost, replaced or given up. Call `start` before asking, `close`
    at the end. May be asked from any thread and any event loop.
    """

    def __init__(
        self,
        launch: Launch,
        share: Share,
        settings: Cluster,
        state: Mapping[str, Any],
        *,
        version: int = 0,
        heard: Heard = silent,
    ) -> None:
        self._launch, self._share, self._settings, self._heard = launch, share, settings, heard
        self._version, self._shared = version, share(packed(state))
        self._slots = [_Slot(place) for place in range(settings.engines)]
        self._waiting: list[_Asked] = []
        self._ids = count()
        self._router = Router()
        self._flushing = False
        self._ended: PonderError | None = None
        self.counted = Counted(settings.engines)
        self.background = Background("ponder engines")
        self._tasks: list[asyncio.Task[None]] = []

    # What a run sees.

    def start(self) -> None:
        """Start all engines and wait for them; PonderError that names those which did not come up."""
        limit = self._settings.start_seconds
        self.background.run(self._start(limit), limit + 30.0, "starting the engines")

    def close(self) -> None:
        """End all engines; what is still asked fails."""
        if self.background.loop.is_closed():
            return
        self.background.run(self._end(PonderError("the engines were closed")), 30.0, "closing the engines")
        self.background.close()

    @property
    def version(self) -> int:
        return self._version

    @property
    def context(self) -> int:
        return min((slot.told.context for slot in self._slots if slot.told.context), default=0)

    @property
    def takes(self) -> tuple[Way, ...]:
        return ("tensors",)

    async def generate(self, request: Request) -> Completion:
        asked = Ask(next(self._ids), "generate", replace(request, drawn=None))
        completion: Completion = await self._answer(asked, request.drawn)
        return completion

    async def score(self, prompt: Sequence[int], continuation: Sequence[int]) -> tuple[float, ...]:
        asked = Ask(next(self._ids), "score", None, tuple(prompt), tuple(continuation))
        scores: tuple[float, ...] = await self._answer(asked, None)
        return scores

    async def update_weights(self, source: WeightSource, version: int) -> None:
        shared = self._checked(tensors_of(source), version)
        await self.background.here(self._publish(shared, version))

    def replace_weights(self, state: Mapping[str, Any], version: int) -> None:
        """`update_weights` from tensors, for plain code outside of any event loop."""
        shared = self._checked(state, version)
        limit = 2 * self._settings.start_seconds
        self.background.run(self._publish(shared, version), limit, "handing new weights to the engines")

    @property
    def tokens_generated(self) -> int:
        return self.counted.total(self._told).generated

    @property
    def tokens_prefilled(self) -> int:
        return self.counted.total(self._told).prefilled

    @property
    def tokens_reused(self) -> int:
        return self.counted.total(self._told).reused

    @property
    def work(self) -> Work:
        """What all engines did so far; `seconds` are those of all of them together."""
        return self.counted.work(self._told)

    @property
    def _told(self) -> list[Told]:
        return [slot.told for slot in self._slots]

    def status(self) -> list[dict[str, Any]]:
        """Each engine in plain types: where it is, what it does, and when it was last heard of."""
        now = time.monotonic()
        return [
            {
                "name": slot.name,
                "state": slot.state,
                "host": slot.told.host,
                "pid": slot.told.pid,
                "version": slot.told.version,
                "asked": len(slot.asked),
                "started": slot.began,
                "silent_seconds": now - slot.heard if slot.heard else None,
            }
            for slot in self._slots
        ]

    # Asking; the rest of this file runs on the loop of `background`.

    async def _answer(self, ask: Ask, drawn: Drawn | None) -> Any:
        asked = _Asked(ask, Future(), drawn, time.monotonic())
        self.background.soon(self._enter, asked)
        try:
            return await asyncio.wrap_future(asked.future)
        except asyncio.CancelledError:
            self.background.soon(self._cancel, asked)
            raise

    def _enter(self, asked: _Asked) -> None:
        if self._ended is not None:
            _fail(asked, self._ended)
            return
        self._waiting.append(asked)
        self._flush_soon(_BURST)

    def _flush_soon(self, seconds: float = 0.0) -> None:
        if not self._flushing:
            self._flushing = True
            self.background.loop.call_later(seconds, self._flush)

    def _flush(self) -> None:
        """Give what waits to the engines that are ready."""
        self._flushing = False
        load = {slot.place: len(slot.asked) for slot in self._slots if slot.state == "ready"}
        if not load:
            return
        waiting, self._waiting = self._waiting, []
        batches: dict[int, list[_Asked]] = {}
        for asked in waiting:
            if asked.cancelled or asked.future.cancelled():
                continue
            place = self._router.choose(asked.ask.text, load)
            load[place] += 1
            asked.place = place
            self._slots[place].asked[asked.ask.id] = asked
            batches.setdefault(place, []).append(asked)
        for place, batch in batches.items():
            self._spawn(self._send(self._slots[place], batch))

    async def _send(self, slot: _Slot, batch: list[_Asked]) -> None:
        member = slot.member
        if member is None:
            return
        try:
            await member.call("submit", [asked.ask for asked in batch], seconds=self._settings.stall_seconds)
        except Lost as error:
            self._lose(slot, member, error)
        except Exception as error:  # refused, or nothing that can travel
            for asked in batch:
                slot.asked.pop(asked.ask.id, None)
                _fail(asked, error)

    def _cancel(self, asked: _Asked) -> None:
        asked.cancelled = True
        slot = self._slots[asked.place] if asked.place is not None else None
        if slot is not None and slot.member is not None and asked.ask.id in slot.asked:
            self._spawn(self._tell_cancelled(slot, slot.member, asked.ask.id))

    async def _tell_cancelled(self, slot: _Slot, member: Member, name: int) -> None:
        try:
            await member.call("cancel", [name], seconds=self._settings.stall_seconds)
        except Lost as error:
            self._lose(slot, member, error)

    # The life of an engine.

    async def _start(self, limit: float) -> None:
        for slot in self._slots:
            self._spawn(self._live(slot))
        self._spawn(self._watch())
        ends = time.monotonic() + limit
        while not all(slot.state == "ready" for slot in self._slots):
            if self._ended is not None:
                raise self._ended
            if time.monotonic() > ends:
                late = ", ".join(f"{slot.name} ({slot.state})" for slot in self._slots if slot.state != "ready")
                raise PonderError(
                    f"not started within {limit:g} s: {late}; give the cluster the processors and GPUs that "
                    "cluster.engines times cluster.engine_cpus and engine_gpus need, or raise cluster.start_seconds"
                )
            await asyncio.sleep(0.02)

    async def _live(self, slot: _Slot) -> None:
        """Start an engine, listen to it, and start another when it is lost."""
        why: Exception = Lost("never started")
        while self._ended is None:
            if slot.failures > self._settings.restarts:
                self._abandon(slot, why)
                return
            await asyncio.sleep(min(5.0, 0.05 * 2**slot.failures) if slot.failures else 0.0)
            member: Member | None = None
            try:
                slot.state = "starting"
                member = await self._launch(slot.place, slot.began)
                slot.member, slot.began = member, slot.began + 1
                await self._bring_up(slot, member)
                await self._listen(slot, member)
            except Lost as error:
                why = error
                if member is None:
                    slot.failures += 1
                else:
                    self._lose(slot, member, error)
            except PonderError as error:  # it is of no use to try again: the weights or the settings do not fit
                await self._end(error)
            except Exception as error:  # a fault of ours; nobody must wait for it
                await self._end(PonderError(f"{slot.name}: {type(error).__name__}: {error}"))

    async def _bring_up(self, slot: _Slot, member: Member) -> None:
        """Weights in, again if newer ones came meanwhile."""
        while True:
            version, shared = self._version, self._shared
            slot.told = await member.call("load", version, shared, seconds=self._settings.start_seconds)
            slot.heard = time.monotonic()
            if version == self._version and slot.member is member:
                break
        slot.state = "ready"
        if slot.began > 1:
            self._heard("engine_replaced", {"engine": slot.name, "version": self._version})
        self._flush_soon()

    async def _listen(self, slot: _Slot, member: Member) -> None:
        while slot.member is member:
            limit = _BEAT + self._settings.stall_seconds
            report: Report = await member.call("results", _BEAT, seconds=limit)
            if slot.member is not member:  # it was given up while it spoke
                return
            slot.told, slot.heard = report.told, time.monotonic()
            if report.done:
                slot.failures = 0
            for done in report.done:
                self._take(slot, done)

    def _take(self, slot: _Slot, done: Done) -> None:
        asked = slot.asked.pop(done.id, None)
        if asked is None:
            self.counted.duplicates += 1
            return
        if asked.drawn is not None:
            asked.drawn.add(*done.cost)
        if done.error is not None:
            _fail(asked, done.error)
        elif done.value is not None:
            with suppress(InvalidStateError):  # whoever asked was cancelled
                asked.future.set_result(done.value)

    def _lose(self, slot: _Slot, member: Member | None, why: Exception) -> None:
        """Give an engine up; what it was asked goes to others."""
        if slot.member is not member or self._ended is not None:
            return
        now = time.monotonic()
        left = [asked for asked in slot.asked.values() if not asked.cancelled]
        facts = {"engine": slot.name, "why": str(why), "asked": len(left), "host": slot.told.host}
        facts["silent_seconds"] = round(now - slot.heard, 3) if slot.heard else None
        self.counted.lost(slot.told)
        slot.member, slot.state, slot.told, slot.asked = None, "lost", Told(), {}
        slot.failures += 1
        if member is not None:
            member.kill()
        self._router.forget(slot.place)
        self._heard("engine_lost", facts)
        for asked in left:
            asked.tries, asked.place = asked.tries + 1, None
            if asked.tries >= self._settings.tries:
                _fail(
                    asked,
                    EngineError(
                        f"a request was on {asked.tries} engines when they were lost (cluster.tries), last {why}"
                    ),
                )
            else:
                self.counted.retried += 1
                self._waiting.append(asked)
        self._flush_soon()

    def _abandon(self, slot: _Slot, why: Exception) -> None:
        slot.state = "abandoned"
        self._heard("engine_abandoned", {"engine": slot.name, "why": str(why), "started": slot.began})
        if all(other.state == "abandoned" for other in self._slots):
            self._ended = PonderError(
                f"no engine is left: each was lost {self._settings.restarts + 1} times in a row, last: {why}; mend the "
                "cluster and go on with --resume"
            )
            for asked in self._waiting:
                _fail(asked, self._ended)
            self._waiting = []

    async def _watch(self) -> None:
        """Nobody waits for ever for an answer."""
        limit = self._settings.request_seconds
        while self._ended is None:
            await asyncio.sleep(min(1.0, limit / 4))
            late = time.monotonic() - limit
            for asked in [a for slot in self._slots for a in slot.asked.values()] + self._waiting:
                if asked.since < late and not asked.future.done():
                    where = "no engine" if asked.place is None else self._slots[asked.place].name
                    _fail(asked, EngineError(f"no answer within {limit:g} s (cluster.request_seconds); on {where}"))
                    self._cancel(asked)

    # Weights.

    def _checked(self, state: Mapping[str, Any], version: int) -> Any:
        check_version(version, self._version)
        return self._share(packed(state))

    async def _publish(self, shared: Any, version: int) -> None:
        """Make `shared` live everywhere. An engine that is not ready takes it before it becomes so."""
        before = self._version, self._shared
        self._version, self._shared = version, shared
        loaded = [(slot, slot.member) for slot in self._slots if slot.state == "ready" and slot.member is not None]
        calls = [m.call("load", version, shared, seconds=self._settings.start_seconds) for _, m in loaded]
        refused: PonderError | None = None
        for (slot, member), told in zip(loaded, await asyncio.gather(*calls, return_exceptions=True), strict=True):
            if isinstance(told, Lost):
                self._lose(slot, member, told)
            elif isinstance(told, PonderError):
                refused = told
            elif isinstance(told, BaseException):
                raise told
            elif slot.member is member:
                slot.told, slot.heard = told, time.monotonic()
        if refused is not None:
            self._version, self._shared = before
            raise refused

    async def _end(self, error: PonderError) -> None:
        self._ended = error
        for slot in self._slots:
            slot.state = "closed"
            if slot.member is not None:
                slot.member.kill()
            for asked in slot.asked.values():
                _fail(asked, error)
        for asked in self._waiting:
            _fail(asked, error)

    def _spawn(self, coroutine: Any) -> None:
        task = self.background.loop.create_task(coroutine)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)


def _fail(asked: _Asked, error: Exception) -> None:
    with suppress(InvalidStateError):
        asked.future.set_exception(error)
