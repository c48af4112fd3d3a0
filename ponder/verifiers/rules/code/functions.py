"""One run of function style: the tests in the tester's box, the candidate in its own, calls relayed between them.

What travels: from the tester a call (marshal data, ours), from the candidate a line of text that begins with the
secret of this run. The candidate sees the arguments of one call at a time; expected values, the other calls and the
verdict stay with the tester. Right means that every test passed, which needs an answer to every call.
"""

from __future__ import annotations

import itertools
import json
import marshal
import math
import re
import secrets
from collections.abc import Callable
from typing import Any

from ponder.verifiers.rules.code.boxes import runtime
from ponder.verifiers.rules.code.boxes.box import Box
from ponder.verifiers.rules.code.boxes.channel import Channel, frame
from ponder.verifiers.rules.code.limits import Cause, Ended, Ending, Limits, printable
from ponder.verifiers.rules.code.tasks import FunctionTask

# The tester's own limits: its server only waits, and each child has the candidate's limits once more.
TESTER = Limits(seconds=60.0, result=2**24, output=2**40, threads=256)
_INSIDE = (("ponder.verifiers.rules.code.sent.packing", "packing.py"), ("inside", "inside.py"))
_TESTER = (("ponder.verifiers.rules.code.sent.wire", "wire.py"), ("tester", "tester.py"))
# A program that stands for itself, without a prompt to complete.
_ALONE = {"entry": "", "prompt": "", "prelude": ""}
# Packages that honest programs import without being told to; the operator may allow them (`PONDER_CODE_PACKAGES`).
_WELL_KNOWN = {
    "gmpy2", "matplotlib", "networkx", "numba", "numpy", "pandas", "regex", "requests", "scipy", "sklearn",
    "sortedcontainers", "sympy", "torch",
}  # fmt: skip
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(\w+)")
_FAULTS = {
    "foreign": (Cause.REFUSED, "a result of a foreign type"),
    "large": (Cause.OUTPUT, "a result above the cap"),
    "memory": (Cause.MEMORY, "out of memory"),
    "exit": (Cause.WRONG, "early exit"),
}


class Tester:
    """A tester's box, started when it is needed and again after it was lost. For one thread at a time."""

    def __init__(self, start: Callable[[], Box]) -> None:
        self._start = start
        self._channel: Channel | None = None
        self._numbers = itertools.count(1)
        self._job = b""

    def begin(self, task: FunctionTask, limits: Limits) -> None:
        """Let it begin with `task`. Raises Ended (infrastructure) if there is no tester to be had."""
        self._job = next(self._numbers).to_bytes(4, "big")
        job = {
            "asked": list(task.asked),
            "setup": task.setup,
            "caught": list(task.caught),
            "changes": task.changes,
            "tests": list(task.tests),
            "seconds": math.ceil(limits.seconds),
            "memory": limits.memory,
        }
        body = b"J" + self._job + marshal.dumps(job)
        if self._channel is not None and not self._channel.box.alive():
            self.close()
        if self._channel is None:
            self._channel = Channel(self._start())
            self._guarded(lambda channel: channel.start(runtime.code(*_TESTER)))
        self._guarded(lambda channel: channel.begin())
        self._guarded(lambda channel: channel.send(frame(body)))

    def answer(self, text: bytes) -> None:
        self._guarded(lambda channel: channel.send(frame(b"R" + text)))

    def heard(self) -> tuple[bytes, bytes]:
        """The letter and body of its next message about this job; what is left of an earlier job is passed over."""
        while True:
            message = self._guarded(lambda channel: channel.more())
            if message[1:5] == self._job:
                return message[:1], message[5:]

    def abandon(self) -> None:
        """The child that runs the tests waits for a result: end it."""
        if self._channel is not None:
            self._guarded(lambda channel: channel.send(frame(b"X")))

    def close(self) -> None:
        if self._channel is not None:
            self._channel.box.kill()
            self._channel = None

    def _guarded(self, action: Callable[[Channel], Any]) -> Any:
        """Whatever ends the tester is not the candidate's fault."""
        assert self._channel is not None
        try:
            return action(self._channel)
        except Ended as error:
            self.close()
            raise Ended(Cause.INFRASTRUCTURE, f"the tester was lost: {error.ending.detail}") from None


