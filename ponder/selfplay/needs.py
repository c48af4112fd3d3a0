"""What the chosen algorithm, loss and rewards need, checked before anything is loaded or trained.

    critic     values of each token: a critic is trained beside the policy
    reference  the policy as it was at the start: a copy is kept
    verifier   the run's process verifier: there unless it is switched off (`verifier.enabled`)
    turns      outcomes of every turn: environments `second_look` and `retry` give them
    rollouts   auxiliary rollouts from the ends of steps, drawn by the loop
    judge      a judging model: the reward that asks for it names it
    outcome    the reward `outcome` among the rewards
    implicit   an implicit reward model that learns online: every run can have one
    teacher    a teacher: `teacher.model`
    pairs      an algorithm that joins answers in twos (for a preference loss)
    pair loss  a loss that learns from such pairs

A loss also reads fields of the samples; those that only an algorithm with a critic writes need one.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponder.plugins import Plugin
from ponder.protocols import Together
from ponder.rewards.component import Component
from ponder.rewards.outcome import Outcome
from ponder.rollout.settings import SearchDraws
from ponder.search.limits import reserve_within
from ponder.search.planner.table import parsed
from ponder.search.registry import make, needs_judge
from ponder.selfplay.ahead import check as ahead
from ponder.selfplay.config import Run
from ponder.selfplay.coupling.reward import coupled
from ponder.selfplay.stages.plan import plan
from ponder.types import PonderError

_FROM_A_CRITIC = ("returns_T", "values_T")


def check(config: Run) -> None:
    """PonderError with one sentence for the first need that the run, or a stage of it, does not meet."""
    for stage in plan(config):
        _check(stage.config)
    ahead.check(config, asked_for(config))


def _check(config: Run) -> None:
    for place, plugin in _plugins(config):
        for need in plugin.needs:
            missing = _missing(config, need)
            if missing:
                raise PonderError(f"{place} {plugin.kind} needs {missing}")
    if config.coupling.weights == "unified" and config.trainer.lora_rank:
        raise PonderError(
            "coupling.weights=unified trains the policy's own layers by the verifier too, and adapters "
            f"(trainer.lora_rank={config.trainer.lora_rank}) keep them as they are; set trainer.lora_rank=0, or "
            "coupling.weights=dual"
        )
    if config.sampling.top_p < 1 and config.loss.on_policy:
        raise PonderError(
            f"sampling.top_p={config.sampling.top_p:g}: answers drawn from a nucleus are no draws of the whole "
            f"distribution, which the loss {config.loss.kind} learns: each ratio would be off by the mass of the "
            "nucleus. Set sampling.top_p=1 and lower sampling.temperature (which the loss knows), or choose "
            "loss.kind=cloning or dpo, which take answers as they are"
        )
    # Measuring comes last and searches with this limit, so a limit that no search can work in is refused first.
    most = config.sampling.max_tokens
    make("sample", max_tokens=most, answer_reserve=reserve_within(most))
    draws = config.sampling.draws
    if isinstance(draws, SearchDraws) and needs_judge(parsed(draws.strategy)[0]) and not config.verifier.enabled:
        raise PonderError(
            f"sampling.draws: strategy {draws.strategy} asks the verifier; set verifier.enabled=true or draw by vote"
        )
    if config.provers.enabled:
        _check_provers(config)
    for name in config.loss.fields:
        if name in _FROM_A_CRITIC and not needs_critic(config):
            raise PonderError(
                f"loss {config.loss.kind} reads {name} of each sample, which only an algorithm with a critic gives; "
                "set algorithm.kind=gae"
            )
        if name == "teacher_logprobs_T" and not config.teacher.model:
            raise PonderError(f"loss {config.loss.kind} follows a teacher; set teacher.model to a folder or hub id")
    _check_selection(config)


def asked_for(config: Run) -> set[str]:
    """What of each update's answers is asked besides: "reference", "teacher", "implicit", "rollouts", "judge"."""
    rules = [plugin for _, plugin in _plugins(config) if plugin is not config.loss]
    wanted = {need for plugin in rules for need in plugin.needs} & {
        "reference",
        "teacher",
        "implicit",
        "rollouts",
        "judge",
    }
    return wanted | ({"teacher"} if "teacher_logprobs_T" in config.loss.fields else set())


