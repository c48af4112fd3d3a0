"""What a group of learners cannot train, refused before anything is loaded."""

from __future__ import annotations

from ponder.selfplay.config import Run
from ponder.selfplay.stages.plan import plan
from ponder.types import PonderError


def check(config: Run) -> None:
    """PonderError with one sentence for the first setting, of the run or of a stage, that needs one process."""
    if not config.cluster.learners:
        return
    for stage in plan(config):
        found = _unfit(stage.config)
        if found:
            where = f"stage {stage.name}: " if stage.name else ""
            raise PonderError(
                f"{where}{found}; or set cluster.learners=0, and the driver trains the policy in its own process"
            )


def _unfit(config: Run) -> str:
    trainer, loss = config.trainer, config.loss
    if trainer.lora_rank:
        return f"trainer.lora_rank={trainer.lora_rank}: adapters are not sharded over learners; set it to 0"
    if loss.keeps_reference:
        return (
            f"loss {loss.kind} keeps a copy of the starting policy, which is not sharded over learners; set "
            "loss.kl_coef=0, or choose another loss than dpo"
        )
    if trainer.from_start:
        return (
            "trainer.from_start=true keeps the starting weights, which are not sharded over learners; set it to false"
        )
    if trainer.backend not in ("auto", "module"):
        return f"trainer.backend={trainer.backend} needs whole weights; set trainer.backend=module for learners"
    if config.verifier.enabled and config.coupling.weights == "unified":
        return (
            "coupling.weights=unified trains the policy's layers by the verifier too, in one process; set "
            "coupling.weights=dual"
        )
    return ""
