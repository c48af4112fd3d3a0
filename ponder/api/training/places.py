"""Where engine, learners and graders of a run are: in this process, or on a cluster (`ponder run --cluster`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedModel

from ponder.distributed.learners import check as learners
from ponder.engines.settings import LocalSettings
from ponder.models.load import Loaded
from ponder.policy.codec import Codec
from ponder.protocols import Family, Grade, WeightedEngine
from ponder.selfplay.config import Run
from ponder.selfplay.roles import Trainer
from ponder.selfplay.stages.plan import plan
from ponder.types import PonderError


@dataclass
class Places:
    """`opened` makes the engine, `learners` the policy's trainer, `grade` grades; None: in this process.

    What happens to the parts is told to `listen`'s function, also what happened before it was given.
    """

    opened: Callable[[Codec, Loaded], WeightedEngine] | None = None
    learners: Callable[[PreTrainedModel], Trainer] | None = None
    grade: Grade | None = None
    _told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _hears: Callable[..., object] | None = None

    def listen(self, event: Callable[..., object]) -> None:
        """`event(kind, **facts)` hears of lost and replaced parts from now on."""
        self._hears = event
        for kind, facts in self._told:
            event(kind, **facts)
        self._told.clear()

    def heard(self, kind: str, facts: dict[str, Any]) -> None:
        if self._hears is None:
            self._told.append((kind, facts))
        else:
            self._hears(kind, **facts)


@contextmanager
def placed(cluster: str, config: Run, families: list[Family]) -> Iterator[Places]:
    """The places of a run; with an empty `cluster` everything is here. PonderError if the cluster cannot be had."""
    places = Places()
    if not cluster:
        yield places
        return
    check(config)
    # Imported here because it needs the extra `cluster`.
    from ponder.distributed.learners.worker import Course
    from ponder.distributed.messages import EngineSpec
    from ponder.distributed.world import joined

    with joined(cluster, config.cluster, places.heard) as world:

        def opened(codec: Codec, loaded: Loaded) -> WeightedEngine:
            spec = EngineSpec(
                loaded.model.config,
                loaded.tokenizer,
                codec.end_ids,
                config.engine,
                "cuda" if config.cluster.engine_gpus else "cpu",
                config.cluster.engine_cpus,
            )
            return world.engines(spec, loaded.model.state_dict())

        def trained_by(model: PreTrainedModel) -> Trainer:
            first, sampling = plan(config)[0], config.sampling
            course = Course(first.config.trainer, first.config.loss, first.steps)
            facts = {"temperature": sampling.temperature, "longest": sampling.max_tokens, "seed": config.seed}
            return world.learners(model, course, **facts)

        places.opened = opened
        places.learners = trained_by if config.cluster.learners else None
        graders = world.graders(families, allow_unsafe_code=config.allow_unsafe_code)
        places.grade = graders.grade if graders is not None else None
        yield places


def check(config: Run) -> None:
    """PonderError for settings that need the engine, or the learner, in this process."""
    learners.check(config)
    if isinstance(config.engine, LocalSettings) and config.engine.share_weights:
        raise PonderError(
            "engine.share_weights=true: engines of a cluster are other processes and hold their own weights; set it to "
            "false, or leave --cluster out"
        )
