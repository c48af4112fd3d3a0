"""Labelled trajectories for a verifier: collected on the spot, held out, and what a verifier is worth on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ponder.api.policies import Policy
from ponder.api.problems import ground_truth, load_families
from ponder.api.verifiers.cases import cases_of
from ponder.api.verifiers.request import Request
from ponder.engines.loop import run as run_async
from ponder.evaluation.audit.calibration import (
    auc,
    expected_calibration_error,
    first_error,
    first_error_f1,
    fit_temperature,
)
from ponder.labels.contrast import label
from ponder.labels.labelled import Labelled
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.types import PonderError, Verdict


def collected(request: Request, asker: Policy) -> list[Labelled]:
    """Samples of training problems: step labels for those that are solved sometimes, outcomes for all."""
    some = load_families(request.problems)
    problems = [
        f.problem(i, split="train", seed=request.seed) for i in range(-(-request.groups // len(some))) for f in some
    ]
    seed, most = derive_seed("verifier data", request.seed), request.max_tokens
    with ground_truth(some) as grader:
        drawn = collect(problems, asker.propose, grader.grade, group_size=request.samples, max_tokens=most, seed=seed)
        groups = run_async(drawn)
        mixed = [group for group in groups if group.solve_rate not in (0.0, 1.0, None)]
        how = {"rollouts": request.rollouts, "most_steps": request.most_steps}
        labelled = run_async(label(mixed, asker.propose, grader.grade, max_tokens=most, seed=seed, **how))
    return cases_of(groups, labelled)


def held_out(cases: Sequence[Labelled], seed: int) -> tuple[list[Labelled], list[Labelled]]:
    """Nine tenths of the problems to learn from, one to measure on."""
    ids = sorted({case.problem for case in cases}, key=lambda id: derive_seed("held out", seed, id))
    held = set(ids[: max(1, len(ids) // 10)])
    learn = [case for case in cases if case.problem not in held]
    if not learn:
        raise PonderError(f"labels of {len(ids)} problems; at least 2 are needed, one of them to measure on")
    return learn, [case for case in cases if case.problem in held]


def fitted_temperature(held: Sequence[Labelled], verdicts: Sequence[Verdict]) -> float:
    pairs = [(v.score, c.outcome) for v, c in zip(verdicts, held, strict=True)]
    known = [(s, y) for s, y in pairs if s is not None and y is not None]
    return fit_temperature([s for s, _ in known], [y for _, y in known]) or 1.0


def quality(held: Sequence[Labelled], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """AUC and calibration error on outcomes, AUC and first-error F1 on labelled steps; None where undefined."""
    whole = [(v.score, c.outcome) for v, c in zip(verdicts, held, strict=True)]
    known = [(s, y) for s, y in whole if s is not None and y is not None]
    both = [
        ([v.step_scores[label.step] for label in c.labels], [label.value for label in c.labels])
        for v, c in zip(verdicts, held, strict=True)
        if v.step_scores and c.labels
    ]
    return {
        "outcome_auc": auc([s for s, _ in known], [y for _, y in known]),
        "outcome_ece": expected_calibration_error([s for s, _ in known], [y for _, y in known]),
        "step_auc": auc([s for some, _ in both for s in some], [y for _, some in both for y in some]),
        "step_f1": first_error_f1([first_error(s) for s, _ in both], [first_error(y) for _, y in both]),
    }
