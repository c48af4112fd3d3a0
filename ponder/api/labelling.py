"""`ponder label`: problems -> responses of a model with labels on their steps -> labels.parquet.

Finished problems are kept in a journal as they come, so a job that was stopped goes on with --resume and gives the
same labels. Where a family has a computable truth the labels are held against it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ponder.api.policies import Policy, load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.api.verifiers.loading import load_verifier
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import ratio_interval
from ponder.labels import parquet
from ponder.labels.job import Finished, Job, label_all
from ponder.labels.methods import Settings, method
from ponder.labels.quality import LabelErrors, label_errors
from ponder.labels.rollouts import Source
from ponder.labels.rows import LabelRow, Origin, fingerprint
from ponder.models.size import parameters
from ponder.problems.step_truth import good_steps
from ponder.rollout.collect import Grade
from ponder.runlog import RunLog, environment
from ponder.runlog.files import write_json
from ponder.seeds import derive_seed
from ponder.types import PonderError, Problem, StepLabel

JOURNAL, LABELS, SUMMARY = "labels.jsonl", "labels.parquet", "label.json"


@dataclass(frozen=True)
class Request:
    """What `ponder label` was asked for. `budget` is in token-equivalents a problem."""

    model: str
    problems: tuple[str, ...]
    split: str
    limit: int
    method: str
    responses: int
    rollouts: int
    searches: int
    prover: str | None
    best_of: int
    judge: Path | None
    budget: float | None
    separator: str
    seed: int
    temperature: float
    max_tokens: int
    device: str
    out: Path
    resume: bool
    allow_unsafe_code: bool = False


def label(request: Request, tell: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Label everything and write the files; returns the summary."""
    _check(request)
    families = load_families(request.problems)
    problems = draw_problems(families, request.split, request.limit, request.seed)
    policy = _policy(request, request.model)
    with ground_truth(families, allow_unsafe_code=request.allow_unsafe_code) as truth:
        job = _job(request, policy, truth.grade)
        with RunLog.open(request.out, _config(request, job.origin), resume=request.resume):
            started = time.monotonic()
            note = f"{request.method}, problems labelled"
            journal = request.out / JOURNAL
            finished = run_async(label_all(problems, job, journal, lambda done, total: tell(done, total, note)))
            parquet.write(request.out / LABELS, [row for each in finished for row in each.rows])
            summary = _summary(request, problems, finished, job.origin, dict(truth.failures))
            summary["seconds"] = time.monotonic() - started
            write_json(request.out / SUMMARY, summary)
    return summary


def _check(request: Request) -> None:
    method(request.method)
    if request.best_of > 1 and request.method != "advantages":
        raise PonderError(f"--best-of {request.best_of}: only --method advantages has a best-of-K prover")
    if request.best_of > request.rollouts:
        raise PonderError(
            f"--best-of {request.best_of} with --rollouts {request.rollouts}: the best of K draws is valued from at "
            "least K rollouts; lower --best-of or raise --rollouts"
        )
    if request.method == "rest" and request.prover:
        raise PonderError("--prover: --method rest draws no rollouts; leave the prover out")
    if request.judge and request.method == "rest":
        raise PonderError("--judge: --method rest does not look for the first error; use shepherd or omega")


def _policy(request: Request, name: str) -> Policy:
    return load_policy(name, device=request.device, temperature=request.temperature, separator=request.separator)


def _job(request: Request, policy: Policy, grade: Grade) -> Job:
    chosen = method(request.method)
    seed = derive_seed("label", request.seed)
    source = Source(policy.propose, grade, max_tokens=request.max_tokens, seed=seed)
    tokens = fingerprint(policy.tokenizer.get_vocab())
    origin = Origin(request.method, request.model, tokens, request.separator, request.seed, chosen.correctness)
    return Job(
        method=chosen,
        settings=Settings(request.rollouts, request.searches, request.best_of),
        responses=request.responses,
        source=source,
        prover=_prover(request, policy, grade, tokens) if request.prover else source,
        origin=origin,
        budget=request.budget,
        judge=load_verifier(request.judge, policy) if request.judge else None,
    )