def _check_provers(config: Run) -> None:
    """A prover-verifier game decides itself what is paid and how the verifier learns."""
    wanted = {
        "rewards": (config.rewards == (Outcome(),), "leave `rewards` out; provers.reward says what is paid"),
        "coupling.kind": (config.coupling.kind == "outcome", "leave it at outcome"),
        "coupling.weights": (config.coupling.weights == "dual", "leave it at dual"),
        "environment.kind": (config.environment.kind == "single_turn", "leave it at single_turn"),
        "verifier.enabled": (config.verifier.enabled, "leave it at true"),
    }
    for name, (met, what) in wanted.items():
        if not met:
            raise PonderError(f"provers.enabled does not go together with this {name}: {what}")


def needs_critic(config: Run) -> bool:
    """Whether a critic is trained in this run, for one of its stages at least."""
    return any("critic" in plugin.needs for stage in plan(config) for _, plugin in _plugins(stage.config))


def needs_verifier_scores(config: Run, rewards: Sequence[Component] | None = None) -> bool:
    """Whether the verifier scores every training answer, because one of `rewards` (None: the run's) asks for it."""
    return any("verifier" in plugin.needs for _, plugin in _plugins(config, rewards))


def _plugins(config: Run, rewards: Sequence[Component] | None = None) -> list[tuple[str, Plugin]]:
    paid = coupled(config.rewards, config.coupling) if rewards is None else rewards
    return [("algorithm", config.algorithm), ("loss", config.loss), *(("reward", reward) for reward in paid)]


def _missing(config: Run, need: str) -> str:
    """What the user must change for this need; empty if it is met."""
    if need in ("reference", "implicit", "judge"):
        return ""
    if need == "verifier":
        return "" if config.verifier.enabled else "the verifier; set verifier.enabled=true"
    if need == "turns":
        checked = config.environment.kind in ("second_look", "retry")
        return "" if checked else "an environment that checks every turn; set environment.kind=second_look"
    if need == "critic":
        return "" if config.critic.enabled else "a critic; set critic.enabled=true, or choose an algorithm without one"
    if need == "rollouts":
        joint = isinstance(config.environment, Together)
        return "rollouts of single answers, and a match has none; choose an algorithm without them" if joint else ""
    if need == "outcome":
        paid = any(reward.kind == "outcome" for reward in config.rewards)
        return "" if paid else 'the outcome among the rewards; add {kind="outcome"} to rewards'
    if need == "teacher":
        return "" if config.teacher.model else "a teacher; set teacher.model to a folder or hub id"
    if need == "pairs":
        return "" if config.algorithm.pairs else "pairs of answers; set algorithm.kind=preference or step_preference"
    if need == "pair loss":
        return "" if config.loss.pairs else "a loss that learns from pairs; set loss.kind=dpo"
    return (
        f"{need!r}, which `ponder run` does not provide; it knows critic, reference, verifier, rollouts, outcome, "
        "implicit, teacher, turns, pairs and pair loss"
    )


def _check_selection(config: Run) -> None:
    """Data that a loss or an algorithm cannot learn from."""
    selection, loss = config.selection, config.loss
    if selection.replay.rows and (loss.pairs or (loss.on_policy and not loss.compares)):
        raise PonderError(
            f"selection.replay.rows={selection.replay.rows}: the loss {loss.kind} takes all rows for draws of the "
            "present policy, and older ones would mislead it; use clipped, gspo or cispo (which weigh rows by their "
            "ratio) or cloning, or set selection.replay.rows=0"
        )
    if selection.rationalise and loss.on_policy:
        raise PonderError(
            f"selection.rationalise={selection.rationalise}: answers that were drawn with a hint are no draws of the "
            f"policy without it, which the loss {loss.kind} takes them for; set loss.kind=cloning"
        )
    if config.provers.enabled and (selection.refill or selection.retire):
        raise PonderError("in a game of provers each problem is asked twice; set selection.refill=0 and retire=0 there")
    if config.algorithm.pairs and config.trainer.from_start:
        raise PonderError("trainer.from_start begins from the reference in every update; set it to false with pairs")
