"""The kinds of learned verifier: the one list of them. A new kind is a folder with its two files and an entry here.

`as_data` gives the list as plain data, for people and programs that want to choose one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ponder.learning.objective import Objective
from ponder.models.heads import Form
from ponder.names import pick
from ponder.protocols import Judge
from ponder.verifiers.aggregation import Aggregation
from ponder.verifiers.learned.common.stored import Serving, Stored
from ponder.verifiers.learned.generative.judge import Asked, GenerativeVerifier
from ponder.verifiers.learned.generative.objective import Generative
from ponder.verifiers.learned.implicit.judge import ImplicitVerifier
from ponder.verifiers.learned.implicit.objective import Implicit
from ponder.verifiers.learned.outcome.judge import OutcomeVerifier
from ponder.verifiers.learned.outcome.objective import Outcome
from ponder.verifiers.learned.pairwise.judge import PairwiseVerifier
from ponder.verifiers.learned.pairwise.objective import Pairwise
from ponder.verifiers.learned.preference.judge import PreferenceVerifier
from ponder.verifiers.learned.preference.objective import Preference
from ponder.verifiers.learned.process.judge import ProcessVerifier
from ponder.verifiers.learned.process.objective import Process
from ponder.verifiers.learned.value.judge import ValueVerifier
from ponder.verifiers.learned.value.objective import Value


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `form` and `labels` (outputs of the head, 0: none) say which checkpoint it is.

    `aggregation` is the one that fits what it learned; None: it gives one score and no step scores. `settings` are
    those of its objective by name, with their meaning; `paper` is where the objective comes from (an arXiv number).
    """

    summary: str
    paper: str
    form: Form
    labels: int
    learns_from: str
    aggregation: Aggregation | None
    objective: Callable[..., Objective]
    judge: Callable[[Stored, Serving], Judge]
    settings: Mapping[str, str] = field(default_factory=dict)


def _whole(judge: type[OutcomeVerifier], stored: Stored, serving: Serving) -> Judge:
    return judge(stored.model, serving.prompt_tokens, **serving.settings(stored.spec))


def _steps(judge: type[ProcessVerifier], stored: Stored, serving: Serving) -> Judge:
    how: Any = stored.spec.aggregation  # checked when the spec was read
    return judge(stored.model, serving.prompt_tokens, aggregation=how, **serving.settings(stored.spec))


def _implicit(stored: Stored, serving: Serving) -> Judge:
    if stored.reference is None:
        raise ValueError("an implicit verifier is stored with its reference")
    spec = stored.spec
    how: Any = spec.aggregation
    return ImplicitVerifier(
        stored.model,
        stored.reference,
        serving.prompt_tokens,
        beta=spec.beta,
        aggregation=how,
        reference_reader=serving.reference_reader,
        **serving.settings(spec),
    )


def _generative(stored: Stored, serving: Serving) -> Judge:
    spec = stored.spec
    return GenerativeVerifier(
        stored.model,
        serving.prompt_tokens,
        Asked.of(serving.encode, spec.question, spec.yes, spec.no),
        engine=serving.engine() if spec.critiques else None,
        decode=serving.decode,
        critiques=spec.critiques,
        critique_tokens=spec.critique_tokens,
        **serving.settings(spec),
    )


_CLONE = "weight of writing right solutions again beside judging"
KINDS: dict[str, Kind] = {
    "outcome": Kind(
        "the chance that the whole answer is right",
        "2110.14168",
        "sequence",
        1,
        "outcomes",
        None,
        Outcome,
        partial(_whole, OutcomeVerifier),
    ),
    "outcome_per_token": Kind(
        "the same, trained at every token and read at the ends of steps",
        "2110.14168",
        "token",
        2,
        "outcomes, at every token",
        "last",
        partial(Outcome, per_token=True),
        partial(_steps, ProcessVerifier),
    ),
    "process": Kind(
        "a score at the end of every step",
        "2312.08935",
        "token",
        2,
        "step labels, hard or soft",
        "last",
        Process,
        partial(_steps, ProcessVerifier),
        {"hard": "a label above 0 counts as 1"},
    ),
    "pairwise": Kind(
        "which of two continuations of the same beginning is better",
        "2406.06592",
        "token",
        2,
        "pairs of sibling steps",
        "last",
        Pairwise,
        partial(_steps, PairwiseVerifier),
        {"soft": "the target of a pair follows the difference of its labels; off: it is 1"},
    ),
    "value": Kind(
        "the value of every prefix, by regression",
        "2406.03816",
        "token",
        1,
        "step labels, squared error",
        "last",
        Value,
        partial(_steps, ValueVerifier),
    ),
    "implicit": Kind(
        "a reward for every token: the log-ratio to a reference model",
        "2412.01981",
        "causal",
        0,
        "outcomes, against a reference",
        "last",
        Implicit,
        _implicit,
        {"reference": "the model that log-probabilities are compared with", "beta": "scale of the log-ratio"},
    ),
    "generative": Kind(
        "the chance that the model answers yes to: is this right?",
        "2408.15240",
        "causal",
        0,
        "outcomes, in words",
        None,
        Generative,
        _generative,
        {
            "question": "tokens after an answer that ask for the verdict",
            "yes": "token of the verdict right",
            "no": "token of the verdict wrong",
            "clone": _CLONE,
        },
    ),
    "preference": Kind(
        "a reward by which right answers beat wrong ones to the same problem",
        "2203.02155",
        "sequence",
        1,
        "right and wrong trajectories of a problem",
        None,
        Preference,
        partial(_whole, PreferenceVerifier),
    ),
}


def kind(name: str) -> Kind:
    """The kind called `name`; PonderError with the nearest and all allowed names if there is none."""
    return pick("kind of verifier", name, KINDS)


def make(name: str, **settings: Any) -> Objective:
    """The objective that trains verifiers of this kind: `make("process", hard=True)`, `make("implicit", reference=m)`.

    Kinds with a head also take `work`, what one trained token costs (`learning.objective.Loss`).
    """
    return kind(name).objective(**settings)


def as_data() -> list[dict[str, Any]]:
    """Every kind in JSON's types."""
    shown = ("summary", "paper", "form", "labels", "learns_from", "aggregation")
    return [
        {"name": name, **{field: getattr(it, field) for field in shown}, "settings": dict(it.settings)}
        for name, it in KINDS.items()
    ]
