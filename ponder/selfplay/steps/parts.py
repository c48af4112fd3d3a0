"""What the steps of a round work with: the players, the settings of the stage, and the books of what was computed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, TypeVar

from ponder.models.size import parameters
from ponder.protocols import Grade, ProblemSource
from ponder.selfplay.accounts import Meter, Part
from ponder.selfplay.ahead.sampler import Sampler
from ponder.selfplay.config import Run
from ponder.selfplay.ledger import Ledger
from ponder.selfplay.monitors.health import Health
from ponder.selfplay.needs import needs_critic
from ponder.selfplay.roles import CriticRole, Generator, VerifierRole
from ponder.selfplay.scorers.scorers import Scorers
from ponder.selfplay.selection.selecting import Selecting
from ponder.selfplay.stages.plan import plan
from ponder.types import PonderError
from ponder.verifiers.noise import Noise, noisy

T = TypeVar("T")
RunAsync = Callable[[Coroutine[Any, Any, T]], T]
Tell = Callable[[str, int, int, str], None]  # stage, done, total, note


class Parts:
    """`run` drives coroutines on the event loop of the engine; `tell` hears of progress.

    `critic` is there if the algorithm needs one, and `scorers` are the other models that it asks. PonderError if the
    critic is not. `ledger` counts the work of the whole run, `parts` that of the latest round by purpose.
    """

    def __init__(
        self,
        config: Run,
        generator: Generator,
        verifier: VerifierRole,
        source: ProblemSource,
        grade: Grade,
        run: RunAsync[Any],
        tell: Tell,
        critic: CriticRole | None = None,
        scorers: Scorers | None = None,
    ) -> None:
        if needs_critic(config) and critic is None:
            raise PonderError(f"algorithm {config.algorithm.kind} needs a critic, and none was made")
        self.stages = plan(config)
        self.stage = self.stages[0]
        self.config, self.generator, self.verifier, self.critic = self.stage.config, generator, verifier, critic
        self.source, self.grade, self.run, self.tell = source, grade, run, tell
        self.scorers, self.selection = scorers or Scorers(), Selecting(config.selection, config.seed)
        self.noise = Noise(**config.noise.model_dump(), seed=config.seed)
        self.health = Health(config.monitors)
        self.ledger = Ledger()
        self.parts: dict[str, Part] = {}
        self.stream = 0  # the seed of the update under way
        self.sampler: Sampler | None = None  # what draws answers while the policy learns, where there is one

    def reward_grade(self, seed: int) -> Grade:
        """The grader of rewards and of labels to learn from: ground truth, behind the noise dial if that is turned."""
        return noisy(self.grade, self.noise, stream=seed)

    @cached_property
    def size(self) -> int:
        """Parameters of the policy; a token-equivalent is two operations for each."""
        return parameters(self.generator.model)

    @cached_property
    def meter(self) -> Meter:
        """What the engine did since it was last asked."""
        return Meter(self.generator.engine, self.generator.model.config)

    def forget_meter(self) -> None:
        """The generator has another engine: count from its own start."""
        self.__dict__.pop("meter", None)

    def sampled(self, purpose: str) -> float:
        """Enter what the engine did since it was last asked; its FLOPs."""
        part = self.meter.take()
        self.did(purpose, part)
        return part.flops

    def did(self, purpose: str, part: Part) -> None:
        """Enter work of the round; whether the ledger is charged for it is for the caller to say."""
        self.parts[purpose] = self.parts.get(purpose, Part()) + part
