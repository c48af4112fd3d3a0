"""`ponder eval --pool FILE`: what somebody else's samples are worth, without running a model.

Rows are `{"problem", "answer", "responses": [text, ...], "scores"?: [0 to 1, or a list of step scores, ...], "id"?}`.
Every response is graded; then, for every number of samples N that all problems have, the expected accuracy of one
sample, of the majority, of the best-scored, of the score-weighted vote, and the share of problems with a right sample.
All are means over subsets without replacement: in closed form but for the weighted vote, which is over at most 2,000.

Votes count classes of answers (`verifiers.votes`), which depend on each answer alone and never on the key, so that the
vote knows no more than it would have known when it was taken, and the order of the file changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ponder.api.evaluating.pool_rows import Row, read
from ponder.api.outputs import result_folder
from ponder.evaluation.intervals import mean_interval
from ponder.evaluation.metrics import best_of_n, majority_at_k, pass_at_k, weighted_vote_at_k
from ponder.problems.files.jsonl import INSTRUCTIONS
from ponder.reports.pool.page import render
from ponder.runlog import environment
from ponder.runlog.files import write_json
from ponder.types import Key, PonderError, Problem, Question
from ponder.verifiers.aggregation import Aggregation
from ponder.verifiers.truth import GroundTruth
from ponder.verifiers.votes import canonical_answer

MOST_NS = 24  # larger pools are shown at this many N, evenly on a logarithmic scale
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """The samples of a problem that could be graded: outcome, canonical answer (None: none was given), score."""

    outcomes_G: tuple[float, ...]
    answers_G: tuple[str | None, ...]
    scores_G: tuple[float, ...] | None


def evaluate_pool(
    file: Path,
    out: Path,
    *,
    aggregation: Aggregation = "last",
    seed: int = 0,
    workers: int = 1,
    overwrite: bool = False,
    tell: Tell = lambda *_: None,
) -> dict[str, Any]:
    """Grade the samples in `file`, write `out/metrics.json` and its page; returns what the former holds."""
    rows = read(file, aggregation)
    out = result_folder(out, ("metrics.json",), overwrite=overwrite)
    with GroundTruth(workers=workers) as truth:
        judged, failures = _judge(rows, truth, tell)
    if not judged:
        raise PonderError(
            f"{file}: no response of {len(rows)} problems could be graded; look at the answers: {failures}"
        )
    metrics = {
        "schema": 1,
        "pool": str(file),
        "n": len(judged),
        "dropped": len(rows) - len(judged),
        "failures": failures,
        "aggregation": aggregation,
        "seed": seed,
        **measure(judged, seed=seed),
        "revision": environment.revision(),
        "versions": environment.versions(),
    }
    write_json(out / "metrics.json", metrics)
    render(out)
    return metrics


def measure(judged: Sequence[Judged], *, seed: int = 0) -> dict[str, Any]:
    """Every measure at every N, each `{"y", "low", "high", "n"}` with its interval over problems; null where unknown.

    `largest` is the N of the summary: the fewest samples that any problem has.
    """
    most = min(len(j.outcomes_G) for j in judged)
    scored = all(j.scores_G is not None for j in judged)
    curves: dict[str, list[dict[str, Any]]] = {}
    for n in shown(most):
        for name, value in _measures(n, seed).items():
            if scored or name not in ("best_of_n", "weighted_vote"):
                interval = mean_interval([v for j in judged if (v := value(j)) is not None], seed=seed)
                curves.setdefault(name, []).append({"N": n, **(asdict(interval) if interval else {"y": None})})
    return {
        "largest": most,
        "results": {"mean": curves["pass"][0], **{name: points[-1] for name, points in curves.items()}},
        "curves": curves,
        "estimated": ["weighted_vote"] if scored and math.comb(most, most // 2) > 2000 else [],
    }


def _measures(n: int, seed: int) -> dict[str, Callable[[Judged], float | None]]:
    return {
        "pass": lambda j: pass_at_k(len(j.outcomes_G), sum(y > 0 for y in j.outcomes_G), n),
        "majority": lambda j: majority_at_k(j.answers_G, j.outcomes_G, n),
        "best_of_n": lambda j: best_of_n(j.scores_G or (), j.outcomes_G, n),
        "weighted_vote": lambda j: weighted_vote_at_k(j.answers_G, j.scores_G or (), j.outcomes_G, n, seed=seed),
    }


def shown(most: int) -> list[int]:
    """All N up to `most`, or `MOST_NS` of them, 1 and `most` included."""
    if most <= MOST_NS:
        return list(range(1, most + 1))
    return sorted({round(math.exp(math.log(most) * i / (MOST_NS - 1))) for i in range(MOST_NS)})


def _judge(rows: Sequence[Row], truth: GroundTruth, tell: Tell) -> tuple[list[Judged], dict[str, int]]:
    """Grade all responses and tell the classes of their answers."""
    pairs = [(row, text) for row in rows for text in row.responses]
    verdicts = []
    graded = truth.stream([_problem(row) for row, _ in pairs], [text for _, text in pairs])
    for done, verdict in enumerate(graded, start=1):
        verdicts.append(verdict)
        tell(done, len(pairs), "grading responses")
    failures = dict(truth.failures)
    each = iter(verdicts)
    judged = []
    for row in rows:
        question, scores = _problem(row).question, row.scores or (None,) * len(row.responses)
        trios = [(next(each).outcome, text, score) for text, score in zip(row.responses, scores, strict=True)]
        held = [(y, canonical_answer(question, text), score) for y, text, score in trios if y is not None]
        if held:
            outcomes, answers, kept = zip(*held, strict=True)
            judged.append(Judged(outcomes, answers, None if row.scores is None else kept))
    return judged, failures


def _problem(row: Row) -> Problem:
    question = Question(row.id, "pool", row.text, INSTRUCTIONS.get(row.verifier, ""))
    return Problem(question, Key(row.answer, {"verifier": row.verifier}))
