"""Code verdicts: problems whose key has `tests`, responses in, verdicts out, in order.

Right is 1.0; a fault of the candidate (wrong, timeout, memory, output, crash, refused) is 0.0, and `detail` names it;
what the machine or the task is to blame for is a failure. `detail` ends with the level of isolation.

A task that has its own answer is checked when the first candidate fails it: if its own answer fails too, that is no
verdict on the candidate, and the task is refused with its name (failure "gold").
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator
from itertools import chain
from types import TracebackType

from ponder.types import Problem, Verdict
from ponder.verifiers.rules.code.extract import program
from ponder.verifiers.rules.code.limits import Cause, Ending, Limits, printable
from ponder.verifiers.rules.code.sandbox import Sandbox
from ponder.verifiers.rules.code.tasks import FunctionTask, Task, TaskError, read_task

_SHOWN = 500
_FAILURES = (Cause.INFRASTRUCTURE, Cause.GOLD, Cause.UNSUPPORTED)
_UNSUPPORTED = "a package that is not in the box; the operator may allow it (PONDER_CODE_PACKAGES=numpy,...)"


class CodeVerifier:
    """`grade` pairs of (problem, response). Makes its sandbox with the first pair; close it at the end."""

    def __init__(self, *, workers: int = 1, limits: Limits | None = None, allow_unsafe: bool = False) -> None:
        self._options = {"workers": workers, "limits": limits, "allow_unsafe": allow_unsafe}
        self._sandbox: Sandbox | None = None
        self._gold: dict[str, Ending] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> CodeVerifier:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def sandbox(self) -> Sandbox:
        """Raises PonderError where code cannot be isolated."""
        with self._lock:
            if self._sandbox is None:
                self._sandbox = Sandbox(**self._options)  # type: ignore[arg-type]
            return self._sandbox

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def grade(self, pairs: Iterable[tuple[Problem, str]]) -> Iterator[Verdict]:
        """A verdict for each pair, in order; several at once on the sandbox's threads."""
        source = iter(pairs)
        for first in source:
            yield from self.sandbox.map(lambda pair: self._judge(self.sandbox, *pair), chain([first], source))

    def _judge(self, sandbox: Sandbox, problem: Problem, response: str) -> Verdict:
        try:
            return self._judged(sandbox, problem, response)
        except Exception as error:  # a fault of ours must not end a training, nor become a reward
            return Verdict(failure="infrastructure", detail=f"code verifier: {type(error).__name__}: {error}")

    def _judged(self, sandbox: Sandbox, problem: Problem, response: str) -> Verdict:
        try:
            task = read_task(problem.key.data, problem.question.text, program(problem.key.answer or "") or "")
        except TaskError as error:
            return _verdict(Ending(Cause.GOLD, str(error)), problem, None, sandbox)
        code = program(response, _entry(task))
        if code is None:
            return Verdict(outcome=0.0, detail="wrong: no program after the thinking")
        ending = sandbox.run(task, code)
        if ending.cause not in (Cause.RIGHT, Cause.INFRASTRUCTURE) and problem.key.answer:
            ending = self._cleared(sandbox, problem, task, code, ending)
        return _verdict(ending, problem, code, sandbox)

    def _cleared(self, sandbox: Sandbox, problem: Problem, task: Task, code: str, ending: Ending) -> Ending:
        """The ending of a candidate that failed, unless the task's own answer fails as well."""
        answer = program(problem.key.answer or "", _entry(task)) or ""
        key = _content(problem)
        own = ending if code == answer else self._gold.get(key) or sandbox.run(task, answer)
        if own.cause is Cause.INFRASTRUCTURE:
            return own
        self._gold[key] = own
        if own.cause is Cause.RIGHT:
            return ending
        if own.cause is Cause.UNSUPPORTED:
            return Ending(Cause.UNSUPPORTED, f"its own answer: {own.detail}")
        return Ending(Cause.GOLD, f"its own answer fails its own tests ({own.cause}: {own.detail})")


def _content(problem: Problem) -> str:
    """Names a row by all that its verdicts depend on: two rows may have one id."""
    parts = [problem.question.text, problem.key.answer, problem.key.data]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()


def _entry(task: Task) -> str:
    return task.entry if isinstance(task, FunctionTask) else ""


def _verdict(ending: Ending, problem: Problem, code: str | None, sandbox: Sandbox) -> Verdict:
    shown = None if code is None else code[:_SHOWN]
    level = f"[{sandbox.isolation.level}]"
    if ending.cause in _FAILURES:
        more = f"; {_UNSUPPORTED}" if ending.cause is Cause.UNSUPPORTED else ""
        detail = f"{problem.id}: {printable(ending.detail, 600)}{more} {level}"
        return Verdict(failure=ending.cause.value, extracted=shown, detail=detail)
    outcome = 1.0 if ending.cause is Cause.RIGHT else 0.0
    return Verdict(outcome=outcome, extracted=shown, detail=f"{ending.cause.value}: {ending.detail} {level}")
