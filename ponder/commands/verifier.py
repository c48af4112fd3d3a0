"""`ponder verifier train`, and a trained verifier from its folder as a judge for a policy.

Labelled steps come from a label file (`ponder label`) or are collected on the spot: groups of samples, rollout labels
for the mixed ones, outcomes for all. A tenth of the problems is held out; on it the temperature of the scores is fitted
and what the command reports is measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from ponder.commands import judging
from ponder.commands.assemble import Policy, families, policy, truth
from ponder.commands.judging import Case
from ponder.engines.loop import run as run_async
from ponder.evaluation.audit.calibration import (
    auc,
    expected_calibration_error,
    first_error,
    first_error_f1,
    fit_temperature,
)
from ponder.labels.rows import fingerprint
from ponder.learning.verifier_learner import FitReport, VerifierLearner
from ponder.models.depth import shallower
from ponder.models.heads import judging_model
from ponder.models.load import save as save_model
from ponder.models.size import parameters
from ponder.protocols import Judge
from ponder.rollout.collect import collect
from ponder.rollout.step_labels import label
from ponder.seeds import derive_seed
from ponder.types import PonderError, Verdict
from ponder.verifiers.aggregation import AGGREGATIONS
from ponder.verifiers.learned import folder as folders
from ponder.verifiers.learned.folder import FILE, Spec, Stored
from ponder.verifiers.learned.generative.judge import Asked
from ponder.verifiers.learned.kinds import kind as kind_of
from ponder.verifiers.learned.kinds import make
from ponder.verifiers.learned.unified.objective import Unified

TRUNKS = ("separate", "shared", "frozen")
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Request:
    """What to train. `labels` is a label file, or None to collect from `problems`.

    `critiques` above 0 trains a generative verifier on critiques that the labels ask for; with `own_critiques` it then
    writes one for every trajectory and learns from those of which each verdict is that of the labels (2504.16828).
    `trunk`: "separate" weights; "shared" with the policy, which learns along; "frozen", a head on the policy as it is.
    `depth` below 1 keeps only the first part of the layers of a separate trunk, which is as much cheaper to ask.
    `learning_rate` None takes the vetted one, 5e-4, or 1e-2 for a head alone.
    """

    kind: str
    out: Path
    model: str = "tiny"
    labels: Path | None = None
    problems: tuple[str, ...] = ("arithmetic", "cipher", "countdown")
    groups: int = 150
    samples: int = 8
    rollouts: int = 4
    most_steps: int = 5
    max_tokens: int = 400
    trunk: str = "separate"
    depth: float = 1.0
    hard: bool = False
    aggregation: str | None = None
    critiques: int = 0
    own_critiques: bool = False
    learning_rate: float | None = None
    batch: int = 16
    epochs: int = 1
    separator: str = "\n"
    seed: int = 0
    device: str = "cpu"


def train(request: Request, tell: Tell) -> dict[str, Any]:
    """Train a verifier, save its folder, return what it is worth on problems it did not learn from."""
    spec = spec_of(request)
    asker = policy(request.model, device=request.device, separator=request.separator)
    spec = replace(spec, tokenizer=fingerprint(asker.tokenizer.get_vocab()))
    tell(0, 3, "labelled steps")
    cases = (
        judging.read_labels(request.labels, request.separator, spec.tokenizer)
        if request.labels
        else collected(request, asker)
    )
    learn, held = _held_out(cases, request.seed)
    tell(1, 3, f"training on {len(learn)} trajectories")
    started = time.monotonic()
    stored, fitted = fit(request, asker, learn, spec)
    seconds = time.monotonic() - started
    tell(2, 3, f"measuring on {len(held)} trajectories")
    verdicts = run_async(judging.verdicts(judge_of(stored, asker), held))
    temperature = _temperature(held, verdicts)
    report = {
        "kind": request.kind,
        "trunk": request.trunk,
        "trained_on": len(learn),
        "held_out": len(held),
        "steps": fitted.steps,
        "skipped": fitted.skipped,
        "loss": fitted.loss,
        "work": fitted.work,
        "seconds": seconds,
        "temperature": temperature,
        **_quality(held, verdicts),
    }
    folders.save(request.out, stored.model, asker.tokenizer, replace(spec, temperature=temperature), stored.reference)
    if request.trunk == "shared":  # the policy moved with it; one set of weights, two heads
        save_model(asker.model, asker.tokenizer, request.out / "policy")
    tell(3, 3, "done")
    return {**report, "out": str(request.out)}


def shown(report: dict[str, Any]) -> str:
    """The report in a few lines for people; a dash is not measured."""
    auc, ece, steps, f1 = (_number(report[name]) for name in ("outcome_auc", "outcome_ece", "step_auc", "step_f1"))
    return (
        f"{report['kind']} verifier from {report['trained_on']} trajectories in {report['seconds']:.0f} s "
        f"({report['steps']} steps, {report['skipped']} skipped)\n"
        f"On {report['held_out']} held-out trajectories: outcomes AUC {auc}, calibration error {ece}; "
        f"steps AUC {steps}, first-error F1 {f1}\n"
        f"Written: {report['out']}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def fit(
    request: Request, asker: Policy, cases: Sequence[Case], spec: Spec, most_work: float = math.inf
) -> tuple[Stored, FitReport]:
    """The trained model with its spec, and the learner's report. With a shared trunk `asker.model` learns too."""
    frozen, shared = request.trunk == "frozen", request.trunk == "shared"
    kind = kind_of(request.kind)
    reference = judging_model(asker.model, "causal").requires_grad_(False) if request.kind == "implicit" else None
    head_seed = derive_seed("verifier head", request.seed)
    model = judging_model(asker.model, kind.form, labels=kind.labels, seed=head_seed, shared=shared or frozen)
    model = shallower(model, request.depth)
    # Work is counted in tokens of the policy: forward and backward, or forward alone.
    work = {"work": 1.0} if frozen else {"work": 3.0 * parameters(model) / parameters(asker.model)}
    settings = _settings(request, spec, asker, reference) | (work if frozen or request.depth < 1 else {})
    objective = make(request.kind, **settings)
    goal = Unified(objective, asker.model) if shared else objective
    asker.model.base_model.requires_grad_(not frozen)  # the learner takes what may learn: with a frozen trunk the head
    learner = VerifierLearner(
        model,
        goal,
        learning_rate=request.learning_rate or (1e-2 if frozen else 5e-4),
        batch=request.batch,
        extra=list(asker.model.parameters()) if shared else (),
    )
    prompt, encode = asker.propose.prompts.tokens, asker.codec.encode
    rows = [judging.row(case, prompt, encode(judging.written(case)) if request.critiques else ()) for case in cases]
    generator = torch.Generator().manual_seed(derive_seed("verifier", request.seed) % 2**31)
    epochs = None if most_work < math.inf else request.epochs
    stored = Stored(model, spec, reference)
    report = learner.fit(rows, generator, epochs=epochs, most_work=most_work)
    _follow(asker, shared)
    if request.own_critiques:
        some = own_critiques(stored, asker, cases)
        if some:
            report = learner.fit([judging.row(case, prompt, encode(text)) for case, text in some], generator)
            _follow(asker, shared)
    asker.model.base_model.requires_grad_(True)
    return stored, report


