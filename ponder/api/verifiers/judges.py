"""Between labels, trajectories and judges: what the verifier command is made of."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedModel

from ponder.api.policies import Policy
from ponder.engines.local.engine import LocalEngine
from ponder.engines.local.prefix.reader import reader_of
from ponder.labels.labelled import Labelled
from ponder.labels.rows import fingerprint
from ponder.models import lean
from ponder.models.size import parameters
from ponder.protocols import Engine, HiddenEngine, Judge
from ponder.types import PonderError, Verdict
from ponder.verifiers.learned import folder as folders
from ponder.verifiers.learned.common.reader import EngineReader
from ponder.verifiers.learned.common.stored import Serving
from ponder.verifiers.learned.folder import FILE, Spec, Stored
from ponder.verifiers.learned.kinds import kind as kind_of
from ponder.verifiers.learned.public import folder as public
from ponder.verifiers.learned.public.judge import PublishedVerifier


def _judge(stored: Stored, policy: Policy, *, shared: bool, policy_parameters: int) -> Judge:
    """The judge of a stored verifier's kind."""

    def engine() -> Engine:
        if shared:
            return policy.engine
        # An engine owns its weights.
        return LocalEngine(copy.deepcopy(stored.model), policy.codec, device=str(stored.model.device))

    own = reader_of(stored.model)
    serving = Serving(
        prompt_tokens=policy.propose.prompts.tokens,
        policy_parameters=policy_parameters,
        encode=policy.codec.encode,
        decode=policy.codec.decode,
        engine=engine,
        shared=shared,
        reader=EngineReader(policy.engine) if shared and isinstance(policy.engine, HiddenEngine) else own,
        # Both models of an implicit verifier read with memory or neither: they are of one architecture.
        reference_reader=None if stored.reference is None else reader_of(stored.reference),
    )
    return kind_of(stored.spec.kind).judge(stored, serving)


async def judge_cases(judge: Judge, some: Sequence[Labelled]) -> list[Verdict]:
    """What the judge says of each case, all at once."""
    found = await asyncio.gather(*(judge(case.trajectory.question, [case.trajectory]) for case in some))
    return [verdict for verdicts in found for verdict in verdicts]


def reads_the_policy(stored: Stored, policy: Policy) -> bool:
    """Whether the policy's engine computes what this verifier's head looks at.

    Its trunk must be the policy's still, and a causal head one linear layer on it, as in the lean families.
    """
    linear = kind_of(stored.spec.kind).form != "causal" or lean.supports(stored.model)
    shows = isinstance(policy.engine, HiddenEngine)
    return shows and stored.spec.trunk != "separate" and linear and same_trunk(stored.model, policy.model)


def same_trunk(model: PreTrainedModel, policy: PreTrainedModel) -> bool:
    """Whether a verifier's trunk is, number by number, the policy's."""
    ours, theirs = model.base_model.state_dict(), policy.base_model.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def stored_verifier(folder: Path, policy: Policy) -> Judge:
    """The verifier in `folder` for `policy`'s tokens: one of ours, or a published one that is recognised.

    Another folder without a spec is a step verifier of `ponder run`.
    """
    kind = None if (folder / FILE).exists() else public.recognised(folder)
    if kind is not None:
        return published_verifier(folder, kind, policy)
    print_ = fingerprint(policy.tokenizer.get_vocab())
    assumed = None if (folder / FILE).exists() else _assumed(folder, policy)
    stored = folders.load(
        folder, tokenizer=print_, step_rule=policy.propose.separator, device=policy.model.device, assumed=assumed
    )
    return judge_of(stored, policy)


def published_verifier(folder: Path, kind: str, policy: Policy) -> Judge:
    """A step verifier that others published (`verifiers/learned/public`), for any policy: it reads words."""
    published = public.load(folder, kind, policy.model.device)
    size, reader = parameters(policy.model), reader_of(published.trunk)
    return PublishedVerifier(published, policy_parameters=size, reader=reader)


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
