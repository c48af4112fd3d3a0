"""A trained verifier on disk: an ordinary transformers checkpoint, and beside it what Ponder must know to use it.

`AutoModelForTokenClassification`, `...SequenceClassification` or `...CausalLM` loads the folder without Ponder.
`ponder_verifier.json` holds the kind, the aggregation, where steps end and the fingerprint of the tokenizer, because
a verifier that reads other tokens or other steps than it learned from gives numbers that mean nothing. An implicit
verifier's reference lies in the folder `reference/`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ponder.models import weights
from ponder.runlog.files import whole_folder, write_text
from ponder.types import PonderError
from ponder.verifiers.aggregation import AGGREGATIONS
from ponder.verifiers.learned.common.stored import FORMAT, Spec, Stored
from ponder.verifiers.learned.kinds import KINDS, Kind

__all__ = ["FILE", "NoHead", "OtherStepRule", "OtherTokenizer", "Spec", "Stored", "load", "read_spec", "save"]

FILE, REFERENCE = "ponder_verifier.json", "reference"
_AUTO: dict[str, Any] = {
    "token": AutoModelForTokenClassification,
    "sequence": AutoModelForSequenceClassification,
    "causal": AutoModelForCausalLM,
}
_HEADS = ("score.", "classifier.")


class NoHead(PonderError):
    """The folder holds no weights of a head: transformers would draw random ones and say so in a log only."""


class OtherTokenizer(PonderError):
    """The verifier was trained on tokens of another tokenizer."""


class OtherStepRule(PonderError):
    """The verifier was trained on steps that end elsewhere."""


def save(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spec: Spec,
    reference: PreTrainedModel | None = None,
) -> None:
    """Write the checkpoint, its tokenizer and the spec."""
    with whole_folder(folder) as place:
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)
        if reference is not None:
            reference.save_pretrained(place / REFERENCE)
        write_text(place / FILE, json.dumps(asdict(spec), indent=1) + "\n")


def load(
    folder: Path, *, tokenizer: str, step_rule: str, device: torch.device | str = "cpu", assumed: Spec | None = None
) -> Stored:
    """The verifier in `folder`, for a policy with this tokenizer fingerprint and step rule.

    `assumed` stands in for a folder without a spec. Raises `NoHead`, `OtherTokenizer`, `OtherStepRule`, or another
    PonderError for a folder that is no verifier, cannot be read or holds weights that are not finite.
    """
    if not (folder / "config.json").exists():
        raise PonderError(f"{folder} is no verifier folder: it has no config.json; `ponder verifier train` writes one")
    spec = read_spec(folder) if (folder / FILE).exists() else assumed
    if spec is None:
        raise PonderError(f"{folder} is no verifier folder: it has no {FILE}; `ponder verifier train` writes one")
    _check(folder, spec, tokenizer, step_rule)
    model = _read(folder, KINDS[spec.kind], device)
    reference = None
    if spec.kind == "implicit":
        if not (folder / REFERENCE / "config.json").exists():
            raise PonderError(f"the implicit verifier in {folder} has no {REFERENCE}/; restore it or train again")
        reference = _read(folder / REFERENCE, KINDS[spec.kind], device)
    return Stored(model, spec, reference)


def read_spec(folder: Path) -> Spec:
    """The spec in `folder`; PonderError if it is not one of this format."""
    path = folder / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        spec = Spec(**{field.name: data[field.name] for field in fields(Spec)})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PonderError(f"{path} cannot be read ({error}); train the verifier again or restore the file") from error
    if spec.format != FORMAT or spec.kind not in KINDS or spec.aggregation not in (None, *AGGREGATIONS):
        raise PonderError(
            f"{path}: kind {spec.kind!r}, aggregation {spec.aggregation!r}, format {spec.format!r}; this version knows "
            f"kinds {', '.join(KINDS)}, aggregations {', '.join(AGGREGATIONS)} and format {FORMAT}"
        )
    return spec


def _check(folder: Path, spec: Spec, tokenizer: str, step_rule: str) -> None:
    if spec.tokenizer != tokenizer:
        raise OtherTokenizer(
            f"the verifier in {folder} reads tokens of tokenizer {spec.tokenizer}, this model's is {tokenizer}; "
            "use a verifier that was trained with this model's tokenizer"
        )
    if spec.step_rule != step_rule:
        raise OtherStepRule(
            f"the verifier in {folder} knows steps that end at {spec.step_rule!r}, the policy's end at {step_rule!r}; "
            "use the same separator or train again"
        )
    if KINDS[spec.kind].form != "causal" and not any(name.startswith(_HEADS) for name in _tensors(folder)):
        raise NoHead(f"{folder} holds no weights of a classification head; it is no {spec.kind} verifier")


def _tensors(folder: Path) -> list[str]:
    names: list[str] = []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                names += file.keys()
        except Exception as error:  # the library's own error type is not public
            raise PonderError(f"{path} cannot be read as safetensors ({error}); restore it") from error
    return names


def _read(folder: Path, kind: Kind, device: torch.device | str) -> PreTrainedModel:
    try:
        weights.check_index(folder)
        model = weights.read(
            _AUTO[kind.form], folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise PonderError(f"the verifier in {folder} cannot be loaded: {str(error).splitlines()[0]}") from error
    if kind.labels and model.config.num_labels != kind.labels:
        raise PonderError(f"the verifier in {folder} has {model.config.num_labels} outputs; its kind has {kind.labels}")
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise PonderError(f"the verifier in {folder} holds weights that are not finite; train it again")
    torch.nn.Module.to(model, device)
    model.eval()
    return model