def _follow(asker: Policy, moved: bool) -> None:
    """Let the engine have the weights of a policy that learned along: a head that shares them reads its states."""
    if moved:
        asker.engine.replace_weights(asker.model.state_dict(), asker.engine.version + 1)


def own_critiques(stored: Stored, asker: Policy, cases: Sequence[Case]) -> list[tuple[Case, str]]:
    """What the verifier itself says of the cases, as far as each verdict is that of the labels."""
    verdicts = run_async(judging.verdicts(judge_of(stored, asker), cases))
    pairs = zip(cases, verdicts, strict=True)
    return [(case, verdict.detail) for case, verdict in pairs if judging.kept(case, verdict.detail)]


def load_judge(folder: Path, policy: Policy) -> Judge:
    """The verifier in `folder` for `policy`'s tokens. A folder without a spec is a step verifier of `ponder run`."""
    print_ = fingerprint(policy.tokenizer.get_vocab())
    assumed = None if (folder / FILE).exists() else _assumed(folder, policy)
    stored = folders.load(
        folder, tokenizer=print_, step_rule=policy.propose.separator, device=policy.model.device, assumed=assumed
    )
    return judge_of(stored, policy)


def judge_of(stored: Stored, policy: Policy) -> Judge:
    """A stored verifier at work. A trunk that is the policy's is cheaper only if it still is that."""
    shared = judging.reads_the_policy(stored, policy)
    return judging.judge(stored, policy, shared=shared, policy_parameters=parameters(policy.model))


def _assumed(folder: Path, policy: Policy) -> Spec:
    """What `ponder run` leaves: a step verifier, read at its last step, with its tokenizer beside it."""
    if not (folder / "config.json").is_file():  # else the name would be looked for on the hub, which may take a minute
        raise PonderError(f"{folder} is no verifier folder: it has no config.json; `ponder verifier train` writes one")
    try:
        known = fingerprint(AutoTokenizer.from_pretrained(folder, trust_remote_code=False).get_vocab())
    except (OSError, ValueError) as error:
        raise PonderError(f"{folder} is no verifier folder: no {FILE} and no tokenizer ({error})") from error
    return Spec("process", known, policy.propose.separator, "last")


