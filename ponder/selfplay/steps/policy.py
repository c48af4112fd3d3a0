"""One update of the policy: problems, answers, rewards, credit, gradient, new weights in the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ponder.learning.samples import pack, rows
from ponder.protocols import Teaching
from ponder.rollout.collect import Collected, collect
from ponder.seeds import derive_seed
from ponder.selfplay.accounts import Part
from ponder.selfplay.credit import Credited, Crediting
from ponder.selfplay.proposer.lessons import Taught, credit_of
from ponder.selfplay.provers.roles import both, shares
from ponder.selfplay.report import Improvement, solved
from ponder.selfplay.scorers.distrust import distrusted
from ponder.selfplay.selection.mixed import without_cut
from ponder.selfplay.steps.parts import Parts, RunAsync
from ponder.types import Group, Problem


def improve_policy(parts: Parts, credit: Crediting, round_number: int, update: int) -> Improvement:
    """Draw, credit, learn."""
    config = parts.config
    done, total = round_number * config.updates + update, config.rounds * config.updates
    parts.tell("training", done, total, f"round {round_number + 1}: sampling")
    parts.stream = _stream(parts, round_number, update)
    if parts.sampler:
        batch = parts.sampler.take(done, (round_number + 1) * config.updates)
        groups, measured = batch.groups, batch.metrics
    else:
        groups, measured = drawn(parts, round_number, update, parts.run)
    kept, hinted = _kept(parts, groups)
    credited, taught = credit(kept, parts.selection.memory), _taught(parts)
    parts.selection.memory = {**parts.selection.memory, **credited.credits.memory}
    parts.tell("training", done, total, f"round {round_number + 1}: learning, {solved(groups)}")
    told = {**measured, **hinted, **taught.metrics, **shares(groups)}
    improved = _learn(parts, kept, credited, told, taught)
    return replace(improved, groups=tuple(groups), dead=improved.dead + parts.selection.left_out(groups, kept))


def drawn(parts: Parts, round_number: int, update: int, run: RunAsync[Any]) -> tuple[list[Group], dict[str, float]]:
    """The answers for an update, and what was measured as they were drawn; a sampler does this ahead, in a thread."""
    stream = _stream(parts, round_number, update)

    def answered(problems: Sequence[Problem], attempt: int) -> Collected:
        asked = both(problems) if parts.config.provers.enabled else problems
        return _answered(parts, asked, derive_seed("refill", stream, attempt) if attempt else stream, run)

    return parts.selection.draw(parts.source, _count(parts), run, answered)


def rested(parts: Parts, groups: Sequence[Group]) -> None:
    """The sampler rests, and the engine serves what was learned: now the round is measured and saved."""
    if parts.sampler is not None:
        _published(parts, parts.sampler.rest(), groups)


def _count(parts: Parts) -> int:
    """Problems of an update: in a game of provers half as many, each for both of the roles."""
    problems = parts.config.sampling.problems
    return max(1, problems // 2) if parts.config.provers.enabled else problems


def _stream(parts: Parts, round_number: int, update: int) -> int:
    """The seed of the answers of an update; a round that is played again after a rollback draws others."""
    again = parts.health.attempt
    return derive_seed("rollout", parts.config.seed, round_number, update, *([again] if again else []))


def _kept(parts: Parts, groups: Sequence[Group]) -> tuple[list[Group], dict[str, float]]:
    """The groups to learn from, with hinted answers where those are asked for."""
    kept, hinted = parts.selection.rationalise(
        parts.selection.kept(groups, _count(parts)),
        parts.run,
        parts.generator.propose,
        parts.reward_grade(parts.stream),
        max_tokens=parts.config.sampling.max_tokens,
        seed=derive_seed("rationalise", parts.stream),
    )
    parts.ledger.sampling += parts.sampled("rollout") if hinted else 0.0
    return kept, hinted


def _answered(parts: Parts, problems: Sequence[Problem], seed: int, run: RunAsync[Any]) -> Collected:
    """Judged answers to train on: plain or searched, in the run's environment, graded behind the noise dial."""
    sampling, ledger = parts.config.sampling, parts.ledger
    found: Collected = run(
        collect(
            problems,
            parts.generator.propose,
            parts.reward_grade(seed),
            group_size=sampling.group_size,
            max_tokens=sampling.max_tokens,
            seed=seed,
            environment=parts.config.environment,
            **sampling.draws.options(sampling.max_tokens, parts.verifier.judge),
        )
    )
    ledger.sampling += parts.sampled("rollout")
    ledger.sampled += sum(len(t) for group in found for t in group.trajectories)
    if found.usage.verifier:  # what the searches' judge read
        flops = 2.0 * parts.size * found.usage.verifier
        ledger.verifier += flops
        parts.did("search_scoring", Part(flops, None))
    return found


def _taught(parts: Parts) -> Taught:
    """What the policy did for the source of problems, with its credit."""
    if not isinstance(parts.source, Teaching):
        return Taught()
    taught = credit_of(*parts.source.lessons())
    parts.ledger.sampled += sum(len(t) for group in taught.groups for t in group.trajectories)
    return taught


def _learn(
    parts: Parts, groups: Sequence[Group], credited: Credited, measured: Mapping[str, float], taught: Taught
) -> Improvement:
    """Rows, gradient and step of the policy and of the critic; the new weights are served and checked."""
    generator, selection = parts.generator, parts.selection
    credits_PG, prompt = credited.credits.credits_PG, generator.propose.prompts.tokens
    answers_PG = without_cut(credits_PG) if parts.config.selection.overlong == "mask" else credits_PG
    packed = pack((*answers_PG, *taught.credits_PG), prompt)
    again = selection.replay.draw()
    selection.replay.keep(groups, credits_PG, prompt)
    waits = parts.critic is not None and parts.critic.warming_up
    if parts.critic is not None and not waits:
        waits = distrusted(selection.memory, credited.metrics, parts.config.critic)
    if not parts.sampler:
        generator.release()
    report = generator.trainer.update(() if waits else (*packed.samples, *again), packed.left_out)
    parts.ledger.policy += report.flops
    parts.did("update", Part(report.flops, report.seconds))
    metrics = {**credited.metrics, **measured}
    if parts.critic is not None:
        critic = parts.critic.update(rows(credits_PG, prompt))
        parts.ledger.policy += critic.flops
        parts.did("critic_update", Part(critic.flops, critic.seconds))
        metrics["critic_loss"] = critic.loss or 0.0
    if parts.sampler:
        parts.sampler.learned(generator.trainer.weights())
    else:
        metrics |= _published(parts, generator.engine.version + 1, groups)
    return Improvement(tuple(groups), report, packed.dead, metrics, taught.groups)


def _published(parts: Parts, version: int, groups: Sequence[Group]) -> dict[str, float]:
    """The trainer's weights live in the engine, checked on these groups; the gap if it was measured."""
    prompt = parts.generator.propose.prompts.tokens
    texts = [(prompt(t.question), t.tokens) for group in groups for t in group.trajectories]
    gap = parts.run(parts.generator.publish(version, texts))
    parts.sampled("measuring")  # scoring for the check is no work of training
    return {} if gap is None else {"parity_gap": gap}
