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

from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import ground_truth, load_families
from ponder.commands.summary import ControlArm, Measured, summarise
from ponder.config import resolved
from ponder.engines.local.prefix.reader import reader_of
from ponder.engines.loop import run as run_async
from ponder.evaluation.pools.pool import Live
from ponder.evaluation.suite import Scores, build_suite
from ponder.labels.rows import fingerprint
from ponder.learning.checkpoints.checkpoints import Checkpoints
from ponder.learning.learner import Learner
from ponder.models.load import save
from ponder.problems.overlap import refuse_overlapping
from ponder.protocols import Family
from ponder.reports.run.page import render
from ponder.rollout import store
from ponder.rollout.collect import collect
from ponder.runlog import RunLog
from ponder.seeds import derive_seed
from ponder.selfplay import accounts, control, measure, state, transcripts
from ponder.selfplay.config import Run
from ponder.selfplay.curriculum import Curriculum
from ponder.selfplay.loop import SelfPlay, Tell, by_family_and_problem
from ponder.selfplay.monitors import log as watch_log
from ponder.selfplay.roles import Critic, Generator, learner_config
from ponder.verifiers.learned import folder
from ponder.verifiers.truth import GroundTruth

TRAINING, CONTROL, MEASURING = "training", "control", "measuring"
SUMMARY = "summary.json"


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
    """Everything, start to report; returns the summary. A finished run is not measured again, only its page is."""
    started, clock = time.time(), time.monotonic()
    set_threads(config.threads)
    families = load_families(config.problems)
    for held_out in ("validation", "test"):
        refuse_overlapping(families, families, splits=("train", held_out))
    with RunLog.open(out, resolved(config), resume=resume) as log, _truth(config, families) as truth:
        if (out / SUMMARY).exists():
            render(out)
            finished: dict[str, Any] = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
            return finished
        stage = _set_up(config, log, families, truth, tell)
        rounds = _train(stage)
        control_arm = _control(stage)
        after_control = time.monotonic()
        measured = _measure(stage, control_arm)
        seconds = {
            "train": stage.play.ledger.seconds,
            "control": control_arm.seconds if control_arm else 0.0,
            "evaluation": time.monotonic() - after_control,
        }
        # A resumed run adds what its earlier processes spent in finished stages.
        seconds["total"] = max(time.monotonic() - clock, sum(seconds.values()))
        summary = summarise(config, stage.policy, stage.play.ledger, rounds, measured, seconds, started)
        log.write_json(SUMMARY, summary)
        log.event("finished", seconds=seconds)
        render(out)
    return summary


def _truth(config: Run, families: list[Family]) -> GroundTruth:
    return ground_truth(families, allow_unsafe_code=config.allow_unsafe_code)


def _set_up(config: Run, log: RunLog, families: list[Family], truth: GroundTruth, tell: Tell) -> Stage:
    policy = load_policy(
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
    watch_log.truncate_after(log.path, done - 1)
    if done == 0 and not any(row.get("round") == -1 for row in log.metrics()):
        log.metric(0, **play.start())
    for number in range(done, config.rounds):
        row = play.play(number)
        store.write(log.path / "trajectories" / f"round-{number + 1:04d}.parquet", play.played)
        if play.watch.latest is not None:
            watch_log.write(log, number, play.watch.latest)
        log.metric(number + 1, **row)
        if config.keep_policies:
            kept, weights = log.path / "policies" / f"round-{number + 1:04d}", play.generator.learner.weights()
            save(play.generator.model, stage.policy.tokenizer, kept, weights=weights)
        state.save(checkpoints, play, stage.policy.tokenizer, number + 1)
    total = config.rounds * config.updates
    stage.tell(TRAINING, total, total, "done")
    save(play.generator.model, stage.policy.tokenizer, log.path / "model", weights=play.generator.learner.weights())
    vocabulary = fingerprint(stage.policy.tokenizer.get_vocab())
    spec = folder.Spec("process", vocabulary, config.sampling.separator, config.verifier.aggregation)
    folder.save(log.path / "verifier", play.critic.model, stage.policy.tokenizer, spec)
    return log.metrics()


def _control(stage: Stage) -> ControlArm | None:
    """Clone for the same FLOPs from the same start and answer both suites; None if switched off or impossible."""
    config = stage.config
    if not config.control.enabled or not control.can_clone(stage.families):
        return None
    known = stage.log.path / "control.json"
    if known.exists():
        return ControlArm(**json.loads(known.read_text(encoding="utf-8")))
    started = time.monotonic()
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
    tries = [list(some) for some in _pass_at_1(stage).tries_P]
    ladder = by_family_and_problem(stage.play.climb())
    stage.policy.engine.replace_weights(stage.policy.model.state_dict(), version)
    arm = ControlArm(tries, ladder, asdict(report), time.monotonic() - started)
    stage.log.write_json(known.name, asdict(arm))
    return arm


def _cloning_policy(config: Run) -> Any:
    return config.policy.model_copy(
        update={"learning_rate": config.control.learning_rate, "kl": 0.0, "final_rate": 1.0}
    )


def _pass_at_1(stage: Stage) -> Scores:
    temperature = stage.config.evaluation.temperature
    main = measure.suites(stage.bench, stage.families).main
    return measure.accuracy(stage.bench, stage.policy.at(temperature), main, temperature=temperature)


def _measure(stage: Stage, control_arm: ControlArm | None) -> Measured:
    """Both arms on the test problems, and the thinking-time curves before and after training."""
    policy, bench, config = stage.policy, stage.bench, stage.config
    version, judge = policy.engine.version, stage.play.critic.judge
    judge.reader = reader_of(judge.model)  # its weights are final
    before = policy.engine.tokens_generated + policy.engine.tokens_prefilled, judge.tokens_scored
    meter = accounts.Meter(policy.engine, policy.model.config)
    temperature, strategies = config.evaluation.temperature, (*measure.POOLED, *measure.LIVE)
    live = Live(policy.at(temperature), policy.codec.decode, bench.grade, judge)
    steps = iter(range(1, 1000))
    notes = 2 * (measure.ARM_NOTES + measure.think_notes(bench, strategies))

    def tell(note: str) -> None:
        stage.tell(MEASURING, next(steps), notes, note)

    suites = measure.suites(bench, stage.families)
    policy.engine.replace_weights(stage.base, version)
    base = measure.arm(bench, policy.at, suites, "base", tell)
    thinking_base = measure.think(bench, suites.thinking_base, live, strategies, tell)
    shown = measure.first_of_each(suites.thinking.problems, 20)
    base_groups = run_async(
        collect(shown, policy.at(temperature), bench.grade, group_size=2, max_tokens=bench.max_tokens, seed=1)
    )
    policy.engine.replace_weights(policy.model.state_dict(), version)
    final = measure.arm(bench, policy.at, suites, "final", tell)
    thinking = measure.think(bench, suites.thinking, live, strategies, tell)
    forwarded = policy.engine.tokens_generated + policy.engine.tokens_prefilled - before[0]
    return Measured(
        base,
        final,
        None if control_arm is None else control_arm.scores(suites.main, temperature),
        control_arm,
        thinking_base,
        thinking,
        transcripts.choose(thinking.pool, base_groups),
        evaluation=forwarded + judge.ratio * (judge.tokens_scored - before[1]),
        sampling=meter.take(),
        scoring=accounts.tokens_flops(judge.model.config, judge.tokens_scored - before[1]),
    )
