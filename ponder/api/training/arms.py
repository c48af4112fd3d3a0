"""The control arms: the same start and the same work, spent on cloning or rejection sampling instead of self-play."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from transformers import PreTrainedModel

from ponder.api.training.stage import CONTROL, Stage, curriculum
from ponder.api.training.summary import ControlArm
from ponder.engines.loop import run as run_async
from ponder.learning.policy import PolicyTrainer
from ponder.losses.cloning import Cloning
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.selfplay import accounts, control, measure
from ponder.selfplay.rejection import Player, fine_tune
from ponder.selfplay.report import by_family_and_problem
from ponder.types import Group, Problem


def cloning_arm(stage: Stage) -> ControlArm | None:
    """Behaviour cloning continued for the same work; None if switched off or impossible."""
    if not stage.config.control.enabled or not control.can_clone(stage.families):
        return None
    return _arm(stage, "control.json", "cloning for the same work", _clone)


def rejection_arm(stage: Stage) -> ControlArm | None:
    """Rejection-sampling fine-tuning for the same work, sampling included; None if switched off."""
    if not stage.config.control.rejection:
        return None
    return _arm(stage, "rejection.json", "rejection sampling for the same work", _reject)


Work = Callable[[Stage, PreTrainedModel, PolicyTrainer, Callable[[float, float], None]], dict[str, Any]]


def _arm(stage: Stage, name: str, note: str, work: Work) -> ControlArm:
    """Train a copy of the base by `work` and answer both suites with it; what is known already is read."""
    known = stage.log.path / name
    if known.exists():
        return ControlArm(**json.loads(known.read_text(encoding="utf-8")))
    started = time.monotonic()
    model = stage.base.model()
    trainer = _cloner(stage, model)

    def tell(spent: float, total: float) -> None:
        stage.tell(CONTROL, round(100 * spent / total), 100, note)

    done = work(stage, model, trainer, tell)
    stage.serve(trainer.weights())
    temperature = stage.config.evaluation.temperature
    main = measure.suites(stage.bench, stage.families).main
    scores = measure.accuracy(stage.bench, stage.policy.at(temperature), main, temperature=temperature)
    ladder = by_family_and_problem(stage.play.climb())
    stage.serve_trained()
    arm = ControlArm([list(some) for some in scores.tries_P], ladder, done, time.monotonic() - started)
    stage.log.write_json(name, asdict(arm))
    return arm


def _cloner(stage: Stage, model: PreTrainedModel) -> PolicyTrainer:
    """The run's trainer at the arm's own rate, which stays: the arm's length in steps is not known beforehand."""
    settings = stage.config.trainer.model_copy(
        update={"learning_rate": stage.config.control.learning_rate, "schedule": "constant", "minibatches": 1}
    )
    return PolicyTrainer(model, settings, Cloning(), seed=stage.config.seed)


def _clone(
    stage: Stage, _model: PreTrainedModel, trainer: PolicyTrainer, tell: Callable[[float, float], None]
) -> dict[str, Any]:
    config = stage.config
    report = control.clone(
        trainer,
        stage.policy.codec,
        stage.families,
        flops=stage.play.ledger.flops,
        settings=config.control,
        seed=derive_seed("control", config.seed) % 2**31,
        tell=tell,
        frame=stage.policy.propose.frame,
    )
    return asdict(report)


def _reject(
    stage: Stage, model: PreTrainedModel, trainer: PolicyTrainer, tell: Callable[[float, float], None]
) -> dict[str, Any]:
    config, engine = stage.config, stage.policy.engine
    meter = accounts.Meter(engine, model.config)
    stage.serve(trainer.weights())

    def draw(problems: Sequence[Problem], number: int) -> list[Group]:
        sampling = config.sampling
        return list(
            run_async(
                collect(
                    problems,
                    stage.policy.propose,
                    stage.play.reward_grade(derive_seed("rejection", config.seed, number)),
                    group_size=sampling.group_size,
                    max_tokens=sampling.max_tokens,
                    seed=derive_seed("rejection rollout", config.seed, number),
                )
            )
        )

    player = Player(
        draw=draw,
        update=trainer.update,
        publish=lambda: stage.serve(trainer.weights()),
        worked=lambda: meter.take().flops,
        prompt=stage.policy.propose.prompts.tokens,
    )
    report = fine_tune(
        player,
        curriculum(config, stage.families),
        flops=stage.play.ledger.flops,
        problems=config.sampling.problems,
        batch=config.control.batch,
        tell=tell,
    )
    return asdict(report)
