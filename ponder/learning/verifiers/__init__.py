"""Training objectives of learned verifiers, one short file each, and the one learner that serves them all.

The generative and the implicit objective need something beside rows (a question in tokens, a reference), so `make`
takes it from the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ponder.learning.verifiers.generative import Generative
from ponder.learning.verifiers.implicit import Implicit
from ponder.learning.verifiers.objective import Objective
from ponder.learning.verifiers.outcome import Outcome
from ponder.learning.verifiers.pairwise import Pairwise
from ponder.learning.verifiers.preference import Preference
from ponder.learning.verifiers.process import Process
from ponder.learning.verifiers.rows import JudgedRow
from ponder.learning.verifiers.value import Value
from ponder.names import pick

__all__ = ["OBJECTIVES", "JudgedRow", "Objective", "make"]

OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "outcome": Outcome,
    "outcome_per_token": lambda **settings: Outcome(per_token=True, **settings),
    "process": Process,
    "pairwise": Pairwise,
    "value": Value,
    "implicit": Implicit,
    "generative": Generative,
    "preference": Preference,
}


def make(kind: str, **settings: Any) -> Objective:
    """The objective that trains verifiers of `kind`: `make("process", hard=True)`, `make("implicit", reference=m)`."""
    return pick("kind of verifier", kind, OBJECTIVES)(**settings)
