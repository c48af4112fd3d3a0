"""A trained step verifier from its folder, as a judge for a policy."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForTokenClassification, PreTrainedModel

from ponder.commands.assemble import Policy
from ponder.models.size import parameters
from ponder.types import PonderError
from ponder.verifiers.process import ProcessVerifier


def load_judge(folder: Path, policy: Policy) -> ProcessVerifier:
    """The verifier in `folder` (a token-classification checkpoint with two labels) for `policy`'s tokens."""
    if not (folder / "config.json").exists():
        raise PonderError(
            f"{folder} is no verifier folder: it has no config.json; `ponder run` leaves one in RUN/verifier"
        )
    try:
        model: PreTrainedModel = AutoModelForTokenClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise PonderError(f"the verifier in {folder} cannot be loaded: {str(error).splitlines()[0]}") from error
    torch.nn.Module.to(model, policy.model.device)
    if model.config.num_labels != 2:
        raise PonderError(f"the verifier in {folder} has {model.config.num_labels} labels; a step verifier has 2")
    if model.config.vocab_size != policy.model.config.vocab_size:
        raise PonderError(
            f"the verifier in {folder} reads {model.config.vocab_size} kinds of tokens, the model "
            f"{policy.model.config.vocab_size}; use a verifier that was trained with this model's tokenizer"
        )
    return ProcessVerifier(
        model.eval(),
        policy.propose.prompts.tokens,
        policy_parameters=parameters(policy.model),
    )
