"""A trained verifier in memory, and what a policy brings to it so that it can judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel

from ponder.protocols import Engine
from ponder.verifiers.learned.common.batched import PromptTokens
from ponder.verifiers.learned.common.reader import Reader

FORMAT = 1


@dataclass(frozen=True)
class Spec:
    """What a verifier is. `temperature` divides its log-odds; `question` and the rest are the generative verifier's."""

    kind: str
    tokenizer: str
    step_rule: str = "\n"
    aggregation: str | None = None
    temperature: float = 1.0
    trunk: str = "separate"
    beta: float = 0.05
    question: str = "\nCorrect? "
    yes: str = "Yes"
    no: str = "No"
    critiques: int = 0
    critique_tokens: int = 128
    format: int = FORMAT


@dataclass(frozen=True)
class Stored:
    """A verifier as it was stored; `reference` for an implicit one."""

    model: PreTrainedModel
    spec: Spec
    reference: PreTrainedModel | None = None


@dataclass(frozen=True)
class Serving:
    """What judging for a policy needs beside the verifier itself.

    `shared`: its trunk is the policy's own. `readers` are those of the verifier and of its reference, where an
    architecture has one. `engine` makes the engine that writes critiques; only a verifier with critiques calls it.
    """

    prompt_tokens: PromptTokens
    policy_parameters: int
    encode: Callable[[str], tuple[int, ...]]
    decode: Callable[[Sequence[int]], str]
    engine: Callable[[], Engine]
    shared: bool = False
    reader: Reader | None = None
    reference_reader: Reader | None = None

    def settings(self, spec: Spec) -> dict[str, Any]:
        """What every judge takes."""
        return {
            "policy_parameters": self.policy_parameters,
            "temperature": spec.temperature,
            "shared": self.shared,
            "reader": self.reader,
        }
