"""One round of a run, kept or rejected.

A round that the monitors reject is not kept: the run goes back to the checkpoint before it with smaller rates and draws
the round anew. A round that ends a slow decline is kept, and the run goes on from the best checkpoint with smaller
rates. The work that was in vain stays in the ledger. The state after going back is saved at once, so that a kill at any
point leads to the same run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ponder.api.training.stage import Stage
from ponder.learning.checkpoints.checkpoints import Checkpoints
from ponder.learning.core import Diverged
from ponder.models import trained_on
from ponder.models.load import save
from ponder.policy import export
from ponder.rollout import store
from ponder.selfplay import state
from ponder.selfplay.monitors import log as watch_log
from ponder.selfplay.monitors.health import Alarm, not_finite
from ponder.types import PonderError


def begin(stage: Stage, checkpoints: Checkpoints) -> None:
    """Leave something to go back to before the first round, where going back is possible at all."""
    if stage.config.monitors.enabled and stage.config.monitors.rollback:
        state.save(checkpoints, stage.play, stage.policy.tokenizer, 0)


def play_round(stage: Stage, checkpoints: Checkpoints, number: int) -> bool:
    """Play one round and leave its samples, its row, its policy and a checkpoint; False if it was rejected.

    PonderError, with the causes, if the run went back too often.
    """
    play, health = stage.play, stage.play.health
    try:
        row = play.play(number)
        readings, alarms = health.look(row, [group for groups in play.played for group in groups])
        rejected = health.rejects(alarms)
    except Diverged as error:
        if "not_finite" not in stage.config.monitors.rollback or not stage.config.monitors.enabled:
            raise
        rejected = not_finite(str(error))
    if rejected is not None:
        _go_back(stage, checkpoints, number, rejected)
        return False
    best = health.keep(readings, row) and _keeps_best(stage)
    for alarm in alarms:
        stage.log.event("health", round=number, **alarm.as_data())
    _leave(stage, number, {**row, "health": health.row(readings, alarms)})
    # Batches that were drawn ahead are numbered by updates, which go on: there it stays an alarm.
    if play.sampler is None and (decline := health.returns(alarms)) is not None:
        _return_to_best(stage, checkpoints, number, decline)
    state.save(checkpoints, play, stage.policy.tokenizer, number + 1, best=best)
    return True


def _keeps_best(stage: Stage) -> bool:
    """Whether anything may ask for the best checkpoint; else it would only take room on the disk."""
    monitors = stage.config.monitors
    return monitors.enabled and (monitors.export != "last" or "decline" in monitors.rollback)


def _leave(stage: Stage, number: int, row: dict[str, Any]) -> None:
    log, play = stage.log, stage.play
    store.write(log.path / "trajectories" / f"round-{number + 1:04d}.parquet", play.played)
    if play.watch.latest is not None:
        watch_log.write(log, number, play.watch.latest)
    log.metric(number + 1, **row)
    stage.track(number + 1, row)
    if stage.config.keep_policies:
        save_policy(stage, log.path / "policies" / f"round-{number + 1:04d}")


def _go_back(stage: Stage, checkpoints: Checkpoints, number: int, alarm: Alarm) -> None:
    """To the state before round `number`, with smaller rates; PonderError if that was done too often already."""
    play, health = stage.play, stage.play.health
    # No `round`: the event stays when that round is played again.
    stage.log.event("rejected", rejected_round=number, **alarm.as_data())
    if health.exhausted:
        before = "".join(f" Round {one['round'] + 1}: {one['says']}." for one in health.rolled_back)
        raise PonderError(
            f"round {number + 1} was rejected: {alarm.says}. The run went back {len(health.rolled_back)} times already "
            f"(monitors.most_rollbacks), the rate is {health.scale:g} of what was set.{before} The state before this "
            f"round is saved in {checkpoints.folder}; begin anew with other settings, or raise the threshold of this "
            "signal (ponder run --settings, monitors) if it is a false alarm"
        )
    spent = play.ledger
    found = checkpoints.load_latest(play.generator.model)
    if found.saved is None or found.saved.state["rounds"] != number:
        raise PonderError(f"round {number + 1} was rejected ({alarm.says}), and there is no checkpoint to go back to")
    state.restore(play, found.saved, version=play.generator.engine.version + 1)
    play.ledger = spent
    health.went_back(number, alarm)
    state.slow(play)
    state.save(checkpoints, play, stage.policy.tokenizer, number)
    note = f"round {number + 1} rejected, going on at {health.scale:g} of the rate: {alarm.says}"
    stage.tell("training", number * stage.config.updates, stage.config.rounds * stage.config.updates, note)


def _return_to_best(stage: Stage, checkpoints: Checkpoints, number: int, alarm: Alarm) -> None:
    """Everything that learns as it was at the best checkpoint; rounds are counted on, and the rates are smaller."""
    play, health = stage.play, stage.play.health
    best = checkpoints.load_best()
    if best is None:
        stage.log.event("checkpoint", warning="there is no whole best checkpoint to go back to")
        return
    spent, remembered = play.ledger, health.state()
    state.restore(play, best, version=play.generator.engine.version + 1)
    play.ledger = spent
    health.load_state(remembered)
    health.went_back(number, alarm)
    health.course.begin_again()
    state.slow(play)
    to = int(best.state["rounds"])
    stage.log.event("returned", round=number, to=to - 1, **alarm.as_data())
    note = f"back to the policy after round {to}, going on at {health.scale:g} of the rate: {alarm.says}"
    done = (number + 1) * stage.config.updates
    stage.tell("training", done, stage.config.rounds * stage.config.updates, note)


def choose(stage: Stage, checkpoints: Checkpoints) -> dict[str, Any]:
    """Which policy the run leaves (`monitors.export`), put in its place: after which round, and why."""
    play, monitors = stage.play, stage.config.monitors
    course = play.health.course
    last = {"round": stage.config.rounds - 1, "best": None if course.best is None else course.best.round}
    if not monitors.enabled:
        return {**last, "chosen": "last", "why": "the last round"}
    declined = course.declined
    if monitors.export == "best":
        why = f"the best by the mean validation accuracy of its last {max(1, monitors.rounds)} rounds (monitors.export)"
    elif monitors.export == "auto" and declined is not None:
        why = (
            f"the last rounds ended in a decline: {declined.recent:.1%} on average after {declined.best:.1%} as of "
            "this round (validation problems)"
        )
    else:
        return {**last, "chosen": "last", "why": "the last round"}
    best = checkpoints.load_best()
    if best is None:
        return {**last, "chosen": "last", "why": "the last round: there is no whole best checkpoint"}
    spent, remembered = play.ledger, play.health.state()
    state.restore(play, best, version=play.generator.engine.version + 1)
    play.ledger = spent
    play.health.load_state(remembered)
    after = int(best.state["rounds"]) - 1
    if not any(event["kind"] == "chosen" for event in stage.log.events()):
        stage.log.event("chosen", after_round=after, why=why)  # no `round`: it is of the whole run
    return {**last, "round": after, "chosen": "best", "why": why}


def save_policy(stage: Stage, folder: Path) -> None:
    """The policy as it is now, on which families it was trained, and how it was asked."""
    generator, prompts = stage.play.generator, stage.policy.propose.prompts
    save(generator.model, export.tokenizer_for_others(prompts), folder, weights=generator.trainer.weights())
    questions = [family.problem(0, split="train", seed=stage.config.seed).question for family in stage.families]
    frame = prompts.frame.model_dump(mode="json")
    trained_on.write(folder, [family.name for family in stage.families], frame, export.asked(prompts, questions))
