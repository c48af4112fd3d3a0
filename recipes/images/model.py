"""A tiny image-text model with random weights: the embedded tokenizer, a CLIP tower of 25 patches, a small Llama.

The folder is as transformers itself writes one of LLaVA's kind. A picture of the family `shapes` is made smaller, so
that each of its 25 cells is one patch of 10 by 10 pixels; which cell holds what, the model has to learn.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
from transformers.models.clip import CLIPImageProcessorPil

from ponder.models.load import load
from ponder.problems.families.shapes import GRID

MARK, PATCH = "<image>", 10


def save_random(folder: Path, *, width: int = 32, layers: int = 2, seed: int = 0) -> Path:
    """Write such a model into `folder`."""
    tokenizer = load("tiny").tokenizer
    tokenizer.add_tokens([MARK], special_tokens=True)
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=3 * width, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=512, tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    tower = CLIPVisionConfig(
        hidden_size=width, intermediate_size=2 * width, num_hidden_layers=1, num_attention_heads=4,
        image_size=GRID * PATCH, patch_size=PATCH,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=tower, text_config=text, image_token_index=len(tokenizer) - 1,
            image_seq_length=GRID * GRID, vision_feature_layer=-1, tie_word_embeddings=True,
        )
    )  # fmt: skip
    # The libraries' 0.02 is for models many times as wide: here hundreds of steps would pass before anything is seen.
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"height": GRID * PATCH, "width": GRID * PATCH}
    CLIPImageProcessorPil(size={"shortest_edge": GRID * PATCH}, crop_size=size).save_pretrained(folder)
    return folder
