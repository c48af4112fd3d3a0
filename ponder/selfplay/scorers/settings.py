"""Settings of the models beside policy, critic and verifier; each is loaded only if something asks for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ponder.config import Strict
from ponder.learning.settings import JudgeTraining


class Teacher(Strict):
    """Whom `algorithm.kind=distillation` follows: a folder or hub id with the policy's tokens."""

    model: str = ""


class ImplicitTraining(JudgeTraining):
    """How the implicit reward model of `algorithm.kind=prime` learns; `batch` counts answers of a step.

    PRIME's code gives it twice the policy's rate.
    """

    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 6e-4
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    batch: Annotated[int, Field(ge=1)] = 32
