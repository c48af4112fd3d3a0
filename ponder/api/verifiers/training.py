"""`ponder verifier train`, and a trained verifier from its folder as a judge for a policy.

Labelled steps come from a label file (`ponder label`) or are collected on the spot: groups of samples, rollout labels
for the mixed ones, outcomes for all. A tenth of the problems is held out; on it the temperature of the scores is fitted
and what the command reports is measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from ponder.api.policies import Policy, load_policy
from ponder.api.verifiers import cases as judged
from ponder.api.verifiers.collecting import collected, fitted_temperature, held_out, quality
from ponder.api.verifiers.judges import judge_cases, judge_of
from ponder.api.verifiers.request import Request, spec_of
from ponder.engines.loop import run as run_async
from ponder.labels.labelled import Labelled
from ponder.labels.rows import fingerprint
from ponder.learning.settings import JudgeTraining
from ponder.learning.verifier_learner import FitReport, VerifierLearner
from ponder.models.depth import shallower
from ponder.models.heads import judging_model
from ponder.models.load import save as save_model
from ponder.models.size import parameters
from ponder.seeds import derive_seed
from ponder.verifiers.learned import folder as folders
from ponder.verifiers.learned.folder import Spec, Stored
from ponder.verifiers.learned.generative.judge import Asked
from ponder.verifiers.learned.kinds import kind as kind_of
from ponder.verifiers.learned.kinds import make
from ponder.verifiers.learned.unified.objective import Unified

Tell = Callable[[int, int, str], None]


def train(request: Request, tell: Tell) -> dict[str, Any]:
    """Train a verifier, save its folder, return what it is worth on problems it did not learn from."""
    spec = spec_of(request)
    asker = load_policy(request.model, device=request.device, separator=request.separator)
    spec = replace(spec, tokenizer=fingerprint(asker.tokenizer.get_vocab()))
    tell(0, 3, "labelled steps")
    cases = (
        judged.read_labels(request.labels, request.separator, spec.tokenizer)
        if request.labels
        else collected(request, asker)
    )
    learn, held = held_out(cases, request.seed)
    tell(1, 3, f"training on {len(learn)} trajectories")
    started = time.monotonic()
    stored, fitted = fit(request, asker, learn, spec)
    seconds = time.monotonic() - started
    tell(2, 3, f"measuring on {len(held)} trajectories")
    verdicts = run_async(judge_cases(judge_of(stored, asker), held))
    temperature = fitted_temperature(held, verdicts)
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
        **quality(held, verdicts),
    }
    folders.save(request.out, stored.model, asker.tokenizer, replace(spec, temperature=temperature), stored.reference)
    if request.trunk == "shared":  # the policy moved with it; one set of weights, two heads
        save_model(asker.model, asker.tokenizer, request.out / "policy")
    tell(3, 3, "done")
    return {**report, "out": str(request.out)}


def fit(
    request: Request, asker: Policy, cases: Sequence[Labelled], spec: Spec, most_work: float = math.inf
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
        JudgeTraining(learning_rate=request.learning_rate or (1e-2 if frozen else 5e-4)),
        batch=request.batch,
        extra=list(asker.model.parameters()) if shared else (),
    )
    prompt, encode = asker.propose.prompts.tokens, asker.codec.encode
    rows = [judged.row(case, prompt, encode(judged.written(case)) if request.critiques else ()) for case in cases]
    generator = torch.Generator().manual_seed(derive_seed("verifier", request.seed) % 2**31)
    epochs = None if most_work < math.inf else request.epochs
    stored = Stored(model, spec, reference)
    report = learner.fit(rows, generator, epochs=epochs, most_work=most_work)
    _follow(asker, shared)
    if request.own_critiques:
        some = own_critiques(stored, asker, cases)
        if some:
            report = learner.fit([judged.row(case, prompt, encode(text)) for case, text in some], generator)
            _follow(asker, shared)
    asker.model.base_model.requires_grad_(True)
    return stored, report


def _follow(asker: Policy, moved: bool) -> None:
    """Let the engine have the weights of a policy that learned along: a head that shares them reads its states."""
    if moved:
        asker.engine.replace_weights(asker.model.state_dict(), asker.engine.version + 1)


def own_critiques(stored: Stored, asker: Policy, cases: Sequence[Labelled]) -> list[tuple[Labelled, str]]:
    """What the verifier itself says of the cases, as far as each verdict is that of the labels."""
    verdicts = run_async(judge_cases(judge_of(stored, asker), cases))
    pairs = zip(cases, verdicts, strict=True)
    return [(case, verdict.detail) for case, verdict in pairs if judged.kept(case, verdict.detail)]


def _settings(request: Request, spec: Spec, asker: Policy, reference: Any) -> dict[str, Any]:
    if request.kind == "implicit":
        return {"reference": reference, "beta": spec.beta}
    if request.kind == "generative":
        asked = Asked.of(asker.codec.encode, spec.question, spec.yes, spec.no)
        return {"question": asked.question, "yes": asked.yes, "no": asked.no}
    return {"hard": True} if request.hard else {}
