"""Models that judge: the policy's trunk with a small head, or the policy itself asked another question.

All three forms are ordinary transformers checkpoints that other engines load: token classification (a score at every
token), sequence classification (one score at the end) and the causal language model. A head is new, drawn from a seed.
The trunk is a copy of the policy's, or with `shared` the policy's own modules: then one set of weights proposes and
judges, and training the one moves the other.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, PreTrainedModel

from ponder.models import lean
from ponder.types import PonderError

Form = Literal["token", "sequence", "causal"]
_CLASSES: dict[str, Any] = {"token": AutoModelForTokenClassification, "sequence": AutoModelForSequenceClassification}
_HEADS = ("score", "classifier")


def judging_model(
    policy: PreTrainedModel, form: Form, *, labels: int = 1, seed: int = 0, shared: bool = False
) -> PreTrainedModel:
    """A model of `form` on the policy's trunk, with `labels` outputs a position (ignored for "causal").

    Separate weights start as a copy. Raises PonderError if transformers has no such form of the policy's architecture.
    """
    if form == "causal":
        return policy if shared else copy.deepcopy(policy)
    known = {key: value for key, value in policy.config.to_dict().items() if key not in ("id2label", "label2id")}
    config = policy.config.__class__(**{**known, "num_labels": labels, "classifier_dropout": 0.0})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            model: PreTrainedModel = _CLASSES[form].from_config(config)
        except ValueError as error:
            raise PonderError(
                f"transformers has no {form}-classification form of {config.model_type!r}, which this verifier needs"
            ) from error
    if shared:
        setattr(model, model.base_model_prefix, policy.base_model)
    else:
        model.base_model.load_state_dict(policy.base_model.state_dict())
    torch.nn.Module.to(model, device=policy.device, dtype=policy.dtype)
    return model


def step_verifier(policy: PreTrainedModel, seed: int) -> PreTrainedModel:
    """A separate step verifier: label 1 of two means "leads to a right answer"."""
    return judging_model(policy, "token", labels=2, seed=seed)


def head(model: PreTrainedModel) -> torch.nn.Module:
    """The new layer of a classification checkpoint; PonderError if there is none."""
    for name in _HEADS:
        found = getattr(model, name, None)
        if isinstance(found, torch.nn.Module):
            return found
    raise PonderError(f"this {model.config.model_type} model has no classification head, so it cannot score")


def hidden_states(model: PreTrainedModel, ids_BT: Tensor) -> Tensor:
    """Final hidden states [B, T, hidden]. Rows are right-padded; attention is causal, so padding reaches nothing."""
    if lean.supports(model):
        return lean.hidden_states(model, ids_BT)
    hidden: Tensor = model.base_model(input_ids=ids_BT, use_cache=False).last_hidden_state
    return hidden


def step_logits(model: PreTrainedModel, ids_BT: Tensor, at_B: Tensor, at_T: Tensor) -> Tensor:
    """One number for each (row, position) pair: the only output, or the log-odds of label 1 of two."""
    out: Tensor = head(model)(hidden_states(model, ids_BT)[at_B, at_T])
    return out[:, 0] if out.shape[-1] == 1 else out[:, 1] - out[:, 0]


def next_token_logprobs(model: PreTrainedModel, ids_BT: Tensor, at_B: Tensor, at_T: Tensor) -> Tensor:
    """Log-probabilities [N, V] of what follows each (row, position) pair under a causal language model."""
    if lean.supports(model):
        logits = model.get_output_embeddings()(lean.hidden_states(model, ids_BT)[at_B, at_T])
    else:
        logits = model(input_ids=ids_BT, use_cache=False).logits[at_B, at_T]
    return torch.log_softmax(logits.float(), dim=-1)


def token_logprobs(model: PreTrainedModel, ids_BT: Tensor, at_B: Tensor, at_T: Tensor) -> Tensor:
    """Log-probability [N] of the token that stands at each (row, position) pair; positions are 1 or more."""
    return next_token_logprobs(model, ids_BT, at_B, at_T - 1).gather(1, ids_BT[at_B, at_T][:, None])[:, 0]


def padded(rows: Any, device: torch.device) -> Tensor:
    """Token rows of unequal length as one right-padded tensor [B, T]."""
    ids_BT = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for i, row in enumerate(rows):
        ids_BT[i, : len(row)] = torch.tensor(row)
    return ids_BT.to(device)
