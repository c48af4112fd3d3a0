from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from ponder.learning import forward
from ponder.learning.forward import token_logprobs
from tests.learning.factory import VOCABULARY, model


def ids_and_positions() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randint(2, VOCABULARY, (3, 7)), torch.tensor([1, 2, 5, 8, 14, 19]), torch.arange(2, 8)


def test_chunks_of_a_large_vocabulary_change_neither_value_nor_gradient(monkeypatch: pytest.MonkeyPatch):
    ids, positions, targets = ids_and_positions()
    found = []
    for chunk in (2**24, 2 * VOCABULARY):
        monkeypatch.setattr(forward, "_CHUNK", chunk)
        lm = model()
        logprobs, entropy = token_logprobs(lm, ids, positions, targets)
        logprobs.square().sum().backward()
        found.append((logprobs.detach(), entropy, [p.grad for p in lm.parameters()]))
    torch.testing.assert_close(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])
    for whole, parts in zip(found[0][2], found[1][2], strict=True):
        torch.testing.assert_close(whole, parts, atol=1e-6, rtol=1e-5)


def test_an_architecture_without_a_lean_forward_takes_the_librarys():
    torch.manual_seed(0)
    lm = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2, n_positions=16)).eval()
    ids, positions, targets = ids_and_positions()
    logprobs, entropy = token_logprobs(lm, ids, positions, targets, temperature=0.5)
    logits = (lm(ids).logits.flatten(0, 1)[positions] / 0.5).log_softmax(-1)
    torch.testing.assert_close(logprobs, logits[torch.arange(6), targets])
    torch.testing.assert_close(entropy, -(logits.exp() * logits).sum(-1))
    assert not entropy.requires_grad
