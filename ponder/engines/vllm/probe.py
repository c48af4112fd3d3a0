"""Does vLLM compute what its weights say? A few log-probabilities after every update, before anything is sampled.

The probe is a fixed walk over the vocabulary, no text: every model has it. The largest gap is compared in float32,
where kernels agree to about 1e-5; in half precision the mean one, since single tokens differ by some hundredths.
Stale weights differ by some tenths at least, unless they hardly changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig

from ponder.engines import weights
from ponder.engines.parity import Gap, module_logprobs
from ponder.protocols import WeightSource

PROBE = 24


class Probe:
    """The walk through one vocabulary. `half` says that the engine computes in half precision."""

    def __init__(self, *, half: bool, vocabulary: int, ends: Collection[int]) -> None:
        self.allowed = Gap.allowed_for(half)
        self._half = half
        walk = (1 + 7919 * i % vocabulary for i in range(2 * PROBE))
        self.tokens = tuple(token % vocabulary for token in walk if token % vocabulary not in ends)[:PROBE]

    def expected(self, source: WeightSource, config: PretrainedConfig) -> tuple[float, ...]:
        """Log-probabilities of the probe's tokens after its first, by the sender's forward if the source has one.

        Else by the library's, in float32 on the CPU, over the same weights.
        """
        if source.logprobs is not None:
            return tuple(source.logprobs(self.tokens))
        auto: Any = AutoModelForCausalLM  # the library's annotations are narrower than what it takes
        if source.tensors is not None:
            model = auto.from_config(config, dtype=torch.float32, trust_remote_code=False)
            weights.replace(model, source.tensors)
        else:
            model = auto.from_pretrained(
                source.path, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            )
        return module_logprobs(model.eval(), self.tokens[:1], self.tokens[1:])

    def gap(self, expected: Sequence[float], got: Sequence[float]) -> float:
        """How far `got` is from `expected`; not-a-number if either is not finite, which no limit allows."""
        return Gap.between([expected], [got], half=self._half).measure
