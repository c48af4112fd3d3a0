"""A discrete-event simulation of a run's pipeline: step times before anybody has paid for the machines.

Engines share their steps among the answers under way (each answer gets a token a step), so an engine is a queue with
processor sharing whose rate depends on how many it serves; an answer ends when its engine has given as many tokens to
each as it is long. The driver hands out requests one after the other, as `distributed/pool.py` does, graders take
answers in order, and the learner takes whole batches. With staleness k batch n may begin when update n - k - 1 is
done, and not before the batch before it is whole.

The heap holds one event for each engine (its next end), grader and hand-out, so 10,000 engines take seconds.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field
from itertools import count

from ponder.distributed.capacity.pipeline import Load, Service, Shape


@dataclass(frozen=True)
class Simulated:
    """Means over the updates after the first `staleness + 1`: `step` seconds an update, shares of it in work.

    `tokens` a second are generated ones. `busy` is the share of time that each part worked (network: weights that
    travel); `busiest` the largest of them, which is what to add next.
    """

    step: float
    tokens: float
    busy: dict[str, float]

    @property
    def busiest(self) -> str:
        return max(self.busy, key=lambda part: self.busy[part])


@dataclass
class _Engine:
    """Answers under way by the amount of tokens at which each ends. `given` is what each of them has got so far."""

    given: float = 0.0
    at: float = 0.0  # when `given` was true
    ends: list[tuple[float, int]] = field(default_factory=list)
    waiting: deque[tuple[float, int]] = field(default_factory=deque)
    stamp: int = 0  # events of an older stamp are void
    busy: float = 0.0


class _Pipeline:
    def __init__(self, service: Service, load: Load, shape: Shape, seed: int) -> None:
        self.service, self.load, self.shape = service, load, shape
        self.rng = random.Random(seed)
        self.now = 0.0
        self.events: list[tuple[float, int, str, tuple[int, ...]]] = []
        self.order = count()
        self.engines = [_Engine() for _ in range(shape.engines)]
        self.loads = [(0, place) for place in range(shape.engines)]
        self.busy = {"engines": 0.0, "graders": 0.0, "driver": 0.0, "learner": 0.0, "network": 0.0}
        self.driver_free = self.learner_free = 0.0
        self.grader_free = [0.0] * max(1, shape.graders)
        self.left = 0  # answers of the batch under way that are not graded
        self.tokens = 0.0
        self.batch, self.done = 0, 0
        self.ready: list[int] = []
        self.finished: list[float] = []
        self.learning = self.sampling = False

    def at(self, when: float, kind: str, *facts: int) -> None:
        heapq.heappush(self.events, (when, next(self.order), kind, facts))

    def drive(self, seconds: float) -> float:
        """Work of the driver, one piece after the other; when it is done."""
        self.driver_free = max(self.driver_free, self.now) + seconds
        self.busy["driver"] += seconds
        return self.driver_free

    # Sampling

    def begin(self) -> None:
        if self.sampling or self.batch > self.done + self.shape.staleness:
            return
        self.sampling, self.left = True, self.load.answers
        for answer in range(self.load.answers):
            self.at(self.drive(self.service.dispatch / 2), "asked", answer)

    def asked(self) -> None:
        active, place = heapq.heappop(self.loads)
        engine = self.engines[place]
        heapq.heappush(self.loads, (active + 1, place))
        self.advance(engine)
        # Reading the prompt delays the answer by as many tokens as fit into that time.
        reading = self.service.prefill * self.load.prompt / (self.service.step + self.service.step_row)
        length = self.length()
        self.tokens += length
        if len(engine.ends) < self.service.rows:
            heapq.heappush(engine.ends, (engine.given + reading + length, place))
        else:
            engine.waiting.append((reading + length, place))
        self.schedule(place)

    def length(self) -> float:
        """Lognormal, cut at the longest."""
        spread = math.sqrt(math.log1p(self.load.spread**2))
        drawn = (
            self.load.mean * math.exp(spread * self.rng.gauss(0.0, 1.0) - spread * spread / 2)
            if spread
            else self.load.mean
        )
        return min(float(self.load.longest), max(1.0, drawn))

    def pace(self, engine: _Engine) -> float:
        """Seconds for one token of every answer under way."""
        return self.service.step + self.service.step_row * len(engine.ends)

    def advance(self, engine: _Engine) -> None:
        if engine.ends:
            passed = self.now - engine.at
            engine.given += passed / self.pace(engine)
            engine.busy += passed
        engine.at = self.now

    def schedule(self, place: int) -> None:
        engine = self.engines[place]
        engine.stamp += 1
        if engine.ends:
            left = max(0.0, engine.ends[0][0] - engine.given)
            self.at(self.now + left * self.pace(engine), "drawn", place, engine.stamp)

    def drawn(self, place: int, stamp: int) -> None:
        engine = self.engines[place]
        if stamp != engine.stamp:
            return
        self.advance(engine)
        heapq.heappop(engine.ends)
        if engine.waiting:
            length, _ = engine.waiting.popleft()
            heapq.heappush(engine.ends, (engine.given + length, place))
        self.schedule(place)
        back = self.drive(self.service.dispatch / 2)
        if self.shape.graders:
            free = heapq.heappop(self.grader_free)
            ends = max(free, back) + self.service.grade
            heapq.heappush(self.grader_free, ends)
            self.busy["graders"] += self.service.grade
        else:
            ends = self.drive(self.service.grade)
        self.at(ends, "graded")

    def graded(self) -> None:
        self.left -= 1
        if self.left:
            return
        self.ready.append(self.batch)
        self.batch += 1
        self.sampling = False
        self.loads = [(0, place) for place in range(self.shape.engines)]
        self.learn()
        self.begin()

    # Learning

    def learn(self) -> None:
        if self.learning or not self.ready:
            return
        self.learning = True
        self.ready.pop(0)
        tokens = self.load.answers * (self.load.mean + self.load.prompt)
        seconds = self.service.learn + self.service.learn_token * tokens
        self.busy["learner"] += seconds
        self.at(self.now + seconds, "learned")

    def learned(self) -> None:
        hops = math.ceil(math.log2(self.shape.engines)) if self.shape.engines > 1 else 0
        travel = self.service.publish + self.service.publish_hop * hops
        self.busy["network"] += travel
        sent = travel + self.service.load
        self.at(max(self.now, self.drive(self.service.measure)) + sent, "published")

    def published(self) -> None:
        self.done += 1
        self.learning = False
        self.finished.append(self.now)
        self.learn()
        self.begin()


def simulate(service: Service, load: Load, shape: Shape, *, updates: int = 6, seed: int = 0) -> Simulated:
    """`updates` measured updates after the pipeline has filled."""
    pipe, skipped = _Pipeline(service, load, shape, seed), shape.staleness + 1
    pipe.begin()
    began, tokens_before, busy_before = 0.0, 0.0, dict(pipe.busy)
    while len(pipe.finished) < updates + skipped:
        pipe.now, _, kind, facts = heapq.heappop(pipe.events)
        if kind == "asked":
            pipe.asked()
        elif kind == "drawn":
            pipe.drawn(*facts)
        else:
            {"graded": pipe.graded, "learned": pipe.learned, "published": pipe.published}[kind]()
        if kind == "published" and len(pipe.finished) == skipped:
            began, tokens_before = pipe.now, pipe.tokens
            busy_before = {**pipe.busy, "engines": sum(engine.busy for engine in pipe.engines)}
    pipe.busy["engines"] = sum(engine.busy for engine in pipe.engines)
    passed = pipe.now - began
    many = {"engines": shape.engines, "graders": max(1, shape.graders)}
    busy = {part: (pipe.busy[part] - busy_before[part]) / passed / many.get(part, 1) for part in pipe.busy}
    return Simulated(passed / updates, (pipe.tokens - tokens_before) / passed, busy)
