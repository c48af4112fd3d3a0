"""What `ponder run` sets by itself for a model: one table by size, with the reason for each value.

The class defaults of the settings are those of the embedded model. Any other model of more than `SMALLEST` parameters
gets the values below wherever the user set nothing; they are printed at the start and written into config.toml, so a
run is continued with what it began with.

Where the numbers come from. Full fine-tuning: 2e-5 was measured on SmolLM2-135M-Instruct (`recipes/smollm2`); published
runs fall with size, to 1e-6 at 7B (DeepSeekMath, arXiv 2402.03300, section 4.2; DAPO, arXiv 2503.14476, section 4.1).
Adapters want about ten times the rate of full fine-tuning (Schulman et al., "LoRA Without Regret", 2025), at any rank
that reinforcement learning needs. No KL penalty: DAPO, section 2.3, and Dr. GRPO, arXiv 2503.20783, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ponder.models.load import EMBEDDED

SMALLEST = 20e6  # models below are of the embedded one's kind, which the class defaults are vetted for
_FULL_BYTES = 16  # a parameter of full fine-tuning: float32 weight, gradient and the two moments of AdamW
_BUDGET = 0.6  # share of the memory that those may take; the rest is activations, cache and the system


@dataclass(frozen=True)
class About:
    """What the choice depends on: the model's parameters, the device, and the memory in bytes that is there.

    `framed`: the model comes with a frame that it was trained in. `files`: all problems are rows of files.
    """

    name: str
    parameters: float
    device: str
    memory: float
    framed: bool = False
    files: bool = False


@dataclass(frozen=True)
class Choice:
    """One setting that was chosen, and why."""

    key: str
    value: Any
    because: str

    @property
    def line(self) -> str:
        """As it would be typed after --set."""
        shown = str(self.value).lower() if isinstance(self.value, bool) else self.value
        return f"{self.key}={list(shown) if isinstance(shown, tuple) else shown}"


def choices(about: About) -> list[Choice]:
    """The settings for this model, in the order in which they are shown; none for the embedded model and its like."""
    if about.name == EMBEDDED or about.parameters < SMALLEST:
        return []
    full = about.parameters * _FULL_BYTES <= _BUDGET * about.memory
    return [*_learning(about, full), *_sampling(about), *_length(about), *_kept(about, full), *_measured(about)]


# Parameters below which a rate is meant: full fine-tuning, adapters.
_RATES = ((300e6, 2e-5, 2e-4), (1e9, 5e-6, 5e-5), (4e9, 2e-6, 2e-5), (float("inf"), 1e-6, 1e-5))


def rate(parameters: float, *, full: bool) -> float:
    """The learning rate for a model of this size."""
    return next(whole if full else adapters for most, whole, adapters in _RATES if parameters < most)


def _learning(about: About, full: bool) -> list[Choice]:
    size, gpu = f"{about.parameters / 1e6:.0f}M parameters", about.device != "cpu"
    where = f"{about.memory / 1e9:.0f} GB of memory"
    method = "full fine-tuning" if full else "adapters"
    found = [
        Choice("trainer.learning_rate", rate(about.parameters, full=full), f"{method} of {size}"),
        Choice(
            "trainer.lora_rank",
            0 if full else 32,
            f"full fine-tuning needs {about.parameters * _FULL_BYTES / 1e9:.1f} GB and there are {where}",
        ),
        Choice("trainer.betas", (0.9, 0.999), "with 0.95 an update of one mixed group moves as far as one of eight"),
        Choice("trainer.warmup_steps", 2, "a run is tens of updates, and AdamW needs a few steps to know its scale"),
    ]
    if not full:
        found.append(Choice("trainer.lora_alpha", 64, "twice the rank, as the published runs scale it"))
    if gpu and about.parameters > 1e9:
        found.append(Choice("trainer.gradient_checkpointing", True, "activations of long answers outgrow the weights"))
    if not gpu:
        found.append(
            Choice(
                "trainer.micro_tokens", 1024, "this keeps the cores busy, and activations take half a GB and more each"
            )
        )
    return found


def _sampling(about: About) -> list[Choice]:
    gpu, small = about.device != "cpu", about.parameters < 400e6
    plain = about.parameters < 300e6 and about.files and not about.framed
    why = "a model this small rarely ends its answer when it is told in what form to give it"
    return [
        *([Choice("frame.kind", "plain", why)] if plain else []),
        Choice("sampling.group_size", 8, "enough answers for a group to hold right and wrong ones"),
        Choice(
            "sampling.problems",
            32 if gpu else 8,
            f"{256 if gpu else 64} answers an update, "
            + ("which fill a GPU" if gpu else "so that an update takes seconds on a CPU and not minutes"),
        ),
        Choice(
            "sampling.temperature",
            0.9 if small else 1.0,
            "small models rarely answer right at 1.0, and below 0.9 the answers of a group were soon all alike"
            if small
            else "the policy itself is what is trained",
        ),
        Choice(
            "sampling.max_tokens",
            (128 if small else 256) if not gpu else (512 if small else 1024),
            "short worked answers on a CPU; lower it where answers are numbers" if not gpu else "worked answers",
        ),
    ]


def _length(about: About) -> list[Choice]:
    why = "progress is measured and a checkpoint written after every round"
    return [Choice("rounds", 5 if about.device == "cpu" else 20, why), Choice("updates", 10, why)]


def _kept(about: About, full: bool) -> list[Choice]:
    size = 4 * about.parameters / 1e9
    return [
        Choice(
            "engine.share_weights",
            full,
            f"engine and trainer hold one copy of the weights, {size:.1f} GB less"
            if full
            else "the engine cannot read adapters apart from the weights and holds a merged copy",
        ),
        Choice("keep_policies", False, f"each round's policy would take {size:.1f} GB of disk"),
        Choice(
            "keep_checkpoints", 1, f"a checkpoint with its optimizer takes {4 * size:.1f} GB; a second one is a spare"
        ),
        Choice("verifier.enabled", False, "a verifier of half the layers adds its labels and a third of the work"),
        Choice("control.enabled", False, "files and gym tasks have no demonstrations to imitate"),
        Choice("control.rejection", False, "the control arm takes as long as the training; switch it on for a claim"),
        Choice("control.learning_rate", rate(about.parameters, full=full), "the control arm learns as fast as the run"),
        Choice("control.batch", 32, "rows of an update of the control arm: about as many as a run learns from"),
    ]


def _measured(about: About) -> list[Choice]:
    why = "measuring takes less time than training; intervals are wider"
    few = about.device == "cpu"
    return [
        Choice("evaluation.problems", 100 if few else 200, why),
        Choice("evaluation.ladder", 24 if few else 64, why),
        Choice("evaluation.pool_problems", 20 if few else 60, why),
        Choice("evaluation.pool_samples", 8, why),
        Choice("evaluation.unsolved_problems", 10 if few else 30, why),
        Choice("evaluation.unsolved_tries", 4, why),
    ]


def filled(given: Mapping[str, Any], chosen: Sequence[Choice]) -> tuple[dict[str, Any], list[Choice]]:
    """`given` (nested tables) with each choice that the user left open, and those choices.

    A table of another kind than the choice is made for (another engine) keeps its own defaults.
    """
    out: dict[str, Any] = _copied(given)
    used = []
    for choice in chosen:
        *path, last = choice.key.split(".")
        table: Any = out
        for name in path:
            table = table.setdefault(name, {}) if isinstance(table, dict) else None
        if path == ["engine"] and isinstance(table, dict) and table.setdefault("kind", "local") != "local":
            continue
        if isinstance(table, dict) and last not in table:
            table[last] = choice.value
            used.append(choice)
    return out, used


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in table.items()}
