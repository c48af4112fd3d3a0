"""Between labels, trajectories and judges: what the verifier command is made of."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedModel

from ponder.api.policies import Policy
from ponder.api.verifiers.cases import Case
from ponder.engines.local.engine import LocalEngine
from ponder.engines.local.prefix.reader import reader_of
from ponder.labels.rows import fingerprint
from ponder.models import lean
from ponder.models.size import parameters
from ponder.protocols import Judge
from ponder.types import PonderError, Verdict
from ponder.verifiers.learned import folder as folders
from ponder.verifiers.learned.folder import FILE, Spec, Stored
from ponder.verifiers.learned.generative import Asked, GenerativeVerifier
from ponder.verifiers.learned.implicit import ImplicitVerifier
from ponder.verifiers.learned.kinds import kind as kind_of
from ponder.verifiers.learned.outcome import OutcomeVerifier
from ponder.verifiers.learned.pairwise import PairwiseVerifier
from ponder.verifiers.learned.preference import PreferenceVerifier
from ponder.verifiers.learned.reader import EngineReader
from ponder.verifiers.learned.value import ValueVerifier
from ponder.verifiers.process import ProcessVerifier

_STEPS = {
    "process": ProcessVerifier,
    "outcome_per_token": ProcessVerifier,
    "value": ValueVerifier,
    "pairwise": PairwiseVerifier,
}
_WHOLES = {"outcome": OutcomeVerifier, "preference": PreferenceVerifier}


def _judge(stored: Stored, policy: Policy, *, shared: bool, policy_parameters: int) -> Judge:
    """The judge of a stored verifier's kind."""
    spec, prompt = stored.spec, policy.propose.prompts.tokens
    common: dict[str, Any] = {
        "policy_parameters": policy_parameters,
        "temperature": spec.temperature,
        "shared": shared,
        "reader": EngineReader(policy.engine) if shared else reader_of(stored.model),
    }
    if spec.kind in _WHOLES:
        return _WHOLES[spec.kind](stored.model, prompt, **common)
    if spec.kind == "generative":
        return _generative(stored, policy, common)
    common["aggregation"] = spec.aggregation
    if spec.kind == "implicit":
        assert stored.reference is not None  # `load` refused the folder otherwise
        # Both read with memory or neither: they are of one architecture.
        common["reference_reader"] = reader_of(stored.reference)
        return ImplicitVerifier(stored.model, stored.reference, prompt, beta=spec.beta, **common)
    return _STEPS[spec.kind](stored.model, prompt, **common)


def _generative(stored: Stored, policy: Policy, common: dict[str, Any]) -> Judge:
    spec = stored.spec
    asked = Asked.of(policy.codec.encode, spec.question, spec.yes, spec.no)
    engine = None
    if spec.critiques and common["shared"]:
        engine = policy.engine
    elif spec.critiques:  # an engine owns its weights
        engine = LocalEngine(copy.deepcopy(stored.model), policy.codec, device=str(stored.model.device))
    return GenerativeVerifier(
        stored.model,
        policy.propose.prompts.tokens,
        asked,
        engine=engine,
        decode=policy.codec.decode,
        critiques=spec.critiques,
        critique_tokens=spec.critique_tokens,
        **common,
    )


async def judge_cases(judge: Judge, some: Sequence[Case]) -> list[Verdict]:
    """What the judge says of each case, all at once."""
    found = await asyncio.gather(*(judge(case.trajectory.question, [case.trajectory]) for case in some))
    return [verdict for verdicts in found for verdict in verdicts]


def reads_the_policy(stored: Stored, policy: Policy) -> bool:
    """Whether the policy's engine computes what this verifier's head looks at.

    Its trunk must be the policy's still, and a causal head one linear layer on it, as in the lean families.
    """
    linear = kind_of(stored.spec.kind).form != "causal" or lean.supports(stored.model)
    return stored.spec.trunk != "separate" and linear and same_trunk(stored.model, policy.model)


def same_trunk(model: PreTrainedModel, policy: PreTrainedModel) -> bool:
    """Whether a verifier's trunk is, number by number, the policy's."""
    ours, theirs = model.base_model.state_dict(), policy.base_model.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def stored_verifier(folder: Path, policy: Policy) -> Judge:
    """The verifier in `folder` for `policy`'s tokens. A folder without a spec is a step verifier of `ponder run`."""
    print_ = fingerprint(policy.tokenizer.get_vocab())
    assumed = None if (folder / FILE).exists() else _assumed(folder, policy)
    stored = folders.load(
        folder, tokenizer=print_, step_rule=policy.propose.separator, device=policy.model.device, assumed=assumed
    )
    return judge_of(stored, policy)


def judge_of(stored: Stored, policy: Policy) -> Judge:
    """A stored verifier at work. A trunk that is the policy's is cheaper only if it still is that."""
    shared = reads_the_policy(stored, policy)
    return _judge(stored, policy, shared=shared, policy_parameters=parameters(policy.model))


def _assumed(folder: Path, policy: Policy) -> Spec:
    """What `ponder run` leaves: a step verifier, read at its last step, with its tokenizer beside it."""
    if not (folder / "config.json").is_file():  # else the name would be looked for on the hub, which may take a minute
        raise PonderError(f"{folder} is no verifier folder: it has no config.json; `ponder verifier train` writes one")
    try:
        known = fingerprint(AutoTokenizer.from_pretrained(folder, trust_remote_code=False).get_vocab())
    except (OSError, ValueError) as error:
        raise PonderError(f"{folder} is no verifier folder: no {FILE} and no tokenizer ({error})") from error
    return Spec("process", known, policy.propose.separator, "last")
