"""Base and trained policy on the test problems, and the thinking-time curves before and after training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ponder.api.training.stage import MEASURING, Stage
from ponder.api.training.summary import ControlArm, Measured
from ponder.engines.local.prefix.reader import reader_of
from ponder.engines.loop import run as run_async
from ponder.evaluation.pools.pool import Live
from ponder.protocols import Propose
from ponder.rollout.acting import Acting
from ponder.rollout.collect import collect
from ponder.rollout.episodes import Episodes
from ponder.rollout.grading import Grading
from ponder.selfplay import accounts, measure, transcripts
from ponder.thinking import reading_of
from ponder.types import Group, Problem


def measure_run(stage: Stage, cloned: ControlArm | None, kept: ControlArm | None) -> Measured:
    """Everything that the report shows of both policies; the engine serves the trained one at the end."""
    policy, bench, config = stage.policy, stage.bench, stage.config
    judge = stage.verifier.judge
    if judge is not None:
        judge.reader = reader_of(judge.model)  # its weights are final
    read = judge.tokens_scored if judge is not None else 0
    before = policy.engine.tokens_generated + policy.engine.tokens_prefilled
    meter = accounts.Meter(policy.engine, policy.model.config)
    temperature = config.evaluation.temperature
    strategies = (*measure.POOLED, *measure.LIVE) if judge is not None else measure.UNGUIDED
    steps = iter(range(1, 1000))
    notes = 2 * (measure.ARM_NOTES + measure.think_notes(bench, strategies))

    def tell(note: str) -> None:
        stage.tell(MEASURING, next(steps), notes, note)

    suites = measure.suites(bench, stage.families)
    live = Live(policy.at(temperature), policy.codec.decode, bench.grade, judge)
    asked = (*suites.thinking_base.problems, *suites.thinking.problems)
    live = in_environment(bench, policy.at(temperature), live, asked)
    stage.serve(stage.base.weights())
    base = measure.arm(bench, policy.at, suites, "base", tell)
    thinking_base = measure.think(bench, suites.thinking_base, live, strategies, tell)
    shown = measure.first_of_each(suites.thinking.problems, 20)
    base_groups = _two_answers(shown, bench, policy.at(temperature))
    stage.serve_trained()
    final = measure.arm(bench, policy.at, suites, "final", tell)
    thinking = measure.think(bench, suites.thinking, live, strategies, tell)
    if live.acting is not None:
        live.acting.close()
    forwarded = policy.engine.tokens_generated + policy.engine.tokens_prefilled - before
    scored = judge.tokens_scored - read if judge is not None else 0

    return Measured(
        base,
        final,
        None if cloned is None else cloned.scores(suites.main, temperature),
        cloned,
        thinking_base,
        thinking,
        transcripts.choose(thinking.pool, base_groups),
        transcripts.story(thinking.pool, base_groups),
        evaluation=forwarded + (judge.ratio * scored if judge is not None else 0.0),
        sampling=meter.take(),
        scoring=accounts.tokens_flops(judge.model.config, scored) if judge is not None else 0.0,
        rejection=None if kept is None else kept.scores(suites.main, temperature),
        rejection_arm=kept,
    )


def _two_answers(shown: Sequence[Problem], bench: measure.Bench, propose: Propose) -> list[Group]:
    """Two judged answers of the policy that is served, to each of the problems whose transcripts may be shown."""
    drawing = collect(
        shown,
        propose,
        bench.grade,
        group_size=2,
        max_tokens=bench.max_tokens,
        seed=1,
        environment=bench.environment,
    )
    return list(run_async(drawing))


def in_environment(bench: measure.Bench, propose: Propose, live: Live, problems: Sequence[Problem]) -> Live:
    """`live` over episodes of the run's environment; as it is where a run is measured by single answers."""
    if bench.environment is None:
        return live
    grading = Grading(bench.grade, read=reading_of(propose))
    playing = Episodes(bench.environment, propose, grading, bench.max_tokens, bench.seed)
    acting = Acting(playing, {problem.id: problem for problem in problems})
    return replace(live, propose=acting, acting=acting)
