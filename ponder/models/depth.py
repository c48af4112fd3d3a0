"""Fewer layers: the first part of a decoder stack as a model of its own.

A verifier is charged for every token it reads, so half of the layers make it half as dear. On the embedded model the
first two of four layers judge as well as all four (docs/log.md).
"""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from ponder.types import PonderError


def shallower(model: PreTrainedModel, share: float) -> PreTrainedModel:
    """`model` itself with the first `share` of its decoder layers (at least one); all others are dropped for good."""
    if not 0 < share <= 1:
        raise PonderError(f"a share of {share:g} of the layers: give a number above 0 and at most 1")
    if share == 1:
        return model
    layers = getattr(model.base_model, "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise PonderError(
            f"{model.config.model_type}: where its decoder layers are is not known, so it cannot be cut; "
            "set verifier.depth=1"
        )
    count = max(1, round(share * len(layers)))
    model.base_model.layers = layers[:count]
    model.config.num_hidden_layers = count
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = model.config.layer_types[:count]
    return model