class Candidate:
    """The conversation with a candidate's box."""

    def __init__(self, box: Box, task: FunctionTask, code: str) -> None:
        self._channel = Channel(box)
        self._secret, job = job_for(box.limits, code, entry=task.entry, prompt=task.prompt, prelude=task.prelude)
        self._opened(self._channel.start(job))

    def load(self) -> None:
        word, text = self._opened(self._channel.more(frame(b"go")))
        if word == "raised":
            told = _raised(text)
            raise Ended(missing_package(told) or Cause.WRONG, f"it does not load: {told}")
        if word != "loaded":
            raise Ended(Cause.WRONG, "a forged message")

    def call(self, packed: bytes) -> bytes:
        """The answer to one call, as the tester takes it."""
        word, text = self._opened(self._channel.ask(packed))
        if word not in ("value", "object", "method", "raised", "lazy", "awaited"):
            raise Ended(Cause.WRONG, "a forged message")
        if word == "raised" and (cause := missing_package(told := _raised(text))):
            raise Ended(cause, told)
        return f"{word} {text}".encode()

    def _opened(self, message: bytes) -> tuple[str, str]:
        """The first word of a message and the rest. Raises Ended for a fault and for one without the secret."""
        if not message.startswith(self._secret):
            raise Ended(Cause.WRONG, "a forged message")
        word, _, text = message[len(self._secret) :].decode("ascii", "replace").partition(" ")
        if word in _FAULTS:
            cause, what = _FAULTS[word]
            raise Ended(cause, f"{what}: {_told(text)}" if text else what)
        return word, text


def job_for(limits: Limits, code: str, *, program: bool = False, **more: str) -> tuple[bytes, bytes]:
    """The secret that a candidate's frames begin with, and what is sent into its box."""
    secret = secrets.token_hex(16)
    job = {
        "secret": secret,
        "limits": (math.ceil(limits.seconds), limits.memory, limits.disk, limits.threads, limits.files),
        "result": limits.result,
        "program": program,
        "code": code,
        **(_ALONE | more),
    }
    return secret.encode() + b" ", runtime.code(*_INSIDE) + frame(marshal.dumps(job))


def run_function(box: Callable[[], Box], tester: Tester, task: FunctionTask, code: str) -> Ending:
    """Test `code`; `box` makes the candidate's box."""
    inside = box()
    calls = 0
    try:
        tester.begin(task, inside.limits)
        candidate = Candidate(inside, task, code)
        candidate.load()
        while (message := tester.heard())[0] == b"C":
            tester.answer(candidate.call(message[1]))
            calls += 1
        return _verdict(json.loads(message[1]), calls)
    except Ended as error:
        tester.abandon()
        return Ending(error.ending.cause, error.ending.detail, calls)
    finally:
        inside.kill()


def _verdict(told: dict[str, Any], calls: int) -> Ending:
    """What the tester's verdict means. Tests that fail before they ask anything fail for every candidate."""
    detail = printable(told["detail"], 500)
    if told["passed"] and calls:
        return Ending(Cause.RIGHT, f"{calls} calls", calls)
    if told.get("unfit"):
        return Ending(Cause.GOLD, f"the tests cannot be run apart from the candidate: {detail}", calls)
    if not calls:
        return Ending(Cause.GOLD, f"the tests never ask the candidate: {detail or 'they are empty'}")
    if told.get("foreign"):
        return Ending(Cause.REFUSED, detail, calls)
    return Ending(Cause(told.get("limit", Cause.WRONG)), detail, calls)


def missing_package(text: str) -> Cause | None:
    """What it means that `text` ended a run: a failure if a well-known package was wanted that a box does not have.

    A name that nobody knows is the candidate's mistake. The text tells what the operator could do.
    """
    found = _NO_MODULE.search(text)
    return Cause.UNSUPPORTED if found and found[1] in _WELL_KNOWN else None


def _raised(text: str) -> str:
    """`KIND OWN "hex"` as `OWN: message`."""
    _, own, message = text.split(" ", 2)
    return f"{printable(own, 100)}: {_told(message)}"


def _told(text: str) -> str:
    """The hex text that a candidate's message carries, fit for a log."""
    try:
        return printable(bytes.fromhex(text.strip('"')).decode("utf-8", "surrogatepass"))
    except ValueError:
        return printable(text)
