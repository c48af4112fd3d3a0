"""Clip-Cov and KL-Cov (Cui et al., arXiv 2505.22617, section 4): hold back the few tokens that use up the entropy.

Entropy falls by the covariance of log-probability and advantage (their section 3). A token's part of it, over all
trained tokens of a step, is

    cov_t = (log mu(y_t) - mean log mu) (A_t - mean A)

Clip-Cov takes the gradient off a random `share` of the tokens whose part lies between `low` and `high`; KL-Cov adds
coef * (log pi - log mu)^2 / 2 on the `share` of tokens with the largest parts. The sampler's log-probabilities stand
for the policy's, which are the same at the first step of an update, so what is chosen does not depend on
micro-batches.

Degenerate: at the first step of an update pi = mu, so the penalty of KL-Cov and its gradient are 0 and with one step an
update it is REINFORCE; it needs `trainer.minibatches` or `trainer.epochs` above 1. Equal advantages choose nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator

from ponder.losses.additions import completed
from ponder.losses.clipped import held
from ponder.losses.loss import Loss, Models, Terms, TokenRows
from ponder.types import Sample

Share = Annotated[float, Field(gt=0, le=1)]


class ClipCov(Loss):
    """The clipped loss without the gradient of some tokens whose log-probability and advantage are high together."""

    kind: Literal["clip_cov"] = "clip_cov"
    clip_low: Annotated[float, Field(ge=0, le=1)] = 0.2
    clip_high: Annotated[float, Field(ge=0)] = 0.2
    share: Share = 2e-4
    low: float = 1.0
    high: float = 5.0
    source: ClassVar[str] = "Clip-Cov (arXiv 2505.22617, section 4)"
    compares: ClassVar[bool] = True

    @model_validator(mode="after")
    def _low_below_high(self) -> ClipCov:
        if self.low >= self.high:
            raise ValueError(f"low={self.low} is not below high={self.high}; no covariance would lie between them")
        return self

    def marks(self, samples: Sequence[Sample], models: Models) -> list[tuple[float, ...]]:
        parts = covariances(samples)
        flat = np.concatenate(parts)
        within = np.flatnonzero((flat > self.low) & (flat < self.high)).tolist()
        count = min(len(within), max(1, int(self.share * trained(samples)))) if within else 0
        # The draw follows from the rows alone, so that a run that is repeated chooses the same tokens.
        chosen = random.Random(f"clip_cov/{len(flat)}/{samples[0].id}/{samples[0].version}").sample(within, count)
        return marked(parts, chosen)

    def __call__(self, tokens: TokenRows) -> Terms:
        assert tokens.marks_N is not None
        loss_N, clipped_N = held(tokens.log_ratio_N.exp(), tokens.advantages_N, self.clip_low, self.clip_high)
        loss_N = torch.where(tokens.marks_N > 0, loss_N.detach(), loss_N)
        metrics = {"clip_fraction": clipped_N.float(), "covariance_share": tokens.marks_N}
        return completed(self, Terms(loss_N, metrics), tokens)


class KLCov(Loss):
    """REINFORCE by the ratio, with a pull to the sampler on the tokens whose covariance is largest."""

    kind: Literal["kl_cov"] = "kl_cov"
    share: Share = 2e-4
    coef: Annotated[float, Field(gt=0)] = 1.0
    source: ClassVar[str] = "KL-Cov (arXiv 2505.22617, section 4)"
    compares: ClassVar[bool] = True

    def marks(self, samples: Sequence[Sample], models: Models) -> list[tuple[float, ...]]:
        parts = covariances(samples)
        flat = np.concatenate(parts)
        count = max(1, int(self.share * trained(samples)))
        largest = [i for i in np.argsort(-flat, kind="stable")[:count].tolist() if flat[i] > 0]
        return marked(parts, largest)

    def __call__(self, tokens: TokenRows) -> Terms:
        assert tokens.marks_N is not None
        log_ratio_N = tokens.log_ratio_N
        loss_N = -log_ratio_N.exp() * tokens.advantages_N + self.coef * tokens.marks_N * log_ratio_N.square() / 2
        return completed(self, Terms(loss_N, {"covariance_share": tokens.marks_N}), tokens)


def covariances(samples: Sequence[Sample]) -> list[np.ndarray]:
    """The part of each response token; -inf where it is not trained on."""
    masks = [np.asarray(sample.mask_T) > 0 for sample in samples]
    logprobs = [np.asarray(sample.logprobs_T, dtype=float) for sample in samples]
    advantages = [np.asarray(sample.advantages_T, dtype=float) for sample in samples]
    mean_logprob = np.concatenate([some[m] for some, m in zip(logprobs, masks, strict=True)]).mean()
    mean_advantage = np.concatenate([some[m] for some, m in zip(advantages, masks, strict=True)]).mean()
    return [
        np.where(m, (p - mean_logprob) * (a - mean_advantage), -np.inf)
        for m, p, a in zip(masks, logprobs, advantages, strict=True)
    ]


def trained(samples: Sequence[Sample]) -> float:
    """How many tokens are trained on."""
    return sum(sum(sample.mask_T) for sample in samples)


def marked(parts: Sequence[np.ndarray], chosen: Sequence[int]) -> list[tuple[float, ...]]:
    """1.0 for the chosen places of the flat list, else 0.0, cut into rows again."""
    flat = np.zeros(sum(map(len, parts)))
    flat[list(chosen)] = 1.0
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return [tuple(map(float, row)) for row in np.split(flat, ends)]
