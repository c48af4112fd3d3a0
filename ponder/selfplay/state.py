"""A run between two rounds: everything that the next round depends on, into a checkpoint and back."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ponder.learning.checkpoints.checkpoints import Checkpoints, Saved
from ponder.learning.checkpoints.state import LearnerState
from ponder.selfplay.ledger import Ledger
from ponder.selfplay.loop import SelfPlay
from ponder.types import CheckpointRef


def save(checkpoints: Checkpoints, play: SelfPlay, tokenizer: PreTrainedTokenizerBase, rounds: int) -> CheckpointRef:
    """Write the state after `rounds` finished rounds."""
    policy = play.generator.trainer.state()
    critic = play.critic
    return checkpoints.save(
        rounds,
        play.generator.model,
        tokenizer,
        tensors={
            "policy": dict(policy.weights),
            "learner": dict(policy.tensors),
            **play.verifier.tensors(),
            **(critic.tensors() if critic else {}),
        },
        state={
            "rounds": rounds,
            "counters": dict(policy.counters),
            "verifier": play.verifier.counters(),
            "critic": critic.counters() if critic else None,
            "curriculum": play.source.state(),
            "ledger": play.ledger.state(),
        },
        version=play.generator.engine.version,
        flops=play.ledger.flops,
        weights=play.generator.trainer.weights(),
    )


def restore(play: SelfPlay, saved: Saved) -> int:
    """Put a run back to where `saved` was written; returns how many rounds are done."""
    tensors: dict[str, dict[str, Tensor]] = saved.tensors
    state: dict[str, Any] = saved.state
    play.generator.trainer.load_state(LearnerState(tensors["policy"], tensors.get("learner", {}), state["counters"]))
    play.verifier.load(tensors, state["verifier"])
    if play.critic is not None:
        play.critic.load(tensors, state["critic"])
    play.source.load_state(state["curriculum"])
    play.ledger = Ledger.of(state["ledger"])
    play.run(play.generator.publish(saved.ref.version))
    return int(state["rounds"])
