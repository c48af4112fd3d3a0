"""Which backend computes a model: the one that the settings name, or the best that can."""

from __future__ import annotations

from transformers import PreTrainedModel

from ponder.learning.backends import flex
from ponder.learning.backends.backend import Backend
from ponder.learning.backends.checkpointing import checkpoint_layers
from ponder.learning.backends.module import Module
from ponder.learning.backends.packed import Packed
from ponder.learning.packed.precision import Numbers
from ponder.learning.settings import TrainerSettings
from ponder.models import lean
from ponder.types import PonderError


def backend_for(model: PreTrainedModel, settings: TrainerSettings) -> Backend:
    """The backend that `settings` names; "auto": packed where it can be, flex for the rest on CUDA, else module.

    PonderError if the named one cannot compute this model.
    """
    numbers = Numbers.of(settings.precision, model.dtype)
    packable = lean.supports(model)
    name = settings.backend
    if name == "auto":
        on_gpu = model.device.type == "cuda"
        name = "flex" if on_gpu and flex.can_serve(model) else "packed" if packable else "module"
    if name == "packed":
        if not packable:
            raise PonderError(
                f"trainer.backend=packed: it computes plain Llama, Qwen2 and Qwen3 models and not "
                f"{model.config.model_type} as configured here; use trainer.backend=module"
            )
        return Packed(lean.Shape.of(model), numbers, settings.gradient_checkpointing)
    if settings.gradient_checkpointing:
        checkpoint_layers(model)
    return flex.prepared(model, numbers) if name == "flex" else Module(numbers)
