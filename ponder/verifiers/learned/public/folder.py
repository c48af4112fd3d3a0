"""A published step verifier from its folder: which layout it has, its trunk and the log-odds that its head makes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ponder.models.weights import check_index
from ponder.names import pick
from ponder.types import PonderError
from ponder.verifiers.learned.public.layouts import LAYOUTS, TAG, Layout

_TRUNK = "model."
_HEAD, _VALUE, _WORDS, _EMBEDDING = "score.", "v_head.summary.", "lm_head.weight", "model.embed_tokens.weight"


class TwoClasses(nn.Module):
    """The head of Qwen2.5-Math-PRM: two linear layers with a ReLU between; class 1 means that the step is right."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.inner = _linear(weights["score.0.weight"], weights["score.0.bias"])
        self.outer = _linear(weights["score.2.weight"], weights["score.2.bias"])

    def forward(self, states_NH: Tensor) -> Tensor:
        """Log-odds [N] of states [N, hidden]."""
        out: Tensor = self.outer(self.inner(states_NH).relu())
        return out[:, 1] - out[:, 0]


class OneNumber(nn.Module):
    """A linear layer with one output: a value head's logit, or how much likelier one token is than another."""

    def __init__(self, weight_1H: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.layer = _linear(weight_1H, bias)

    def forward(self, states_NH: Tensor) -> Tensor:
        """Log-odds [N] of states [N, hidden]."""
        out: Tensor = self.layer(states_NH)
        return out[:, 0]


@dataclass(frozen=True)
class Published:
    """A verifier in memory. `head` makes log-odds of the states of `trunk` after its final norm."""

    kind: str
    layout: Layout
    tokenizer: PreTrainedTokenizerBase
    trunk: PreTrainedModel
    head: nn.Module


def recognised(folder: Path) -> str | None:
    """Which published verifier lies in `folder`, by its config, its tensors and its name; None if it is none."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        shards = sorted(folder.glob("*.safetensors"))
        names = {name for file in shards for name in _keys(file)}
    except (OSError, ValueError):
        return None
    architectures = config.get("architectures") or []
    if "Qwen2ForProcessRewardModel" in architectures:
        return "qwen_prm"
    if f"{_VALUE}weight" in names:
        return "skywork"
    called = f"{config.get('_name_or_path', '')} {folder.resolve().name}".lower()
    if architectures == ["MistralForCausalLM"] and "shepherd" in called and "prm" in called:
        return "math_shepherd"
    if architectures == ["LlamaForCausalLM"] and "prm" in called:
        return "rlhflow"
    return None


def load(folder: Path, kind: str, device: torch.device | str = "cpu") -> Published:
    """The verifier of this kind in `folder`, in float32. PonderError if files or tensors are missing or damaged."""
    layout = pick("published verifier", kind, LAYOUTS)
    check_index(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        weights = {name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in _tensors(file)}
        trunk = _trunk(folder, weights)
        head = _head(kind, layout, tokenizer, weights)
    except (OSError, ValueError, RuntimeError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise PonderError(f"the verifier in {folder} cannot be loaded ({reason}); restore its files") from error
    except KeyError as error:
        raise PonderError(f"the verifier in {folder} lacks {error}, which a {kind} verifier has") from error
    if not all(bool(p.isfinite().all()) for part in (trunk, head) for p in part.parameters()):
        raise PonderError(f"the verifier in {folder} holds weights that are not finite; restore its files")
    for part in (trunk, head):
        part.eval()
        nn.Module.to(part, device)
    return Published(kind, layout, tokenizer, trunk, head)


def _trunk(folder: Path, weights: dict[str, Tensor]) -> PreTrainedModel:
    data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    known = {name: value for name, value in data.items() if name not in ("auto_map", "architectures")}
    kind = known.pop("model_type", None)
    if kind not in CONFIG_MAPPING:
        raise ValueError(f"transformers knows no architecture {kind!r}")
    trunk: PreTrainedModel = AutoModel.from_config(CONFIG_MAPPING[kind](**known), dtype=torch.float32)
    state = {name.removeprefix(_TRUNK): tensor for name, tensor in weights.items() if name.startswith(_TRUNK)}
    found = trunk.load_state_dict(state, strict=False)
    missing = [name for name in found.missing_keys if not name.endswith("inv_freq")]
    if missing or [name for name in found.unexpected_keys if not name.endswith("inv_freq")]:
        wrong = sorted([*missing, *found.unexpected_keys])
        raise ValueError(f"its weights do not belong to its config.json: {', '.join(wrong[:3])}")
    return trunk


def _head(kind: str, layout: Layout, tokenizer: PreTrainedTokenizerBase, weights: dict[str, Tensor]) -> nn.Module:
    if kind == "qwen_prm":
        return TwoClasses({name: tensor for name, tensor in weights.items() if name.startswith(_HEAD)})
    if layout.signs is None:
        return OneNumber(weights[f"{_VALUE}weight"], weights[f"{_VALUE}bias"])
    if kind == "math_shepherd" and len(tokenizer.encode(TAG, add_special_tokens=False)) > 2:
        raise ValueError(f"its tokenizer does not know the tag {TAG}")
    words = weights[_WORDS] if _WORDS in weights else weights[_EMBEDDING]
    yes, no = layout.signs(tokenizer)
    return OneNumber((words[yes] - words[no])[None], None)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    state: dict[str, Any] = {"weight": weight.float()} | ({} if bias is None else {"bias": bias.float()})
    layer.load_state_dict(state)
    return layer


def _keys(file: Path) -> list[str]:
    with safe_open(file, "pt") as content:
        return list(content.keys())


def _tensors(file: Path) -> list[tuple[str, Tensor]]:
    with safe_open(file, "pt") as content:
        return [(name, content.get_tensor(name)) for name in content.keys()]  # noqa: SIM118  (no mapping)
