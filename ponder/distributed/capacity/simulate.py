"""A discrete-event simulation of a run's pipeline: step times before anybody has paid for the machines.

Engines share their steps among the answers under way (each answer gets a token a step), so an engine is a queue with
processor sharing whose rate depends on how many it serves; an answer ends when its engine has given as many tokens to
each as it is long. The driver hands out requests one after the other, as `distributed/pool.py` does, graders take
answers in order, and the learner takes whole batches. With staleness k batch n may begin when update n - k - 1 is
done, and not before the batch before it is whole. At the end of a round sampling gets k batches ahead and rests while
the round is measured, as `selfplay/ahead/sampler.py` does.

Parts that share too few processors all become slower by the same factor, which changes no order of events. So events
are timed by the work that they wait for (`_Pipeline.now`), and the clock on the wall (`_Pipeline.clock`) runs faster
than that while more parts work than there are processors.

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
    """Means over the measured updates: `step` seconds an update, shares of it in work.

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
        self.now = self.clock = 0.0
        self.events: list[tuple[float, int, str, tuple[int, ...]]] = []
        self.order = count()
        self.engines = [_Engine() for _ in range(shape.engines)]
        self.loads = [(0, place) for place in range(shape.engines)]
        self.busy = {"engines": 0.0, "graders": 0.0, "driver": 0.0, "learner": 0.0, "network": 0.0}
        self.driver_free = self.learner_free = 0.0
        self.grader_free = [0.0] * max(1, shape.graders)
        self.left = 0  # answers of the batch under way that are not graded
        self.tokens = self.drawing = 0.0  # all of them, and those of the batch under way
        self.batch, self.done = 0, 0
        self.ready: deque[float] = deque()  # tokens of the batches that wait for the learner
        self.finished: list[float] = []  # by the clock
        self.learning = self.sampling = self.resting = False
        self.until = shape.round or math.inf  # the first batch of the next round
        self.last = math.inf  # how many batches there are

    def at(self, when: float, kind: str, *facts: int) -> None:
        heapq.heappush(self.events, (when, next(self.order), kind, facts))

    def happen(self) -> None:
        """The next event, and all that follows from it at once."""
        when, _, kind, facts = heapq.heappop(self.events)
        self.pass_until(when)
        if kind == "asked":
            self.asked()
        elif kind == "drawn":
            self.drawn(*facts)
        else:
            actions = {"graded": self.graded, "learned": self.learned, "published": self.published}
            {**actions, "rested": self.rested}[kind]()

    def pass_until(self, when: float) -> None:
        """Let the clock run until so much work is done."""
        if not self.shape.processors:
            self.now = self.clock = when
            return
        steady = sum(1 for engine in self.engines if engine.ends) + self.learning
        ends = [self.driver_free, *(self.grader_free if self.shape.graders else ())]
        for stop in sorted({when, *(end for end in ends if self.now < end < when)}):
            working = steady + sum(1 for end in ends if end >= stop)
            self.clock += (stop - self.now) * max(1.0, working / self.shape.processors)
            self.now = stop

    def drive(self, seconds: float) -> float:
        """Work of the driver, one piece after the other; when it is done."""
        self.driver_free = max(self.driver_free, self.now) + seconds
        self.busy["driver"] += seconds
        return self.driver_free

    # Sampling

    def begin(self) -> None:
        ahead = self.shape.staleness
        if self.sampling or self.batch > self.done + ahead or self.batch >= min(self.last, self.until + ahead):
            return
        self.sampling, self.left, self.drawing = True, self.load.answers, 0.0
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
        self.drawing += length
        if len(engine.ends) < self.service.rows:
            heapq.heappush(engine.ends, (engine.given + reading + length, place))
        else:
            engine.waiting.append((reading + length, place))
        self.schedule(place)

    def length(self) -> float:
        """One of those that were measured, or else lognormal, cut at the longest."""
        if self.load.lengths:
            return float(self.rng.choice(self.load.lengths))
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
        self.ready.append(self.drawing)
        self.batch += 1
        self.sampling = False
        self.loads = [(0, place) for place in range(self.shape.engines)]
        self.learn()
        self.begin()
        self.rest()

    # Learning

    def learn(self) -> None:
        if self.learning or self.resting or not self.ready:
            return
        self.learning = True
        tokens = self.ready.popleft() + self.load.answers * self.load.prompt
        seconds = self.service.learn + self.service.learn_token * self.load.learned * tokens
        self.busy["learner"] += seconds
        self.at(self.now + seconds, "learned")

    def learned(self) -> None:
        hops = math.ceil(math.log2(self.shape.engines)) if self.shape.engines > 1 else 0
        travel = self.service.publish + self.service.publish_hop * hops
        self.busy["network"] += travel
        sent = travel + self.service.load
        measure = 0.0 if self.shape.round else self.service.measure
        self.at(max(self.now, self.drive(measure)) + sent, "published")

    def published(self) -> None:
        self.done += 1
        self.learning = False
        if self.done == self.until:
            self.resting = True
        else:
            self.finished.append(self.clock)
        self.learn()
        self.begin()
        self.rest()

    def rest(self) -> None:
        """Measure the round that is done, as soon as nothing more may be drawn."""
        if self.resting and not self.sampling:
            self.at(self.drive(self.service.measure * self.shape.round), "rested")

    def rested(self) -> None:
        self.resting = False
        self.until += self.shape.round
        self.finished.append(self.clock)
        self.learn()
        self.begin()


def simulate(
    service: Service, load: Load, shape: Shape, *, updates: int = 6, seed: int = 0, whole: bool = False
) -> Simulated:
    """`updates` measured updates after the pipeline has filled, or `whole`: those of a run from its first to its last.

    With rounds, give whole ones.
    """
    pipe, skipped = _Pipeline(service, load, shape, seed), 0 if whole else _whole_rounds(shape)
    pipe.last = updates if whole else math.inf
    pipe.begin()
    began, tokens_before, busy_before = 0.0, 0.0, dict(pipe.busy)
    while len(pipe.finished) < updates + skipped:
        known = len(pipe.finished)
        pipe.happen()
        if len(pipe.finished) == skipped > known:
            began, tokens_before = pipe.clock, pipe.tokens
            busy_before = {**pipe.busy, "engines": sum(engine.busy for engine in pipe.engines)}
    pipe.busy["engines"] = sum(engine.busy for engine in pipe.engines)
    passed = pipe.clock - began
    many = {"engines": shape.engines, "graders": max(1, shape.graders)}
    busy = {part: (pipe.busy[part] - busy_before[part]) / passed / many.get(part, 1) for part in pipe.busy}
    return Simulated(passed / updates, (pipe.tokens - tokens_before) / passed, busy)


def _whole_rounds(shape: Shape) -> int:
    """Updates until the pipeline is full, up to the end of a round."""
    filled = shape.staleness + 1
    return math.ceil(filled / shape.round) * shape.round if shape.round else filled
