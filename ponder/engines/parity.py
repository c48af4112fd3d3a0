"""Does an engine compute what its weights say? A few log-probabilities, compared with transformers over one checkpoint.

The probe is a fixed walk over the vocabulary, no text: every model has it. The largest gap is compared in float32,
where kernels agree to about 1e-5; in half precision the mean one, since single tokens differ by some hundredths.
Stale weights differ by some tenths at least, unless they hardly changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

PROBE = 24


class Parity:
    """The probe for one vocabulary. `half` says that the engine computes in half precision."""

    def __init__(self, *, half: bool, vocabulary: int, eos: int) -> None:
        self.allowed = 0.05 if half else 1e-3
        self._half = half
        walk = (1 + 7919 * i % vocabulary for i in range(2 * PROBE))
        self.tokens = tuple(token % vocabulary for token in walk if token % vocabulary != eos)[:PROBE]

    @torch.inference_mode()
    def expected(self, folder: str | Path) -> tuple[float, ...]:
        """Log-probabilities of the probe's tokens after its first, by the library's forward in float32 on the CPU."""
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
        ids = torch.tensor([self.tokens])
        logprobs_TV = model.eval()(ids).logits[0, :-1].log_softmax(-1)
        return tuple(logprobs_TV.gather(-1, ids[0, 1:, None])[:, 0].tolist())

    def gap(self, expected: Sequence[float], got: Sequence[float]) -> float:
        """How far `got` is from `expected`; not-a-number if either is not finite, which no limit allows."""
        gaps = torch.tensor(expected).sub(torch.tensor(got)).abs()
        return float(gaps.mean() if self._half else gaps.max())
