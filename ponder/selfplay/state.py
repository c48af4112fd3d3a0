"""A run between two rounds: everything that the next round depends on, into a checkpoint and back."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ponder.learning.checkpoints.checkpoints import Checkpoints, Saved
from ponder.learning.checkpoints.state import LearnerState, optimizer_tensors, restore_optimizer, restore_weights
from ponder.selfplay.ledger import Ledger
from ponder.selfplay.loop import SelfPlay
from ponder.types import CheckpointRef


def save(checkpoints: Checkpoints, play: SelfPlay, tokenizer: PreTrainedTokenizerBase, rounds: int) -> CheckpointRef:
    """Write the state after `rounds` finished rounds."""
    learner, critic = play.generator.learner.state(), play.critic
    moments = optimizer_tensors(critic.learner.optimizer, dict(critic.model.named_parameters()))
    return checkpoints.save(
        rounds,
        play.generator.model,
        tokenizer,
        tensors={
            "policy": dict(learner.weights),
            "learner": dict(learner.tensors),
            "verifier": {name: p.detach() for name, p in critic.model.named_parameters()},
            "verifier_optimizer": moments,
        },
        state={
            "rounds": rounds,
            "counters": dict(learner.counters),
            "curriculum": play.curriculum.state(),
            "ledger": play.ledger.state(),
        },
        version=play.generator.engine.version,
        flops=play.ledger.flops,
    )


def restore(play: SelfPlay, saved: Saved) -> int:
    """Put a run back to where `saved` was written; returns how many rounds are done."""
    tensors: dict[str, dict[str, Tensor]] = saved.tensors
    state: dict[str, Any] = saved.state
    play.generator.learner.load_state(LearnerState(tensors["policy"], tensors.get("learner", {}), state["counters"]))
    critic = play.critic
    restore_weights(critic.model, tensors["verifier"])
    restore_optimizer(
        critic.learner.optimizer, dict(critic.model.named_parameters()), tensors.get("verifier_optimizer", {})
    )
    play.curriculum.load_state(state["curriculum"])
    play.ledger = Ledger.of(state["ledger"])
    play.generator.publish(saved.ref.version)
    return int(state["rounds"])
