"""Ground truth: problems and responses in, verdicts out, in order.

A family that grades itself does so here; for every other problem `key.data["verifier"]` names the verifier: "math",
"code", "constraints" or "constraints_loose" (see `constraints.combination`).
Wrong and broken differ: a malformed answer is outcome 0.0; a grader that raises, a dead worker, a limit that was hit
or a gold answer that cannot be read are typed failures, never a reward, and are counted in `failures`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType

from ponder.problems.selfcheck import check_shape
from ponder.protocols import Family, Graded
from ponder.types import Problem, Verdict
from ponder.verifiers.rules.code.verifier import CodeVerifier
from ponder.verifiers.rules.constraints.combination import judge
from ponder.verifiers.rules.mathematics.pool import MathVerifier
from ponder.verifiers.rules.mathematics.restated import restated


class GroundTruth:
    """Grades against keys. Thread-safe; worker processes start with the first answer that needs one."""

    def __init__(
        self, families: Mapping[str, Family] | None = None, *, workers: int = 1, allow_unsafe_code: bool = False
    ) -> None:
        """`allow_unsafe_code` runs programs on a machine that cannot isolate them; else the first one is refused."""
        self.families = dict(families or {})
        for family in self.families.values():
            check_shape(family)
        self.failures: Counter[str] = Counter()
        self._math = MathVerifier(workers=workers)
        self._code = CodeVerifier(workers=workers, allow_unsafe=allow_unsafe_code)
        self._lock = threading.Lock()

    def __enter__(self) -> GroundTruth:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._math.close()
        self._code.close()

    def grade(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """One verdict for each response to the problem at the same place."""
        return list(self.stream(problems, responses))

    def stream(self, problems: Sequence[Problem], responses: Sequence[str]) -> Iterator[Verdict]:
        """The same one by one, each as soon as it and all before it are there; other callers wait for the end."""
        if len(problems) != len(responses):
            raise ValueError(f"{len(problems)} problems but {len(responses)} responses")
        with self._lock:
            for verdict in self._grade_all(problems, responses):
                self.failures.update([verdict.failure] if verdict.failure else [])
                yield verdict

    def _grade_all(self, problems: Sequence[Problem], responses: Sequence[str]) -> Iterator[Verdict]:
        pairs = list(zip(problems, responses, strict=True))
        settled = [self._in_process(problem, response) for problem, response in pairs]
        waiting = [pair for pair, verdict in zip(pairs, settled, strict=True) if verdict is None]
        streams = {
            "math": self._math.grade(
                (problem.key.answer, text) for problem, text in waiting if _named(problem) == "math"
            ),
            "code": self._code.grade((problem, text) for problem, text in waiting if _named(problem) == "code"),
        }
        for (problem, _), verdict in zip(pairs, settled, strict=True):
            yield _computed(problem, next(streams[str(_named(problem))])) if verdict is None else verdict

    def _in_process(self, problem: Problem, response: str) -> Verdict | None:
        """The verdict of the family's own grader, or that there is no verifier; None if a worker is to decide."""
        family: object = self.families.get(problem.family)
        if isinstance(family, Graded):
            return _by_family(family, problem, response)
        name = _named(problem)
        if name in ("constraints", "constraints_loose"):
            return judge(problem.key.data.get("constraints"), response, loose=name == "constraints_loose")
        return None if name in ("math", "code") else unsupported(name)


def _computed(problem: Problem, verdict: Verdict) -> Verdict:
    """The verdict, unless what was called right only repeats the question's own expression."""
    if verdict.outcome != 1.0 or _named(problem) != "math":
        return verdict
    if restated(problem.question.text, problem.key.answer or "", verdict.extracted or ""):
        return replace(verdict, outcome=0.0, detail="an expression of the question's own numbers, not computed")
    return verdict


def _named(problem: Problem) -> object:
    return problem.key.data.get("verifier")


def _by_family(family: Graded, problem: Problem, response: str) -> Verdict:
    try:
        verdict = family.grade(problem, response)
    except Exception as error:  # a bug in one family's grader must not end a training, nor become a reward
        return Verdict(failure="infrastructure", detail=f"grader of {problem.family}: {type(error).__name__}: {error}")
    if verdict.outcome not in (None, 0.0, 1.0):
        said = f"gave outcome {verdict.outcome!r}; allowed are 0.0 (wrong) and 1.0 (right), or a failure"
        return replace(verdict, outcome=None, failure="infrastructure", detail=f"grader of {problem.family} {said}")
    if (verdict.outcome is None) == (verdict.failure is None):
        return replace(
            verdict, outcome=None, failure="infrastructure", detail=f"grader of {problem.family} gave no verdict"
        )
    return verdict


def unsupported(name: object) -> Verdict:
    """The typed failure for a verifier that does not exist here."""
    what = "no verifier is named" if name is None else f"no {name} verifier in this version"
    return Verdict(failure="unsupported", detail=what)
