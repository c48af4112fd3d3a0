"""Drawing tokens: one uniform number a row from a counter-based hash, and the inverse of the distribution function.

The number depends on nothing but the request's seed and the token's position, so a request draws the same tokens
whatever else is in its batch (up to rounding of the logits, which moves a draw about once in a million tokens).
Because the position counts from the start of the prompt, a generation that is cut at a step end and continued with the
same seed goes on as if it had not been cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.engines.cpu.draw import draw as native
from ponder.protocols import Walk

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit changes every output bit evenly."""
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


def stream(seed: int) -> np.uint64:
    """The key of a request's random stream; mixed once, so that neighbouring seeds share no numbers."""
    word = np.array([seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64)
    return np.uint64(_mix(word + _GOLDEN)[0])


def uniforms(streams_B: NDArray[np.uint64], positions_B: NDArray[np.int64]) -> NDArray[np.float32]:
    """One number in [0, 1) a row, of 24 random bits, from the row's stream and the position of the token drawn."""
    counters_B = positions_B.astype(np.uint64) * _GOLDEN
    bits_B = _mix(streams_B + counters_B) >> np.uint64(40)
    return bits_B.astype(np.float32) * np.float32(2.0**-24)


def drawn(
    logits_BV: Tensor,
    rows_N: NDArray[np.int64],
    uniforms_N: NDArray[np.float32],
    temperatures_N: NDArray[np.float32],
    top_p_N: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Tokens [N] and log-probabilities [N] of requests that each name a row of logits; by compiled code if it can."""
    plain = not (top_p_N < 1).any()
    served = logits_BV.device.type == "cpu" and logits_BV.dtype == torch.float32 and logits_BV.is_contiguous()
    if plain and served and (found := native(logits_BV, rows_N, uniforms_N, temperatures_N)):
        return found
    on = partial(torch.tensor, device=logits_BV.device)
    if len(rows_N) != len(logits_BV) or (rows_N != np.arange(len(rows_N))).any():
        logits_BV = logits_BV[on(rows_N)]
    hot = (temperatures_N != 1).any()
    tokens_N, logprobs_N = draw(
        logits_BV, on(uniforms_N), on(temperatures_N) if hot else None, None if plain else on(top_p_N)
    )
    return tokens_N.cpu().numpy(), logprobs_N.cpu().numpy()


def bounded(
    logits_BV: Tensor, rows_N: NDArray[np.int64], walks_N: Sequence[Walk | None]
) -> tuple[Tensor, NDArray[np.int64]]:
    """The logits with a row of its own for each request whose walk bounds it, and the rows that are then named.

    Such a row is the one that the request named, with minus infinity where a token is not allowed; the others stay as
    they are, for the requests that share them. A walk that allows nothing bounds nothing: the text is lost anyway.
    """
    rows, more = rows_N.copy(), list[Tensor]()
    for place, walk in enumerate(walks_N):
        allowed = None if walk is None else walk.allowed()
        if allowed is None or not allowed.any():
            continue
        wide = np.zeros(logits_BV.shape[1], dtype=np.bool_)
        wide[: len(allowed)] = allowed[: len(wide)]
        shut = torch.from_numpy(~wide).to(logits_BV.device)
        more.append(logits_BV[int(rows_N[place])].masked_fill(shut, -torch.inf))
        rows[place] = len(logits_BV) + len(more) - 1
    return (torch.cat([logits_BV, torch.stack(more)]), rows) if more else (logits_BV, rows_N)


def draw(
    logits_BV: Tensor, uniforms_B: Tensor, temperatures_B: Tensor | None = None, top_p_B: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Tokens [B] and their log-probabilities [B] in float32. Temperature and `top_p` of None are 1 for all.

    The log-probability is that of the distribution drawn from: the softmax at the row's temperature, and with `top_p`
    below 1 its nucleus alone, renormalised. Temperature 0 takes the likeliest token and records its log-probability
    at temperature 1 over the whole vocabulary.
    """
    logits_BV = logits_BV.float()
    if temperatures_B is not None:
        greedy_B1 = temperatures_B[:, None] == 0
        logits_BV = logits_BV / temperatures_B[:, None].masked_fill(greedy_B1, 1.0)
    logprobs_BV = logits_BV.log_softmax(-1)
    probs_BV = logprobs_BV.exp()
    if top_p_B is not None:
        probs_BV = nucleus(probs_BV, top_p_B)
        mass_B1 = probs_BV.sum(-1, keepdim=True).masked_fill(top_p_B[:, None] == 1, 1.0)
        if temperatures_B is not None:
            mass_B1 = mass_B1.masked_fill(greedy_B1, 1.0)
    cumulative_BV = probs_BV.cumsum(-1)
    # Rounding keeps u * total strictly below total for every u <= 1 - 2^-24, so the last token of zero probability
    # is never drawn.
    threshold_B1 = uniforms_B[:, None] * cumulative_BV[:, -1:]
    # Only where the model's logits are not finite can the search run past the end; the caller sees it in `logprobs`.
    tokens_B1 = torch.searchsorted(cumulative_BV, threshold_B1, right=True).clamp_(max=logits_BV.shape[1] - 1)
    if temperatures_B is not None:
        tokens_B1 = torch.where(greedy_B1, logprobs_BV.argmax(-1, keepdim=True), tokens_B1)
    chosen_B1 = logprobs_BV.gather(-1, tokens_B1)
    if top_p_B is not None:
        chosen_B1 = chosen_B1 - mass_B1.log()
    return tokens_B1[:, 0], chosen_B1[:, 0]


def nucleus(probs_BV: Tensor, top_p_B: Tensor) -> Tensor:
    """Zero all but the smallest set of likeliest tokens whose mass reaches `top_p` (Holtzman et al. 2020, section 3.1).

    The likeliest token always stays.
    """
    sorted_BV, order_BV = probs_BV.sort(dim=-1, descending=True, stable=True)
    before_BV = sorted_BV.cumsum(-1) - sorted_BV
    outside_BV = before_BV >= top_p_B[:, None]
    outside_BV[:, 0] = False
    return probs_BV.masked_fill(outside_BV.scatter(-1, order_BV, outside_BV), 0.0)
