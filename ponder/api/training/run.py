"""What `ponder run` does: the self-play loop from an untrained verifier to a report, one stage after the other.

Stages leave their result in the run folder when they are done; a run that was killed goes on with the stage it was in
(the rounds from the last checkpoint), and ends as if it had not been killed. Nothing is written before the model is
loaded and the settings are known to work together, so a start that failed leaves no folder behind.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ponder.api.problems import ground_truth, load_families
from ponder.api.samples import browse
from ponder.api.study import raw
from ponder.api.training.arms import cloning_arm, rejection_arm
from ponder.api.training.forecast import forecast
from ponder.api.training.forecast.forecast import Forecast
from ponder.api.training.measuring import measure_run
from ponder.api.training.notices import notices
from ponder.api.training.places import placed
from ponder.api.training.planning import Plan
from ponder.api.training.rounds import begin, choose, play_round, save_policy
from ponder.api.training.stage import SUMMARY, TRAINING, Stage, Start, prepared
from ponder.api.training.stopping import stoppable
from ponder.api.training.summary import summarise
from ponder.config import resolved
from ponder.labels.rows import fingerprint
from ponder.learning.checkpoints.checkpoints import Checkpoints
from ponder.problems.overlap import refuse_overlapping
from ponder.problems.selfcheck import check_shape, require_grader
from ponder.protocols import Family, Grade
from ponder.reports.run.page import render
from ponder.runlog import RunLog, environment
from ponder.selfplay import needs, state
from ponder.selfplay.config import Run
from ponder.selfplay.monitors import log as watch_log
from ponder.selfplay.proposer.make import check_source
from ponder.selfplay.roles import NoVerifier
from ponder.selfplay.steps.parts import Tell
from ponder.tracking.hub import tracking
from ponder.tracking.tracker import RunInfo
from ponder.verifiers.learned import folder


def run(plan: Plan, out: Path, *, resume: bool, tell: Tell, cluster: str = "") -> dict[str, Any]:
    """Everything, start to report; returns the summary. A finished run is not measured again, only its page is.

    `cluster` is "local" or the address of a Ray cluster (docs/cluster.md); empty: this process alone.
    """
    started, clock, config = time.time(), time.monotonic(), plan.config
    needs.check(config)
    if not resume:
        forecast.check(plan.forecast)
    for tracker in config.tracking:
        tracker.check()
    families = load_families(config.problems)
    check_source(config.source, families)
    for held_out in ("validation", "test"):
        refuse_overlapping(families, families, splits=("train", held_out))
    finished = resume and is_finished(out)
    with (
        placed("" if finished else cluster, config, families) as places,
        ground_truth(families, allow_unsafe_code=config.allow_unsafe_code) as truth,
    ):
        start = None if finished else prepared(config, families, places.opened, places.learners)
        grade = places.grade or truth.grade
        if start is not None:
            _try_the_grader(config, families, grade)
        with RunLog.open(
            out, resolved(config), resume=resume, free=("cluster",), planned=None if resume else plan.as_data()
        ) as log:
            places.listen(log.event)
            return _logged(start, log, grade, tell, started, clock, plan.forecast)


def is_finished(out: Path) -> bool:
    """Whether the run in `out` wrote its summary, whole; one that cannot be read is set aside and made again."""
    try:
        return isinstance(json.loads((out / SUMMARY).read_text(encoding="utf-8")), dict)
    except (OSError, ValueError, RecursionError):
        return False


def _try_the_grader(config: Run, families: list[Family], grade: Grade) -> None:
    """Ten problems of each family through the grader: what cannot be graded is found before it is trained on."""
    for family in families:
        check_shape(family)
        require_grader([family.problem(index, split="train", seed=config.seed) for index in range(10)], grade)


def _logged(
    start: Start | None,
    log: RunLog,
    grade: Grade,
    tell: Tell,
    started: float,
    clock: float,
    predicted: Forecast,
) -> dict[str, Any]:
    """All stages in an open run folder; a finished run (no `start`) gets its pages again."""
    out = log.path
    if start is None:
        known: dict[str, Any] = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
        if not any(event["kind"] == "finished" for event in log.events()):  # killed right after its summary
            log.event("finished", seconds=known.get("seconds"))
        browse(out)
        render(out)
        return known
    for notice in notices(start.config, start.generator.propose.prompts, start.families):
        log.event("notice", sentence=notice)
        tell(TRAINING, 0, 1, notice)
    summary = _stages(Stage.of(start, log, grade, tell), start, started, clock, predicted)
    browse(out)  # before the report, which links to it
    render(out)
    return summary


def _stages(stage: Stage, start: Start, started: float, clock: float, predicted: Forecast) -> dict[str, Any]:
    """Train, run the control arms, measure; each goes on where an earlier process of this run stopped."""
    run_info = RunInfo(stage.log.path, stage.log.path.resolve().name, resolved(stage.config))
    with tracking(stage.config.tracking, run_info, lambda kind, why: _untracked(stage, kind, why)) as trackers:
        stage.track = trackers.log
        try:
            rounds = _train(stage)
        finally:
            if stage.play.sampler is not None:
                stage.play.sampler.close()
    stage.finish_training()
    cloned = cloning_arm(stage)
    kept = rejection_arm(stage)
    after_arms = time.monotonic()
    measured = measure_run(stage, cloned, kept)
    seconds = {
        "train": stage.play.ledger.seconds,
        "control": sum(arm.seconds for arm in (cloned, kept) if arm is not None),
        "evaluation": time.monotonic() - after_arms,
    }
    # A resumed run adds what its earlier processes spent in finished stages.
    seconds["total"] = max(time.monotonic() - clock, sum(seconds.values()))
    summary = summarise(stage.config, start.policy, stage.play.ledger, rounds, measured, seconds, started)
    written = sum(file.stat().st_size for file in stage.log.path.rglob("*") if file.is_file())
    summary["chosen"] = stage.chosen
    summary["forecast"] = predicted.beside(seconds, environment.peak_memory_bytes(), written)
    raw.write(stage.log.path, measured)
    stage.log.write_json(SUMMARY, summary)
    stage.log.event("finished", seconds=seconds)
    return summary


def _untracked(stage: Stage, kind: str, why: str) -> None:
    """A tracker failed: the log and the people are told, and the run goes on without it."""
    stage.log.event("tracker", tracker=kind, error=why)
    stage.tell(TRAINING, 0, 1, f"tracking by {kind} stopped: {why}")


def _train(stage: Stage) -> list[dict[str, Any]]:
    """The rounds that are still to be played; returns the rows of all."""
    config, log, play = stage.config, stage.log, stage.play
    checkpoints = Checkpoints(log.path / "checkpoints", config.keep_checkpoints)
    found = checkpoints.load_latest(play.generator.model)
    for warning in found.warnings:
        log.event("checkpoint", warning=warning)
    done = state.restore(play, found.saved) if found.saved else 0
    log.truncate_after(done - 1)
    watch_log.truncate_after(log.path, done - 1)
    total = config.rounds * config.updates
    with stoppable(lambda note: stage.tell(TRAINING, done * config.updates, total, note)) as stop:
        if done == 0 and not any(row.get("round") == -1 for row in log.metrics()):
            log.event("frame", frame=stage.policy.propose.frame.model_dump(mode="json"))
            row = play.start()
            log.metric(0, **row)
            stage.track(0, row)
        if found.saved is None:
            begin(stage, checkpoints)
        number = done
        while number < config.rounds:
            number += play_round(stage, checkpoints, number)
            stop.check(f"round {number} of {config.rounds}", log.path)
    stage.chosen = choose(stage, checkpoints)
    stage.tell(TRAINING, total, total, "done")
    _save_models(stage)
    return log.metrics()


def _save_models(stage: Stage) -> None:
    """The trained policy and, where there is one, the verifier as ordinary model folders."""
    config, log, tokenizer = stage.config, stage.log, stage.policy.tokenizer
    save_policy(stage, log.path / "model")
    if isinstance(stage.verifier, NoVerifier):
        return
    spec = folder.Spec(
        "process", fingerprint(tokenizer.get_vocab()), config.sampling.separator, config.verifier.aggregation
    )
    folder.save(log.path / "verifier", stage.verifier.model, tokenizer, spec)
