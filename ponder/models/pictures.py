"""Image-text models as causal language models: a picture is a run of token ids beyond the vocabulary.

A LLaVA-like model (a vision tower, a projector, a language model) reads a picture as a fixed number of vectors in the
place of word embeddings. Here the language model is taken out and its embedding replaced by one that knows both: ids of
the vocabulary are words, larger ones are places of a picture, for which tower and projector are asked. So engine,
learner and search go on speaking of token ids: a picture is paid for as the tokens that it takes, is never learned
from, two pictures never share a cache, and tower and projector are trained with the rest.

The ids come from a picture's own bytes, so they are the same in every process. Which picture they stand for is
remembered in this process, for all models; the bytes that were asked about stay in memory.

Liu et al. 2023, "Visual Instruction Tuning" (arXiv 2304.08485, section 4.1).
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoImageProcessor,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PretrainedConfig,
    PreTrainedModel,
)

from ponder.models.weights import read as weights_of
from ponder.types import PonderError

KINDS = ("llava",)  # one picture is one run of vectors there, and positions are counted as in plain text
_NUMBERS = 2**40  # how many pictures can be told apart
_BYTES = 256 * 2**20  # of pictures that are kept as the tower takes them
_KNOWN: dict[int, str] = {}  # number -> data URL


class Pictures:
    """How pictures become token ids of one model: `length` ids each, counted from `words`, the rows of its embedding.

    `mark` is the token that stands for a picture in the model's own texts.
    """

    def __init__(self, words: int, length: int, mark: int, processor: Any, pixel_bytes: int) -> None:
        self.rows, self.length, self.mark, self.processor = words, length, mark, processor
        self._pixels = lru_cache(maxsize=max(16, _BYTES // pixel_bytes))(self._read)

    def __deepcopy__(self, memo: dict[int, Any]) -> Pictures:
        return self  # copies of a model read the same pictures

    def tokens(self, url: str) -> tuple[int, ...]:
        """The ids of a picture given as a data URL. PonderError if it cannot be read as one."""
        number = int.from_bytes(hashlib.sha256(url.encode()).digest()[:8], "big") % _NUMBERS
        if number not in _KNOWN:
            _KNOWN[number] = url
            try:
                self._pixels(number)
            except PonderError:
                del _KNOWN[number]
                raise
        first = self.rows + number * self.length
        return tuple(range(first, first + self.length))

    def words(self, tokens: Sequence[int]) -> list[int]:
        """`tokens` without those of pictures that are known here."""
        return [t for t in tokens if t < self.rows or (t - self.rows) // self.length not in _KNOWN]

    def pixels(self, numbers: Sequence[int]) -> Tensor:
        """Pictures by number as the tower takes them, [N, 3, H, W]."""
        return torch.stack([self._pixels(number) for number in numbers])

    def _read(self, number: int) -> Tensor:
        from PIL import Image  # slow to import, and needed for pictures alone

        try:
            picture = Image.open(io.BytesIO(base64.b64decode(_KNOWN[number].partition(",")[2]))).convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise PonderError(f"the picture cannot be read ({error}); give a PNG, JPEG, GIF or WebP file") from error
        pixels: Tensor = self.processor(images=picture, return_tensors="pt")["pixel_values"][0]
        return pixels


class SeeingEmbedding(nn.Module):
    """The embedding of words and pictures: `weight` [V, D], and `eyes`, the model's tower and projector.

    `whole` is the configuration of the image-text model that it was made from.
    """

    def __init__(self, words: nn.Embedding, eyes: nn.Module, whole: PretrainedConfig, pictures: Pictures) -> None:
        super().__init__()
        self.weight, self.eyes, self.whole, self.pictures = words.weight, eyes, whole, pictures

    def forward(self, ids: Tensor) -> Tensor:
        """Ids [...] to vectors [..., D]; every picture is computed once, however often it stands there."""
        rows, length = self.pictures.rows, self.pictures.length
        is_word = ids < rows
        vectors = F.embedding(ids.where(is_word, 0), self.weight)
        if bool(is_word.all()):
            return vectors
        behind = ids[~is_word] - rows
        numbers, which = torch.unique(behind // length, return_inverse=True)
        seen = seen_by(self.eyes, self.pictures.pixels(numbers.tolist()).to(self.weight))
        return vectors.masked_scatter(~is_word[..., None], seen[which, behind % length].to(vectors.dtype))


def seen_by(eyes: Any, pixels_N3HW: Tensor) -> Tensor:
    """What the tower and the projector make of pictures, [N, length, D]."""
    return torch.stack(list(eyes.get_image_features(pixel_values=pixels_N3HW).pooler_output))


def pictures_of(model: PreTrainedModel) -> Pictures | None:
    """How pictures become ids of `model`; None if it reads text alone."""
    embedding = model.get_input_embeddings()
    return embedding.pictures if isinstance(embedding, SeeingEmbedding) else None


def read(place: Path | str, **options: Any) -> PreTrainedModel:
    """The folder or hub id of an image-text model of one of `KINDS` as a causal language model that sees."""
    processor = AutoImageProcessor.from_pretrained(place, trust_remote_code=False)
    return seeing(weights_of(AutoModelForImageTextToText, place, **options), processor)


def seeing(whole: Any, processor: Any) -> PreTrainedModel:
    """The language model of `whole` with eyes. It takes the modules of `whole`, which is of no use any more."""
    eyes, language = whole.model, whole.model.language_model
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(language.config)
    setattr(model, model.base_model_prefix, language)
    model.lm_head = whole.lm_head
    model.generation_config = whole.generation_config
    eyes.language_model = None
    size = int(whole.config.vision_config.image_size)
    words = language.get_input_embeddings()
    with torch.no_grad():
        length = seen_by(eyes, torch.zeros(1, 3, size, size).to(words.weight)).shape[1]
    pictures = Pictures(words.weight.shape[0], length, int(whole.config.image_token_id), processor, 12 * size * size)
    language.set_input_embeddings(SeeingEmbedding(words, eyes, whole.config, pictures))
    made: PreTrainedModel = model.eval()
    return made


def write(model: PreTrainedModel, place: Path, weights: Mapping[str, Tensor] | None = None) -> None:
    """The folder of the image-text model that `model` was made from, with its processor."""
    embedding = model.get_input_embeddings()
    assert isinstance(embedding, SeeingEmbedding)
    with torch.device("meta"):
        whole = AutoModelForImageTextToText.from_config(embedding.whole)
    named = dict(model.state_dict() if weights is None else weights)
    whole.save_pretrained(place, state_dict={_whole_name(model, name): value for name, value in named.items()})
    embedding.pictures.processor.save_pretrained(place)


def _whole_name(model: PreTrainedModel, name: str) -> str:
    """The name that a tensor has in the image-text model."""
    inner = f"{model.base_model_prefix}."
    if not name.startswith(inner):
        return name
    name = name.removeprefix(inner)
    eyes = "embed_tokens.eyes."
    return f"model.{name.removeprefix(eyes)}" if name.startswith(eyes) else f"model.language_model.{name}"
