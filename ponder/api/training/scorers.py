"""The models beside policy, critic and verifier that a run's settings ask for, loaded before anything is trained."""

from __future__ import annotations

import copy

from ponder.algorithms.steps.pav import PAV
from ponder.algorithms.steps.prime import Prime
from ponder.api.policies import Policy, load_policy
from ponder.api.verifiers.rubric import judge_by_rubric
from ponder.labels.rows import fingerprint
from ponder.models.load import load
from ponder.rewards import rubric as rewards
from ponder.selfplay.config import Run
from ponder.selfplay.needs import asked_for
from ponder.selfplay.scorers.frozen import FrozenScorer
from ponder.selfplay.scorers.implicit import ImplicitReward
from ponder.selfplay.scorers.scorers import Prover, Scorers
from ponder.selfplay.stages.plan import plan
from ponder.types import PonderError
from ponder.verifiers.rubric.judge import Rubric


def scorers_of(config: Run, policy: Policy) -> Scorers:
    """What `config` needs in any of its stages, made while the policy is still as it was at the start."""
    stages = [planned.config for planned in plan(config)]
    wanted, prompt = set[str]().union(*map(asked_for, stages)), policy.propose.prompts.tokens
    algorithms = [stage.algorithm for stage in stages]
    temperature = config.sampling.temperature
    found = Scorers()
    if "reference" in wanted:
        found.reference = FrozenScorer(copy.deepcopy(policy.model), prompt, config.trainer, temperature)
    if "teacher" in wanted:
        loaded = load(config.teacher.model, device=config.device, dtype=policy.model.dtype)
        _same_tokens(policy, loaded.tokenizer.get_vocab(), f"teacher.model={config.teacher.model}")
        found.teacher = FrozenScorer(loaded.model, prompt, config.trainer, temperature)
    prime = next((algorithm for algorithm in algorithms if isinstance(algorithm, Prime)), None)
    if prime is not None:
        first = prime.update == "before"
        found.implicit = ImplicitReward(
            policy.model, prompt, config.implicit, beta=prime.beta, first=first, seed=config.seed
        )
    prover = next((a.prover for a in algorithms if isinstance(a, PAV) and a.prover), "")
    if prover:
        found.prover = _prover(config, policy, prover)
    rubrics = [reward for stage in stages for reward in stage.rewards if isinstance(reward, rewards.Rubric)]
    if len({(r.model, r.criteria, r.weights, r.max_tokens) for r in rubrics}) > 1:
        raise PonderError("a run has one rubric with one judge; put all criteria, with weights, into one reward rubric")
    if rubrics:
        rubric = Rubric(rubrics[0].criteria, rubrics[0].weights)
        asked = rubrics[0].max_tokens
        found.judge = judge_by_rubric(rubrics[0].model, rubric, device=config.device, max_tokens=asked)
    return found


def _prover(config: Run, policy: Policy, name: str) -> Prover:
    other = load_policy(
        name,
        device=config.device,
        temperature=config.sampling.temperature,
        top_p=config.sampling.top_p,
        separator=config.sampling.separator,
    )
    _same_tokens(policy, other.tokenizer.get_vocab(), f"algorithm.prover={name}")
    return Prover(other.propose, other.engine, other.model)


def _same_tokens(policy: Policy, vocabulary: dict[str, int], what: str) -> None:
    if fingerprint(vocabulary) != fingerprint(policy.tokenizer.get_vocab()):
        raise PonderError(
            f"{what} has other tokens than the policy {policy.name}; it must read the very tokens that the policy "
            "drew, so name a model with the same tokenizer"
        )
