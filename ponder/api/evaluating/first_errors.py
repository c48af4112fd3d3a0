"""ProcessBench (arXiv 2412.06559): whether a verifier finds the first wrong step, and rightly finds none.

Rows are `{"id", "problem", "steps", "label"}` as published (the index from 0 of the first wrong step, -1 for none), or
with `first_error` (null for none) instead of `label`. F1 is the harmonic mean of the accuracy on flawed and on
flawless solutions; always "no error" gives 0. The cut below which a step counts as wrong is 0.5, and beside it the one
that did best on the other half of the problems, so that none chooses its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ponder.api.policies import Policy, Source, source_of
from ponder.api.verifiers.loading import load_verifier
from ponder.engines.loop import run as run_async
from ponder.evaluation.audit import verifier_quality as quality
from ponder.evaluation.audit.calibration import CUT, NO_ERROR, first_error, first_error_f1
from ponder.evaluation.audit.verifier_quality import Judged
from ponder.evaluation.intervals import mean_interval
from ponder.evaluation.verifier_gain import halved
from ponder.problems.files.jsonl import numbered_rows
from ponder.search.common import together
from ponder.types import PonderError, Question, Step, StopReason, Trajectory

Row = dict[str, Any]


def measure(
    file: Path, verifier: str, model: str | Policy | Source, limit: int | None, seed: int, device: str
) -> dict[str, Any]:
    """F1 and both its halves, by cut. Solutions that do not fit into the context are left out and counted."""
    policy = source_of(model, device=device).policy
    if policy is None:
        raise PonderError("--suite processbench reads steps with a model's own tokens: give a local --model")
    rows = [read(row, f"{file}, line {line}") for line, row in numbered_rows(file)][:limit]
    cases = [(row, trajectory) for row in rows if (trajectory := trajectory_of(row, policy)) is not None]
    if not cases:
        raise PonderError(f"{file}: none of {len(rows)} solutions fits into {policy.engine.context} tokens")
    judge = load_verifier(Path(verifier), policy)
    verdicts = run_async(together([judge(t.question, [t]) for _, t in cases]))
    scored = [some[0].step_scores for some in verdicts]
    if any(not steps for steps in scored):
        raise PonderError(f"{verifier} gives no score a step, so it cannot name a wrong one; use a process verifier")
    steps = [tuple(some or ()) for some in scored]
    actual = [row["first_error"] for row, _ in cases]
    ids = [f"{row['id']}/{place}" for place, (row, _) in enumerate(cases)]
    half = halved(((id, "all") for id in ids), seed)
    crossed, cuts = [NO_ERROR] * len(ids), []
    for this, other in ((0, 1), (1, 0)):
        cut = quality.best_cut([_judged(i, ids, steps, actual) for i, id in enumerate(ids) if id in half[other]])
        cuts.append(cut)
        for i, id in enumerate(ids):
            if id in half[this]:
                crossed[i] = first_error(steps[i], cut)
    return {
        "schema": 1,
        "suite": "processbench",
        "file": str(file),
        "verifier": verifier,
        "n": len(cases),
        "left_out": len(rows) - len(cases),
        "flawed": sum(wrong != NO_ERROR for wrong in actual),
        "cut": {"at": CUT, **_told([first_error(some) for some in steps], actual, seed)},
        "crossed": {"at": cuts, **_told(crossed, actual, seed)},
        "never_wrong": _told([NO_ERROR] * len(actual), actual, seed),
    }


def read(row: Row, where: str) -> Row:
    """A row with `first_error` as an index, -1 for none. Raises PonderError naming what is not as it should be."""
    steps = row.get("steps")
    if not isinstance(row.get("problem"), str) or not isinstance(steps, list) or not steps:
        raise PonderError(f'{where}: a row is {{"id", "problem", "steps": [text, ...], "label" or "first_error"}}')
    wrong = row["label"] if "label" in row else row.get("first_error", "missing")
    wrong = NO_ERROR if wrong is None else wrong
    if isinstance(wrong, bool) or not isinstance(wrong, int) or not NO_ERROR <= wrong < len(steps):
        raise PonderError(f"{where}: the first wrong step is {wrong!r}; give an index below {len(steps)}, -1 for none")
    return {"id": str(row.get("id", where)), "problem": row["problem"], "steps": steps, "first_error": wrong}


def trajectory_of(row: Row, policy: Policy) -> Trajectory | None:
    """The solution as steps; None if it does not fit into the context or holds an empty step."""
    leaf: Step | None = None
    for k, text in enumerate(row["steps"]):
        tokens = policy.codec.encode_plain(f"{str(text).strip()}\n")
        stop = StopReason.END if k == len(row["steps"]) - 1 else StopReason.STEP
        leaf = Step(tokens, (0.0,) * len(tokens), str(text), 0, stop, leaf)
    assert leaf is not None
    question = Question(row["id"], "processbench", row["problem"])
    length = len(policy.propose.prompts.tokens(question)) + len(Trajectory(question, leaf))
    fits = length <= policy.engine.context and all(str(text).strip() for text in row["steps"])
    return Trajectory(question, leaf) if fits else None


def _judged(i: int, ids: Sequence[str], steps: Sequence[tuple[float, ...]], actual: Sequence[int]) -> Judged:
    truth = tuple(actual[i] == NO_ERROR or k < actual[i] for k in range(len(steps[i])))
    return Judged(ids[i], float(actual[i] == NO_ERROR), len(steps[i]), 0.0, None, min(steps[i]), steps[i], truth)


def _told(predicted: Sequence[int], actual: Sequence[int], seed: int) -> dict[str, Any]:
    """F1 with its interval over solutions, and the two accuracies that it is made of."""
    pairs = list(zip(predicted, actual, strict=True))
    parts = {
        "on_flawed": [float(p == a) for p, a in pairs if a != NO_ERROR],
        "on_flawless": [float(p == a) for p, a in pairs if a == NO_ERROR],
    }
    intervals = {name: mean_interval(values, seed=seed) for name, values in parts.items()}
    ends = quality.resampled(
        [[pair] for pair in pairs], lambda some: first_error_f1([p for p, _ in some], [a for _, a in some]), seed=seed
    )
    return {
        "f1": None if ends is None else asdict(ends),
        **{name: None if i is None else asdict(i) for name, i in intervals.items()},
    }
