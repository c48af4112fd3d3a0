"""A run between two rounds: everything that the next round depends on, into a checkpoint and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ponder.learning.checkpoints.checkpoints import Checkpoints, Saved
from ponder.learning.checkpoints.state import LearnerState
from ponder.selfplay.ledger import Ledger
from ponder.selfplay.loop import SelfPlay
from ponder.types import CheckpointRef


def save(
    checkpoints: Checkpoints, play: SelfPlay, tokenizer: PreTrainedTokenizerBase, rounds: int, *, best: bool = False
) -> CheckpointRef:
    """Write the state after `rounds` finished rounds; `best`: it is kept until a better one is written."""
    policy = play.generator.trainer.state()
    critic = play.critic
    return checkpoints.save(
        rounds,
        play.generator.model,
        tokenizer,
        tensors={
            # Weights that the model folder holds as they are stand there alone; those with adapters do not.
            **({} if _plain(play) else {"policy": dict(policy.weights)}),
            "learner": dict(policy.tensors),
            **play.verifier.tensors(),
            **(critic.tensors() if critic else {}),
            **play.scorers.tensors(),
        },
        state={
            "rounds": rounds,
            "counters": dict(policy.counters),
            "verifier": play.verifier.counters(),
            "critic": critic.counters() if critic else None,
            "implicit": play.scorers.counters(),
            "selection": play.selection.state(),
            "curriculum": play.source.state(),
            "ledger": play.ledger.state(),
            "health": play.health.state(),
            "ahead": play.sampler.state() if play.sampler else None,
        },
        version=play.generator.engine.version,
        flops=play.ledger.flops,
        weights=play.generator.trainer.weights(),
        best=best,
    )


def _plain(play: SelfPlay) -> bool:
    """Whether the policy's model folder holds the very parameters that learn."""
    served = play.generator.trainer.weights()
    own = play.generator.trainer.state().weights
    return all(name in served and served[name].data_ptr() == tensor.data_ptr() for name, tensor in own.items())


def _of_folder(folder: Path, model: PreTrainedModel) -> dict[str, Tensor]:
    """The parameters of `model` by name from the files of its folder."""
    held = {name: t for file in sorted(folder.glob("*.safetensors")) for name, t in load_file(file).items()}
    # Of tied tensors a folder may hold either name.
    own = dict(model.state_dict())
    by_place = {own[name].data_ptr(): t for name, t in held.items() if name in own}
    names = [name for name, _ in model.named_parameters()]
    return {name: held.get(name, by_place.get(own[name].data_ptr())) for name in names}  # type: ignore[misc]


@runtime_checkable
class Slowing(Protocol):
    """Something that learns, whose rate can be lowered."""

    def slow(self, scale: float) -> None: ...


def slow(play: SelfPlay) -> None:
    """Let all that moves the policy learn at the rate that the health of the run allows."""
    for learner in (play.generator.trainer, play.verifier):
        if isinstance(learner, Slowing):
            learner.slow(play.health.scale)


def restore(play: SelfPlay, saved: Saved, version: int | None = None) -> int:
    """Put a run back to where `saved` was written; returns how many rounds are done.

    The engine serves the weights as `version` (None: the one they had). In the process that went beyond `saved` it must
    be a new one.
    """
    if play.sampler:
        play.sampler.halt()
    tensors: dict[str, dict[str, Tensor]] = saved.tensors
    state: dict[str, Any] = saved.state
    play.enter(max(0, int(state["rounds"]) - 1))  # the optimizer that was saved is that of the last round's stage
    weights = tensors.get("policy") or _of_folder(saved.policy, play.generator.model)
    play.generator.trainer.load_state(LearnerState(weights, tensors.get("learner", {}), state["counters"]))
    play.verifier.load(tensors, state["verifier"])
    if play.critic is not None:
        play.critic.load(tensors, state["critic"])
    play.scorers.load(tensors, state.get("implicit"))
    play.selection.load_state(state.get("selection", {}))
    play.source.load_state(state["curriculum"])
    play.ledger = Ledger.of(state["ledger"])
    if "health" in state:  # not in checkpoints of earlier versions
        play.health.load_state(state["health"])
    slow(play)
    live = saved.ref.version if version is None else version
    play.run(play.generator.publish(live))
    if play.sampler:
        play.sampler.load_state(state["ahead"], live)
    return int(state["rounds"])
