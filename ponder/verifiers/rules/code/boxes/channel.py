"""Frames to and from a box, within its limits of time and size.

A frame is four bytes of length and a body. What a box prints meanwhile is drained and counted. Too much of it, a frame
above its cap, a missed deadline and the end of the process all raise `Ended` with their cause. What is held here stays
below twice the caps.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import NoReturn

from ponder.verifiers.rules.code.boxes.box import Box
from ponder.verifiers.rules.code.limits import Cause, Ended

_BLOCK = 65536
_TICK_MS = 100  # between looks at the clock of a box that is busy


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


class Clock:
    """Judges how long a box has taken; it runs only while something is asked of the box."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.counted = 0.0  # seconds of earlier answers
        self.since = time.monotonic()
        self.starved = box.waited_for_processor() or 0.0  # before this clock began

    def pause(self) -> None:
        self.counted += time.monotonic() - self.since

    def go_on(self) -> None:
        self.since = time.monotonic()

    def check(self) -> None:
        """Raises Ended once the limit is passed, and says whose fault it is."""
        limits, wall = self.box.limits, self.counted + time.monotonic() - self.since
        if wall <= limits.seconds:
            return
        starved = self.box.waited_for_processor()
        if starved is not None and wall - (starved - self.starved) > limits.seconds:
            raise Ended(Cause.TIMEOUT, f"{limits.seconds:g} s of its own time")
        if wall > limits.seconds * limits.patience:
            if starved is None:
                raise Ended(Cause.TIMEOUT, f"{wall:.0f} s of wall clock")
            raise Ended(Cause.INFRASTRUCTURE, f"the machine gave it too little time in {wall:.0f} s")


class Channel:
    """The conversation with one box."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.output, self.errors = bytearray(), bytearray()  # what it printed; `errors` if that is apart
        self._received = bytearray()
        self._clock: Clock | None = None
        self._until = time.monotonic() + box.limits.start_seconds
        self._poll = select.poll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._listen(box.said, self._read)
        self._listen(box.printed, lambda: self._drain(box.printed, self.output))
        if box.errors >= 0:
            self._listen(box.errors, lambda: self._drain(box.errors, self.errors))

    def start(self, code_and_job: bytes) -> bytes:
        """Send code and job; the first frame, which the box sends before any code of a candidate runs."""
        hello = self._exchange(code_and_job)
        self.box.hold()
        self._clock = Clock(self.box)
        return hello

    def begin(self) -> None:
        """What is asked from now on has the whole time again: a box that serves many jobs is given it for each."""
        self._clock = Clock(self.box)

    def ask(self, body: bytes) -> bytes:
        """Send a frame and wait for one. One that is there already answers what was not asked."""
        if self._received or any(descriptor == self.box.said for descriptor, _ in self._poll.poll(0)):
            raise Ended(Cause.WRONG, "it wrote into the pipe unasked, or closed it")
        return self.more(frame(body))

    def more(self, data: bytes = b"") -> bytes:
        """The next frame, after sending `data`."""
        assert self._clock is not None
        self._clock.go_on()
        try:
            return self._exchange(data)
        finally:
            self._clock.pause()

    def send(self, data: bytes) -> None:
        """Send without waiting for an answer."""
        left = memoryview(data)
        while left := left[self._write(left) :]:
            self._turn(True)

    def finish(self) -> None:
        """Wait until the process has ended and all that it printed is here."""
        assert self._clock is not None
        self._ignore(self.box.said)
        while self._readers:
            self._turn(False)
        while self.box.wait(_TICK_MS / 1000) is None:
            self._check()

    def _listen(self, descriptor: int, reader: Callable[[], None]) -> None:
        self._poll.register(descriptor, select.POLLIN)
        self._readers[descriptor] = reader

    def _ignore(self, descriptor: int) -> None:
        if self._readers.pop(descriptor, None):
            self._poll.unregister(descriptor)

    def _exchange(self, data: bytes) -> bytes:
        left = memoryview(data)
        while (whole := self._whole()) is None:
            left = left[self._write(left) :] if left else left
            self._turn(bool(left))
        return whole

    def _turn(self, writing: bool) -> None:
        """Wait for anything to happen, read what there is to read, look at the clock."""
        if writing:
            self._poll.register(self.box.job, select.POLLOUT)
        for descriptor, _ in self._poll.poll(_TICK_MS):
            if descriptor in self._readers:
                self._readers[descriptor]()
        if writing:
            self._poll.unregister(self.box.job)
        self._check()

    def _check(self) -> None:
        if self._clock is not None:
            self._clock.check()
        elif time.monotonic() > self._until:
            raise Ended(Cause.INFRASTRUCTURE, f"no box within {self.box.limits.start_seconds:g} s")

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self.box.job, data[:_BLOCK])
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            self._over()

    def _read(self) -> None:
        block = os.read(self.box.said, _BLOCK)
        if not block:
            self._over()
        self._received += block

    def _whole(self) -> bytes | None:
        """The first frame if all of it is there."""
        if len(self._received) < 4:
            return None
        size, most = int.from_bytes(self._received[:4], "big"), self.box.limits.result + 1024
        if size > most:
            raise Ended(Cause.OUTPUT, f"a message of {size} bytes; at most {most} are taken")
        if len(self._received) < 4 + size:
            return None
        body = bytes(self._received[4 : 4 + size])
        del self._received[: 4 + size]
        return body

    def _drain(self, descriptor: int, kept: bytearray) -> None:
        block = os.read(descriptor, _BLOCK)
        if not block:
            self._ignore(descriptor)
        kept += block
        if len(self.output) + len(self.errors) > self.box.limits.output:
            raise Ended(Cause.OUTPUT, f"more than {self.box.limits.output} bytes printed")

    def _over(self) -> NoReturn:
        """The process is gone or has closed its pipe."""
        ending = self.box.ending(bytes(self.output[-1000:]).decode("utf-8", "replace"))
        raise Ended(ending.cause, ending.detail)
