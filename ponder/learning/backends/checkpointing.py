"""Gradient checkpointing (arXiv 1604.06174) of a transformers model that stays in evaluation mode.

The library checkpoints a layer only while it trains, and training mode would switch dropout on, which the sampler does
not have. So the flag of training is set on the decoder layers alone, whose children keep theirs.
"""

from __future__ import annotations

from transformers import GradientCheckpointingLayer, PreTrainedModel

from ponder.types import PonderError


def checkpoint_layers(model: PreTrainedModel) -> None:
    """Let the backward pass compute each decoder layer again. PonderError if the model's layers cannot."""
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise PonderError(
            f"trainer.gradient_checkpointing: the layers of {model.config.model_type} cannot be computed twice; "
            "switch it off, or lower trainer.micro_tokens to save memory"
        )
    model.activation_checkpointing_enable({"use_reentrant": False})
    for layer in layers:
        layer.training = True
