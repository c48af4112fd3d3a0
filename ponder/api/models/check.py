"""`ponder models check`: how a model will be asked, what it costs, and what is odd about its folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ponder.api.models import reading, running
from ponder.api.policies import load_policy
from ponder.engines.settings import LocalSettings
from ponder.policy.frames import Frame
from ponder.types import PonderError


@dataclass(frozen=True)
class CheckedModel:
    """What was found. Sizes are bytes, speed is tokens a second by number of rows, parity is in nats.

    `odd` are sentences on what is not as usual, `assumed` on what nothing in the folder says.
    """

    model: str
    architecture: str
    frame: dict[str, Any]
    prompt: dict[str, Any]
    thinking: dict[str, Any]
    ends: dict[str, Any]
    begin: dict[str, Any]
    turns: dict[str, Any]
    context: dict[str, Any]
    memory: dict[str, Any]
    parity: dict[str, Any]
    speed: dict[str, float]
    answers: list[dict[str, Any]]
    odd: list[str]
    assumed: list[str]

    def as_data(self) -> dict[str, Any]:
        """The same as plain data for JSON."""
        return asdict(self)


def check_model(
    name: str | Path,
    *,
    frame: str | Frame = "auto",
    answers: int = 3,
    max_tokens: int = 128,
    device: str = "cpu",
    measure: bool = True,
) -> CheckedModel:
    """Look at the model `name` (a folder, tiny, or a hub id): frame, prompt, ends, context, parity, memory, speed.

    `answers` greedy answers of at most `max_tokens` tokens are drawn. `measure` False leaves the speed out. Raises
    PonderError for a folder that cannot be used, as every other command would.
    """
    if not 0 <= answers <= len(running.QUESTIONS):
        raise PonderError(f"--answers {answers}: allowed are 0 to {len(running.QUESTIONS)}")
    policy = load_policy(str(name), device=device, engine=LocalSettings(share_weights=True), frame=frame)
    model, codec = policy.model, policy.codec
    prompts, found = reading.frame_and_prompt(str(name), codec, frame, running.QUESTIONS[0])
    found |= {"ends": reading.ends_of(codec, model), "context": reading.context_of(codec, model)}
    parity = running.parity(policy)
    odd = reading.oddities(codec, model, found)
    if not parity["holds"]:
        odd.append(
            "engine and module give other probabilities: report this model, training would learn the wrong thing"
        )
    said = running.answers(policy, answers, max_tokens)
    if said and not any(answer["ended"] for answer in said):
        odd.append(f"no answer ended within {max_tokens} tokens; give it more with --max-tokens")
    return CheckedModel(
        model=str(name),
        architecture=type(model).__name__,
        **found,
        memory=running.memory(model),
        parity=parity,
        speed=running.speed(policy) if measure else {},
        answers=said,
        odd=odd,
        assumed=reading.assumptions(prompts, found),
    )
