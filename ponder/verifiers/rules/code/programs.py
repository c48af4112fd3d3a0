"""One run of a whole program for each input: standard input in, standard output out, compared here.

Two outputs are equal if their lines hold the same words; blank lines at the end and the spaces between words do not
count. The program must end by itself with status 0. It never meets an expected output.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from ponder.verifiers.rules.code.boxes.box import Box
from ponder.verifiers.rules.code.boxes.channel import Channel, frame
from ponder.verifiers.rules.code.functions import job_for, missing_package
from ponder.verifiers.rules.code.limits import Cause, Ended, Ending, printable
from ponder.verifiers.rules.code.tasks import ProgramTask


def run_program(box: Callable[[int], Box], task: ProgramTask, code: str) -> Ending:
    """Run `code` on the inputs in turn until one fails; `box` makes a box for a file to read from."""
    for number, (given, expected) in enumerate(task.cases, start=1):
        ending = _run(box, given, expected, code)
        if ending.cause is not Cause.RIGHT:
            return Ending(ending.cause, f"input {number} of {len(task.cases)}: {ending.detail}", number - 1)
    return Ending(Cause.RIGHT, f"{len(task.cases)} inputs", len(task.cases))


def _run(box: Callable[[int], Box], given: str, expected: str, code: str) -> Ending:
    ending, output = run_once(box, given, code)
    if ending.cause is not Cause.RIGHT or words(output) == words(expected):
        return ending
    return Ending(Cause.WRONG, f"it printed {printable(output, 200)}")


def run_once(box: Callable[[int], Box], given: str, code: str) -> tuple[Ending, str]:
    """Run `code` with `given` as its standard input; how it ended (right: with status 0) and what it printed."""
    source = _readable(given.encode("utf-8", "surrogatepass"))
    try:
        inside = box(source)
    finally:
        os.close(source)
    channel = Channel(inside)
    try:
        secret, job = job_for(inside.limits, code, program=True)
        if channel.start(job) != secret + b"hello":
            raise Ended(Cause.INFRASTRUCTURE, "the box said something else than hello")
        channel.send(frame(b"go"))
        channel.finish()
    except Ended as error:
        return error.ending, bytes(channel.output).decode("utf-8", "replace")
    finally:
        inside.kill()
    errors = bytes(channel.errors).decode("utf-8", "replace").strip()
    output = bytes(channel.output).decode("utf-8", "replace")
    return (Ending(Cause.RIGHT) if inside.process.returncode == 0 else _failed(inside, errors)), output


def words(text: str) -> list[list[str]]:
    """The words of each line, without the empty lines at the end."""
    lines = [line.split() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _failed(box: Box, errors: str) -> Ending:
    """A status other than 0; the last line of an uncaught exception says more."""
    last = errors.rsplit("\n", 1)[-1]
    if last.startswith("MemoryError"):
        return Ending(Cause.MEMORY, "out of memory")
    ending = box.ending(errors)
    if cause := missing_package(last):
        return Ending(cause, printable(last))
    return Ending(ending.cause, f"{ending.detail}; {printable(last)}" if last else ending.detail)


def _readable(data: bytes) -> int:
    """A descriptor from which `data` can be read and to which nothing can be written."""
    memory = os.memfd_create("input")
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(memory, view) :]
        return os.open(f"/proc/self/fd/{memory}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(memory)
