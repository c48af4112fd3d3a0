"""Behaviour cloning: the negative log-likelihood of each demonstrated token, L_t = -log pi(y_t | s_t)."""

from __future__ import annotations

import torch

from ponder.losses.terms import Terms, Tokens


def cloning(tokens: Tokens) -> Terms:
    return Terms(-tokens.logprobs_N, torch.zeros_like(tokens.logprobs_N, dtype=torch.bool))
