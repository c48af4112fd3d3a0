"""`ponder run`: the self-play loop from an untrained verifier to a report, one stage after the other.

Stages leave their result in the run folder when they are done; a run that was killed goes on with the stage it was in
(the rounds from the last checkpoint), and ends as if it had not been killed.
"""

from __future__ import annotations

import copy
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ponder.commands import assemble
from ponder.commands.assemble import Policy
from ponder.commands.summary import Measured, summarise
from ponder.config import resolved
from ponder.engines.loop import run as run_async
from ponder.evaluation.pool import Live
from ponder.evaluation.suite import Scores, Suite, build_suite
from ponder.learning.checkpoints import Checkpoints
from ponder.learning.learner import Learner
from ponder.models.load import save
from ponder.protocols import Family
from ponder.reports.page import render
from ponder.rollout.collect import collect
from ponder.runlog import RunLog
from ponder.seeds import derive_seed
from ponder.selfplay import control, measure, state, transcripts
from ponder.selfplay.config import Run
from ponder.selfplay.curriculum import Curriculum
from ponder.selfplay.loop import SelfPlay, Tell
from ponder.selfplay.roles import Critic, Generator, learner_config
from ponder.verifiers.truth import GroundTruth

TRAINING, CONTROL, MEASURING = "training", "control", "measuring"


@dataclass
class Stage:
    """What all stages share."""

    config: Run
    log: RunLog
    policy: Policy
    families: list[Family]
    play: SelfPlay
    bench: measure.Bench
    base: dict[str, Any]
    tell: Tell


def run(config: Run, out: Path, *, resume: bool, tell: Tell) -> dict[str, Any]:
    """Everything, start to report; returns the summary."""
    started, clock = time.time(), time.monotonic()
    assemble.set_threads(config.threads)
    families = assemble.families(config.problems)
    with RunLog.open(out, resolved(config), resume=resume) as log, assemble.truth(families) as truth:
        stage = _set_up(config, log, families, truth, tell)
        rounds = _train(stage)
        after_training = time.monotonic()
        control_scores, cloning = _control(stage)
        after_control = time.monotonic()
        measured = _measure(stage, control_scores, cloning)
        seconds = {
            "total": time.monotonic() - clock,
            "train": stage.play.ledger.seconds,
            "control": after_control - after_training,
            "evaluation": time.monotonic() - after_control,
        }
        summary = summarise(config, stage.policy, stage.play.ledger, rounds, measured, seconds, started)
        log.write_json("summary.json", summary)
        log.event("finished", seconds=seconds)
        render(out)
    return summary


def _set_up(config: Run, log: RunLog, families: list[Family], truth: GroundTruth, tell: Tell) -> Stage:
    policy = assemble.policy(
        config.model,
        device=config.device,
        temperature=config.sampling.temperature,
        top_p=config.sampling.top_p,
        separator=config.sampling.separator,
    )
    base = copy.deepcopy(policy.model.state_dict())
    generator = Generator(Learner(policy.model, learner_config(config)), policy.propose, policy.engine)
    settings = config.curriculum
    curriculum = Curriculum(
        families,
        seed=config.seed,
        unlock=settings.unlock,
        memory=settings.memory,
        floor=settings.floor,
        most_levels=settings.most_levels,
    )
    ladder = build_suite(families, config.evaluation.ladder, split="validation", seed=config.seed).problems
    play = SelfPlay(config, generator, Critic(generator, config), curriculum, truth.grade, ladder, run_async, tell)
    bench = measure.Bench(truth.grade, run_async, config.evaluation, config.sampling.max_tokens, config.seed)
    return Stage(config, log, policy, families, play, bench, base, tell)


def _train(stage: Stage) -> list[dict[str, Any]]:
    """The rounds that are still to be played; returns the rows of all."""
    config, log, play = stage.config, stage.log, stage.play
    checkpoints = Checkpoints(log.path / "checkpoints")
    found = checkpoints.load_latest(play.generator.model)
    for warning in found.warnings:
        log.event("checkpoint", warning=warning)
    done = state.restore(play, found.saved) if found.saved else 0
    log.truncate_after(done - 1)
    if done == 0 and not any(row.get("round") == -1 for row in log.metrics()):
        log.metric(0, **play.start())
    for number in range(done, config.rounds):
        log.metric(number + 1, **play.play(number))
        state.save(checkpoints, play, stage.policy.tokenizer, number + 1)
    total = config.rounds * config.updates
    stage.tell(TRAINING, total, total, "done")
    save(play.generator.model, stage.policy.tokenizer, log.path / "model")
    save(play.critic.model, stage.policy.tokenizer, log.path / "verifier")
    return log.metrics()


