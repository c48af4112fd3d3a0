"""A fitted plan: for each budget, which strategy to use for which kind of problem. A small JSON file.

`difficulty` reads the kind off a few samples: how far they agree, what the verifier says of them, how long they are.
A row cuts some of these into bins (none: one strategy for all, and no samples need be looked at) and names a strategy
for each bin. Compute-optimal scaling with predicted difficulty (Snell et al., arXiv 2408.03314, section 3.2).

A problem that a plan was fitted on is answered by the half of the plan that never saw it, so that none chooses its own
strategy. Budgets count in longest answers (budget / max_tokens), so a plan carries over to models of other lengths.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ponder.search.session.choose import Candidate
from ponder.types import PonderError, Question

SCHEMA = 1
STOP = "stop"  # the choice to answer with the samples already drawn
FEATURES = ("agreement", "score", "length")


@dataclass(frozen=True, slots=True)
class Difficulty:
    """What a few samples show of a problem.

    `agreement` is the share of the samples asked for that give the commonest answer, `score` the verifier's mean over
    those that ended (None: not scored), `length` the mean tokens of a sample as a share of the longest allowed.
    """

    agreement: float
    score: float | None
    length: float


def difficulty(candidates: Sequence[Candidate], asked: int, tokens: float, max_tokens: int) -> Difficulty:
    """Of what came of `asked` samples that took `tokens` tokens together.

    Samples that were cut are no candidates. They agree with nobody and count in the length: that nearly all of them
    were cut is the surest sign of a hard problem, and the one that ended must not pass for agreement.
    """
    counts = Counter(c.answer for c in candidates if c.answer is not None)
    scores = [c.score for c in candidates if c.score is not None]
    return Difficulty(
        max(counts.values(), default=0) / asked,
        math.fsum(scores) / len(scores) if scores else None,
        tokens / (asked * max_tokens),
    )


@dataclass(frozen=True, slots=True)
class Row:
    """The choices at one budget.

    `cuts` are (feature, edges) pairs, `choices` one strategy a bin, the last feature's bins running fastest. `fixed` is
    the best single strategy; it is used where a feature is not known. A strategy is written `name?key=value&key=value`.
    """

    budget: float
    fixed: str
    cuts: tuple[tuple[str, tuple[float, ...]], ...] = ()
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        bins = math.prod(len(edges) + 1 for _, edges in self.cuts)
        if self.cuts and len(self.choices) != bins:
            raise PonderError(f"plan: {len(self.choices)} choices for {bins} bins at budget {self.budget:g}")
        if unknown := [name for name, _ in self.cuts if name not in FEATURES]:
            raise PonderError(f"plan: unknown feature {unknown[0]!r}; there are {', '.join(FEATURES)}")

    @property
    def looks(self) -> bool:
        """Whether samples must be looked at before choosing."""
        return bool(self.cuts)

    @property
    def scores(self) -> bool:
        """Whether the verifier must be asked about them."""
        return any(name == "score" for name, _ in self.cuts)

    def bin(self, known: Difficulty) -> int | None:
        """Which choice; None if a feature is not known. A value on an edge belongs to the bin above it."""
        at = 0
        for name, edges in self.cuts:
            value = getattr(known, name)
            if value is None:
                return None
            at = at * (len(edges) + 1) + bisect_right(edges, value)
        return at

    def choose(self, known: Difficulty) -> str:
        """The strategy for problems of this kind."""
        at = self.bin(known)
        return self.fixed if at is None or not self.cuts else self.choices[at]


@dataclass(frozen=True)
class Plan:
    """Rows fitted on all problems (`table`), rows fitted on each half of them, and which half a problem was in."""

    max_tokens: int
    probes: int
    table: tuple[Row, ...]
    halves: tuple[tuple[Row, ...], tuple[Row, ...]] = ((), ())
    half_of: Mapping[str, int] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)

    def row(self, question: Question, budget: float, max_tokens: int) -> Row:
        """The row of the largest fitted budget that is not above this one (the smallest if all are above)."""
        half = self.half_of.get(mark(question))
        rows = self.table if half is None else self.halves[1 - half]
        scaled = budget * self.max_tokens / max_tokens
        below = [row for row in rows if row.budget <= scaled * (1 + 1e-9)]
        return max(below, key=lambda row: row.budget) if below else min(rows, key=lambda row: row.budget)


def mark(question: Question) -> str:
    """A short name for a question by its text."""
    return hashlib.sha256(question.text.encode()).hexdigest()[:10]


def as_data(plan: Plan) -> dict[str, Any]:
    """The plan as plain data, for JSON."""
    return {"schema": SCHEMA, **asdict(plan)}


def of_data(data: Any, where: str) -> Plan:
    """The plan in `data`. Raises PonderError, naming `where`, if it is none."""
    try:
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r} instead of {SCHEMA}")
        first, second = data["halves"]
        plan = Plan(
            int(data["max_tokens"]),
            int(data["probes"]),
            _rows(data["table"]),
            (_rows(first), _rows(second)),
            {str(name): int(half) for name, half in data["half_of"].items()},
            data["made"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PonderError(f"{where}: not a plan ({error}); fit one with ponder eval --fit-plan FILE") from None
    if not plan.table or plan.probes < 1 or (plan.half_of and not all(plan.halves)):
        raise PonderError(f"{where}: not a whole plan; fit one with ponder eval --fit-plan FILE")
    return plan


def _rows(data: Any) -> tuple[Row, ...]:
    return tuple(
        Row(
            float(row["budget"]),
            str(row["fixed"]),
            tuple((str(name), tuple(map(float, edges))) for name, edges in row["cuts"]),
            tuple(map(str, row["choices"])),
        )
        for row in data
    )


@cache
def read(path: str) -> Plan:
    """The plan in the file `path`; "" is the one that ships, fitted on the embedded model's validation problems."""
    try:
        if path:
            text = Path(path).read_text(encoding="utf-8")
        else:
            text = resources.files("ponder").joinpath("assets/plan.json").read_text(encoding="utf-8")
        data = json.loads(text)
    except OSError as error:
        raise PonderError(f"plan {path}: cannot be read ({error.strerror}); name a file of --fit-plan") from None
    except ValueError as error:
        raise PonderError(f"plan {path}: not JSON ({error}); fit one with ponder eval --fit-plan FILE") from None
    return of_data(data, f"plan {path}")


def parsed(spec: str) -> tuple[str, dict[str, int | float | str]]:
    """`beam?width=8` -> ("beam", {"width": 8})."""
    name, _, rest = spec.partition("?")
    pairs = [pair.partition("=") for pair in rest.split("&") if pair]
    return name, {key: _value(text) for key, _, text in pairs}


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