def _prover(request: Request, policy: Policy, grade: Grade, tokens: str) -> Source:
    """The other model whose rollouts value the steps; it must read the policy's tokens as they are."""
    prover = _policy(request, request.prover or "")
    theirs = fingerprint(prover.tokenizer.get_vocab())
    if theirs != tokens:
        raise PonderError(
            f"--prover {request.prover}: its tokenizer ({theirs}) is not that of {request.model} ({tokens}); "
            "steps are handed over as tokens, so choose a prover with the same tokenizer"
        )
    price = parameters(prover.model) / parameters(policy.model)
    seed = derive_seed("prover", request.seed)
    return Source(prover.propose, grade, max_tokens=request.max_tokens, seed=seed, price=price)


def _config(request: Request, origin: Origin) -> dict[str, Any]:
    """What decides the labels; the same for every start of one job."""
    config = asdict(replace(request, out=Path(), resume=False))
    del config["out"], config["resume"], config["allow_unsafe_code"]
    return {
        **config,
        "problems": list(request.problems),
        "judge": str(request.judge) if request.judge else None,
        "tokenizer": origin.tokenizer,
    }


def _summary(
    request: Request,
    problems: Sequence[Problem],
    finished: Sequence[Finished],
    origin: Origin,
    failures: Mapping[str, int],
) -> dict[str, Any]:
    rows = [row for each in finished for row in each.rows]
    return {
        "schema": 1,
        "method": request.method,
        "model": request.model,
        "tokenizer": origin.tokenizer,
        "step_rule": request.separator,
        "problems": len(problems),
        "without_labels": sum(not each.rows for each in finished),
        "rows": len(rows),
        "steps": sum(len(row.steps) for row in rows),
        "labels": sum(len(row.labels) for row in rows),
        "first_errors": sum(row.first_error is not None and row.first_error >= 0 for row in rows),
        "rollouts": sum(each.drawn for each in finished),
        "spent": sum(each.spent for each in finished),
        "judge": {
            "disagreed": sum(each.disagreed for each in finished),
            "undecided": sum(each.undecided for each in finished),
        }
        if request.judge
        else None,
        "truth": truth_of(problems, finished, request.seed) if request.method != "rest" else {},
        "failures": dict(failures),
        "revision": environment.revision(),
        "versions": environment.versions(),
        "machine": environment.machine(request.device),
        "file": str(request.out / LABELS),
    }


def truth_of(problems: Sequence[Problem], finished: Sequence[Finished], seed: int) -> dict[str, Any]:
    """By family: errors of the labels that came from rollouts against the computed truth, intervals over problems."""
    by_family: dict[str, list[LabelErrors]] = {}
    for problem, each in zip(problems, finished, strict=True):
        errors = [e for row in each.rows if (e := _errors(problem, row)) is not None]
        if errors:
            by_family.setdefault(problem.family, []).append(sum(errors, LabelErrors()))
    return {family: _rates(errors, seed) for family, errors in by_family.items()}


def _errors(problem: Problem, row: LabelRow) -> LabelErrors | None:
    good = good_steps(problem, row.steps)
    if good is None:
        return None
    last = len(row.steps) - 1  # its label is the outcome itself
    labelled = zip(row.label_steps, row.labels, row.rollouts, strict=True)
    return label_errors([StepLabel(*each) for each in labelled if each[0] != last], good)


def _rates(errors_P: Sequence[LabelErrors], seed: int) -> dict[str, Any]:
    pairs = {
        "error": [(e.false_positives + e.false_negatives, e.good + e.bad) for e in errors_P],
        "false_positives": [(e.false_positives, e.bad) for e in errors_P],
        "false_negatives": [(e.false_negatives, e.good) for e in errors_P],
    }
    found = {name: ratio_interval(*zip(*some, strict=True), seed=seed) for name, some in pairs.items()}
    rates = {name: None if interval is None else asdict(interval) for name, interval in found.items()}
    return {**rates, "good_steps": sum(e.good for e in errors_P), "bad_steps": sum(e.bad for e in errors_P)}