def spec_of(request: Request) -> Spec:
    """The spec that the request asks for, without the tokenizer; PonderError for settings that do not go together."""
    kind = kind_of(request.kind)
    if request.trunk not in TRUNKS:
        raise PonderError(f"--trunk {request.trunk!r}; allowed are {', '.join(TRUNKS)}")
    if request.depth != 1 and (request.trunk != "separate" or kind.form == "causal"):
        raise PonderError(
            f"--depth {request.depth:g} cuts a separate trunk with a head; kind {request.kind} with --trunk "
            f"{request.trunk} has none to cut"
        )
    if request.trunk == "frozen" and kind.form == "causal":
        raise PonderError(
            f"--trunk frozen trains a head alone, and kind {request.kind} has none; use separate or shared"
        )
    if request.aggregation is not None and (kind.aggregation is None or request.aggregation not in AGGREGATIONS):
        raise PonderError(
            f"--aggregation {request.aggregation!r} with kind {request.kind}; allowed are {', '.join(AGGREGATIONS)}, "
            "for kinds that score steps"
        )
    if request.critiques and request.kind != "generative":
        raise PonderError(f"--critiques is for kind generative, not for {request.kind}")
    if request.own_critiques and not request.critiques:
        raise PonderError("--own-critiques needs --critiques: how many a judgement is to write")
    if request.hard and request.kind != "process":
        raise PonderError(f"--hard is for kind process, not for {request.kind}")
    how = request.aggregation or kind.aggregation
    return Spec(request.kind, "", request.separator, how, trunk=request.trunk, critiques=request.critiques)


def _settings(request: Request, spec: Spec, asker: Policy, reference: Any) -> dict[str, Any]:
    if request.kind == "implicit":
        return {"reference": reference, "beta": spec.beta}
    if request.kind == "generative":
        asked = Asked.of(asker.codec.encode, spec.question, spec.yes, spec.no)
        return {"question": asked.question, "yes": asked.yes, "no": asked.no}
    return {"hard": True} if request.hard else {}


def collected(request: Request, asker: Policy) -> list[Case]:
    """Samples of training problems: step labels for those that are solved sometimes, outcomes for all."""
    some = families(request.problems)
    problems = [
        f.problem(i, split="train", seed=request.seed) for i in range(-(-request.groups // len(some))) for f in some
    ]
    draw: dict[str, Any] = {"max_tokens": request.max_tokens, "seed": derive_seed("verifier data", request.seed)}
    with truth(some) as grader:
        groups = run_async(collect(problems, asker.propose, grader.grade, group_size=request.samples, **draw))
        mixed = [group for group in groups if group.solve_rate not in (0.0, 1.0, None)]
        how = {"rollouts": request.rollouts, "most_steps": request.most_steps}
        labelled = run_async(label(mixed, asker.propose, grader.grade, **how, **draw))
    return judging.cases(groups, labelled)


def _held_out(cases: Sequence[Case], seed: int) -> tuple[list[Case], list[Case]]:
    """Nine tenths of the problems to learn from, one to measure on."""
    ids = sorted({case.problem for case in cases}, key=lambda id: derive_seed("held out", seed, id))
    held = set(ids[: max(1, len(ids) // 10)])
    learn = [case for case in cases if case.problem not in held]
    if not learn:
        raise PonderError(f"labels of {len(ids)} problems; at least 2 are needed, one of them to measure on")
    return learn, [case for case in cases if case.problem in held]


def _temperature(held: Sequence[Case], verdicts: Sequence[Verdict]) -> float:
    pairs = [(v.score, c.outcome) for v, c in zip(verdicts, held, strict=True)]
    known = [(s, y) for s, y in pairs if s is not None and y is not None]
    return fit_temperature([s for s, _ in known], [y for _, y in known]) or 1.0


def _quality(held: Sequence[Case], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """AUC and calibration error on outcomes, AUC and first-error F1 on labelled steps; None where undefined."""
    whole = [(v.score, c.outcome) for v, c in zip(verdicts, held, strict=True)]
    known = [(s, y) for s, y in whole if s is not None and y is not None]
    both = [
        ([v.step_scores[k] for k, _ in c.labels], [value for _, value in c.labels])
        for v, c in zip(verdicts, held, strict=True)
        if v.step_scores and c.labels
    ]
    return {
        "outcome_auc": auc([s for s, _ in known], [y for _, y in known]),
        "outcome_ece": expected_calibration_error([s for s, _ in known], [y for _, y in known]),
        "step_auc": auc([s for some, _ in both for s in some], [y for _, some in both for y in some]),
        "step_f1": first_error_f1([first_error(s) for s, _ in both], [first_error(y) for _, y in both]),
    }
