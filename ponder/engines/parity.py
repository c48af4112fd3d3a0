"""Does an engine compute what the trainer computes? A few log-probabilities of both, compared after an update.

An engine that has stale, half-loaded or wrongly laid out weights still samples fluent text, and training on it goes
wrong without a sign. So after an update some texts (those that were just sampled are the best) are scored by the
engine and by the trainer's own forward over the same weights.

In float32 the largest gap counts: kernels agree to about 1e-5, and 1e-3 is allowed. If either side computes in
bfloat16 the mean gap counts and 0.1 is allowed: a bfloat16 engine differs from float32 weights by 0.03 to 0.04 on
average (SmolLM2-135M) and by 0.2 on single tokens. So in bfloat16 wrong weights are seen, and weights that are one
small update old are not; the version that each token carries is what tells those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from ponder.protocols import Engine
from ponder.seeds import derive_seed
from ponder.types import PonderError

Text = tuple[Sequence[int], Sequence[int]]  # prompt and continuation
Forward = Callable[[Sequence[int], Sequence[int]], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Gap:
    """Absolute differences of log-probabilities over `tokens`, in nats, and which of the two may be `allowed` at most.

    Not-a-number if one side gave none or an infinite one: that is within no limit.
    """

    tokens: int
    mean: float
    largest: float
    half: bool
    allowed: float

    @staticmethod
    def allowed_for(half: bool) -> float:
        return 0.1 if half else 1e-3

    @staticmethod
    def between(
        expected: Sequence[Sequence[float]],
        got: Sequence[Sequence[float]],
        *,
        half: bool,
        allowed: float | None = None,
    ) -> Gap:
        """The gap over all tokens of all texts."""
        a, b = (torch.tensor([x for row in rows for x in row], dtype=torch.float64) for rows in (expected, got))
        if len(a) != len(b) or not len(a):
            raise PonderError(f"parity compares log-probabilities one by one, got {len(b)} for {len(a)} tokens")
        gaps = (a - b).abs()
        limit = Gap.allowed_for(half) if allowed is None else allowed
        return Gap(len(a), float(gaps.mean()), float(gaps.max()), half, limit)

    @property
    def measure(self) -> float:
        """What is compared with `allowed`: the mean in half precision, else the largest."""
        return self.mean if self.half else self.largest

    @property
    def holds(self) -> bool:
        return self.measure <= self.allowed  # false for not-a-number


@dataclass(frozen=True)
class Parity:
    """The check after every `every`-th update, over at most `texts` texts of at most `tokens` tokens in all each.

    `half` says that engine or trainer computes in bfloat16; `allowed` replaces the limit that follows from it.
    """

    half: bool = False
    allowed: float | None = None
    every: int = 1
    texts: int = 4
    tokens: int = 256
    seed: int = 0

    async def check(self, engine: Engine, forward: Forward, texts: Sequence[Text], version: int) -> Gap | None:
        """The gap, or None if this version is not one that is checked or there is no text to check with.

        PonderError names the gap if it is above the limit, or if the engine does not have this version.
        """
        if version % self.every:
            return None
        if engine.version != version:
            raise PonderError(f"the engine draws from weights version {engine.version} and not from {version}")
        chosen = [self._cut(*text) for text in self._some(texts, version)]
        if not chosen:
            return None
        got = [await engine.score(prompt, continuation) for prompt, continuation in chosen]
        expected = [forward(prompt, continuation) for prompt, continuation in chosen]
        gap = Gap.between(expected, got, half=self.half, allowed=self.allowed)
        if not gap.holds:
            raise PonderError(
                f"weights version {version}: the engine's log-probabilities differ from the trainer's by "
                f"{gap.mean:.2g} on average and {gap.largest:.2g} at most over {gap.tokens} tokens; allowed are "
                f"{gap.allowed:g} {'on average' if gap.half else 'at most'}. The engine does not sample from what is "
                "trained: nothing learned from here on would be right"
            )
        return gap

    def _some(self, texts: Sequence[Text], version: int) -> list[Text]:
        """Texts with something to score, the same for the same seed and version."""
        usable = [text for text in texts if text[0] and text[1]]
        order = sorted(range(len(usable)), key=lambda i: derive_seed("parity", self.seed, version, i))
        return [usable[i] for i in order[: self.texts]]

    def _cut(self, prompt: Sequence[int], continuation: Sequence[int]) -> Text:
        room = max(1, self.tokens - len(prompt))
        return prompt, continuation[:room]


@torch.inference_mode()
def module_logprobs(model: PreTrainedModel, prompt: Sequence[int], continuation: Sequence[int]) -> tuple[float, ...]:
    """Log-probability of each token of `continuation` after `prompt` by the module's own forward, in float32."""
    ids_1T = torch.tensor([[*prompt, *continuation]], device=model.device)
    mask_1T = torch.ones_like(ids_1T)
    logits_TV = model(input_ids=ids_1T, attention_mask=mask_1T, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    return tuple(logits_TV.log_softmax(-1).gather(-1, ids_1T[0, len(prompt) :, None])[:, 0].tolist())