def _suite(stage: Stage) -> Suite:
    return build_suite(stage.families, stage.config.evaluation.problems, split="test", seed=stage.config.seed)


def _control(stage: Stage) -> tuple[list[list[float]] | None, dict[str, Any] | None]:
    """Clone for the same FLOPs from the same start and answer the test suite; None if switched off or impossible."""
    config = stage.config
    if not config.control.enabled or not control.can_clone(stage.families):
        return None, None
    known = stage.log.path / "control.json"
    if known.exists():
        saved: dict[str, Any] = json.loads(known.read_text(encoding="utf-8"))
        return saved["tries"], saved["cloning"]
    model = copy.deepcopy(stage.policy.model)
    model.load_state_dict(stage.base)
    cloning_config = learner_config(config.model_copy(update={"policy": _cloning_policy(config)}))
    learner = Learner(model, cloning_config)
    report = control.clone(
        learner,
        stage.policy.codec,
        stage.families,
        flops=stage.play.ledger.flops,
        settings=config.control,
        seed=derive_seed("control", config.seed) % 2**31,
        tell=lambda spent, total: stage.tell(CONTROL, round(100 * spent / total), 100, "cloning for the same work"),
    )
    version = stage.policy.engine.version
    stage.policy.engine.replace_weights(model.state_dict(), version)
    scores = _pass_at_1(stage)
    stage.policy.engine.replace_weights(stage.policy.model.state_dict(), version)
    tries, cloning = [list(some) for some in scores.tries_P], asdict(report)
    stage.log.write_json(known.name, {"tries": tries, "cloning": cloning})
    return tries, cloning


def _cloning_policy(config: Run) -> Any:
    return config.policy.model_copy(update={"learning_rate": config.control.learning_rate, "kl": 0.0})


def _pass_at_1(stage: Stage) -> Scores:
    temperature = stage.config.evaluation.temperature
    return measure.accuracy(stage.bench, stage.policy.at(temperature), _suite(stage), temperature=temperature)


def _measure(stage: Stage, control_tries: list[list[float]] | None, cloning: dict[str, Any] | None) -> Measured:
    """Both arms on the test problems, and the thinking-time curves of the final policy."""
    policy, bench, sizes = stage.policy, stage.bench, stage.config.evaluation
    temperature, version = sizes.temperature, policy.engine.version
    main = _suite(stage)
    small = build_suite(stage.families, sizes.unsolved_problems, split="test", seed=stage.config.seed)
    higher = measure.harder(stage.families, 1)
    hard = build_suite(higher, sizes.pool_problems, split="test", seed=stage.config.seed) if higher else None
    steps = iter(range(1, 100))

    def tell(note: str) -> None:
        stage.tell(MEASURING, next(steps), 9 + 5 * len(sizes.budgets), note)

    def arm(name: str) -> dict[str, Scores]:
        tell(f"{name}: test problems")
        found = {"main": _pass_at_1(stage)}
        found["greedy"] = measure.accuracy(bench, policy.at(0.0), small, temperature=0.0)
        tell(f"{name}: {sizes.unsolved_tries} tries a problem")
        many = sizes.unsolved_tries
        found["tries"] = measure.accuracy(bench, policy.at(temperature), small, temperature=temperature, tries=many)
        if hard is not None:
            tell(f"{name}: harder problems")
            found["hard"] = measure.accuracy(bench, policy.at(temperature), hard, temperature=temperature)
        return found

    policy.engine.replace_weights(stage.base, version)
    base = arm("base")
    thinking_suite = _thinking_suite(stage)
    shown = measure.first_of_each(thinking_suite.problems, 20)
    base_groups = run_async(
        collect(shown, policy.at(temperature), bench.grade, group_size=2, max_tokens=bench.max_tokens, seed=1)
    )
    policy.engine.replace_weights(policy.model.state_dict(), version)
    final = arm("final")
    live = Live(policy.at(temperature), policy.codec.decode, bench.grade, stage.play.critic.judge)
    thinking = measure.think(bench, thinking_suite, live, (*measure.POOLED, *measure.LIVE), tell)
    control = None
    if control_tries is not None:
        control = Scores(main, temperature, tuple(tuple(tries) for tries in control_tries))
    return Measured(base, final, control, cloning, thinking, transcripts.choose(thinking.pool, base_groups))


def _thinking_suite(stage: Stage) -> Suite:
    """The suite of the thinking-time curves: one level above the default where families have levels."""
    return build_suite(
        measure.harder(stage.families, 1) or stage.families,
        stage.config.evaluation.pool_problems,
        split="test",
        seed=stage.config.seed,
    )
