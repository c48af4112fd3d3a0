"""`ponder.grade`: ground truth for responses, of this package's problems or anybody's answers."""

from __future__ import annotations

from collections.abc import Sequence

from ponder.api.problems import Problems, ground_truth
from ponder.protocols import Family
from ponder.types import Key, PonderError, Problem, Question, Verdict
from ponder.verifiers.grade import grade_file as grade_file


def grade(
    keys: Problems | Sequence[Problem | str],
    responses: Sequence[str],
    *,
    families: Sequence[Family] = (),
    allow_unsafe_code: bool = False,
) -> list[Verdict]:
    """A verdict for each response against the key at the same place: outcome 1.0 or 0.0, or a typed failure.

    A key is a problem, or the right answer as text, which mathematics compares. Problems of `load_problems` bring
    their families; for others, `families` are those that grade their own. Programs run in a sandbox, and a machine
    that cannot isolate them is refused unless `allow_unsafe_code`. Raises PonderError if the two are not equally long.
    """
    if len(keys) != len(responses):
        raise PonderError(f"{len(responses)} responses for {len(keys)} keys; give one response a key")
    problems = [key if isinstance(key, Problem) else _answered(place, key) for place, key in enumerate(keys)]
    known = keys.families if isinstance(keys, Problems) else families
    with ground_truth(known, allow_unsafe_code=allow_unsafe_code) as truth:
        return truth.grade(problems, responses)


def _answered(place: int, answer: str) -> Problem:
    return Problem(Question(str(place), "answer", ""), Key(answer, {"verifier": "math"}))
