"""A step verifier's model: the policy's trunk with a two-way head at each token.

It is an ordinary transformers token-classification checkpoint (label 1 means "leads to a right answer"), so other
engines can load and serve it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import AutoModelForTokenClassification, PreTrainedModel

from ponder.models import lean
from ponder.types import PonderError


def step_verifier(policy: PreTrainedModel, seed: int) -> PreTrainedModel:
    """A separate model that starts from the policy's trunk; only the head is new (drawn from `seed`)."""
    config = policy.config.__class__(**{**policy.config.to_dict(), "num_labels": 2, "classifier_dropout": 0.0})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            model: PreTrainedModel = AutoModelForTokenClassification.from_config(config)
        except ValueError as error:
            raise PonderError(
                f"transformers has no token-classification form of {config.model_type!r}, which a step verifier needs"
            ) from error
    model.base_model.load_state_dict(policy.base_model.state_dict())
    torch.nn.Module.to(model, device=policy.device, dtype=policy.dtype)
    return model


def step_logits(model: PreTrainedModel, ids_BT: Tensor, at_B: Tensor, at_T: Tensor) -> Tensor:
    """Log-odds that the prefix up to (row, position) leads to a right answer, for each pair in `at_B`, `at_T`.

    Rows are right-padded; attention is causal, so padding never reaches a scored position.
    """
    if lean.supports(model):
        hidden = lean.hidden_states(model, ids_BT)
    else:
        hidden = model.base_model(input_ids=ids_BT, use_cache=False).last_hidden_state
    two_way: Tensor = model.get_submodule("score" if hasattr(model, "score") else "classifier")(hidden[at_B, at_T])
    return two_way[:, 1] - two_way[:, 0]
