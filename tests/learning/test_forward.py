from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from ponder.learning.batches import Batch, collate, grouped, micro_batches
from ponder.learning.forward import token_logprobs
from ponder.learning.packed import attention, fused, head, tiles
from ponder.learning.packed.layout import Row
from ponder.learning.packed.precision import Numbers
from ponder.models.lean import Shape
from ponder.types import Sample
from tests.learning.factory import VOCABULARY, model, samples


def rows(seed: int = 0) -> list[Row]:
    """Two groups that share prompts of unequal length, and rows that share nothing; lengths from 1 to 30 tokens."""
    single, first, second = samples(3, seed), samples(5, seed + 1, longest=30), samples(4, seed + 2)
    shared = [replace(s, id=f"a{s.id}", prompt=(7, 8, 9, 10, 11, 12, 13)) for s in first]
    shared += [replace(s, id=f"b{s.id}", prompt=(5,)) for s in second]
    mixed = [*single, *shared]
    random.Random(seed).shuffle(mixed)
    return [Row(sample, 1.0) for sample in mixed]


def by_sample(lm: PreTrainedModel, batch: Batch, given: list[Row], **options: object) -> dict[str, torch.Tensor]:
    logprobs, _ = token_logprobs(lm, batch, **options)  # type: ignore[arg-type]
    sizes = [sum(1 for m in row.sample.mask_T if m) for row in given]
    return {row.sample.id: part for row, part in zip(given, logprobs.split(sizes), strict=True)}


def plain(lm: PreTrainedModel, sample: Sample, temperature: float = 1.0) -> torch.Tensor:
    """One row alone through the library's own forward."""
    logits = lm(torch.tensor([[*sample.prompt, *sample.response]])).logits[0] / temperature
    places = range(len(sample.prompt) - 1, len(sample.prompt) + len(sample.response) - 1)
    logprobs = logits.log_softmax(-1)[list(places), list(sample.response)]
    return torch.masked_select(logprobs, torch.tensor(sample.mask_T) > 0)


def qwen3() -> Qwen3ForCausalLM:
    torch.manual_seed(2)
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    lm = Qwen3ForCausalLM(config)
    lm.eval()
    return lm


def packed(given: list[Row], lm: PreTrainedModel) -> tuple[Batch, list[Row]]:
    groups = grouped(given, share=True)
    ordered = sorted(groups, key=lambda group: not group.shares)
    return collate(groups, Shape.of(lm), lm.device), [row for group in ordered for row in group.rows]


@pytest.mark.parametrize("make", [model, qwen3])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_a_shared_prompt_gives_every_row_its_own_logprobs_and_gradient(make, temperature):
    lm, theirs, given = make(), make(), rows()
    batch, order = packed(given, lm)
    found = by_sample(lm, batch, order, temperature=temperature)
    for row in given:
        expected = plain(theirs, row.sample, temperature)
        torch.testing.assert_close(found[row.sample.id], expected, atol=1e-5, rtol=1e-5)
        expected.square().sum().backward()
    torch.cat(list(found.values())).square().sum().backward()
    for (name, mine), other in zip(lm.named_parameters(), theirs.parameters(), strict=True):
        assert mine.grad is not None and other.grad is not None
        torch.testing.assert_close(
            mine.grad, other.grad, atol=1e-4 * float(other.grad.abs().max()), rtol=1e-3, msg=name
        )


def test_a_shared_prompt_is_computed_once_and_last_tokens_not_at_all():
    given = [row for row in rows() if row.sample.id.startswith("a")]
    batch, _ = packed(given, model())
    assert not isinstance(batch.tokens, torch.Tensor)
    assert len(batch.tokens.ids) == 7 + sum(len(row.sample.response) - 1 for row in given)
    assert batch.tokens.ids.tolist().count(0) == 0


def test_the_gradient_of_a_prompt_comes_from_all_of_its_responses():
    lm = model()
    given = [
        Row(s, 1.0)
        for s in (
            Sample("x", (3, 4, 5), (6, 7), (1.0,) * 2, (1.0,) * 2),
            Sample("y", (3, 4, 5), (8, 9), (1.0,) * 2, (1.0,) * 2),
        )
    ]
    gradients = []
    for part in (given, given[:1], given[1:]):
        lm.zero_grad()
        token_logprobs(lm, packed(part, lm)[0])[0].sum().backward()
        embedding = lm.get_parameter("model.embed_tokens.weight").grad
        assert embedding is not None
        gradients.append(embedding[4].clone())
    torch.testing.assert_close(gradients[0], gradients[1] + gradients[2], atol=1e-6, rtol=1e-4)
    assert gradients[1].abs().max() > 1e-3


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (tiles, "_SCORES", 1),
        (tiles, "_PADDING", 100.0),
        (attention, "_KEPT", 3),
        (head, "CHUNK", 2 * VOCABULARY),
        (fused, "_CACHED", 1),
    ],
)
def test_how_the_work_is_cut_changes_neither_value_nor_gradient(monkeypatch: pytest.MonkeyPatch, where, name, value):
    found = []
    for cut in (None, value):
        if cut is not None:
            monkeypatch.setattr(where, name, cut)
        lm = model()
        logprobs, entropy = token_logprobs(lm, packed(rows(), lm)[0])
        logprobs.square().sum().backward()
        found.append((logprobs.detach(), entropy, [p.grad for p in lm.parameters()]))
    torch.testing.assert_close(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])
    for whole, parts in zip(found[0][2], found[1][2], strict=True):
        torch.testing.assert_close(whole, parts, atol=2e-5, rtol=1e-4)


def test_no_tensor_of_tokens_times_vocabulary_is_kept(monkeypatch: pytest.MonkeyPatch):
    size, tokens = 5000, 64
    monkeypatch.setattr(head, "CHUNK", 4 * size)
    hidden, weight = torch.randn(tokens, 8, requires_grad=True), torch.randn(size, 8, requires_grad=True)
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        head.chosen(hidden, weight, torch.arange(tokens), 1.0)
    assert max(kept) == size * 8 < tokens * size


def error(numbers: Numbers) -> tuple[float, float]:
    """Largest error of a log-probability, and error of the whole gradient relative to its length."""
    found = []
    for used in (Numbers(torch.float32), numbers):
        lm = model()
        logprobs, _ = token_logprobs(lm, packed(rows(), lm)[0], 1.0, used)
        logprobs.exp().sum().backward()
        found.append((logprobs.detach(), torch.cat([p.grad.flatten() for p in lm.parameters() if p.grad is not None])))
    gap = float((found[0][0] - found[1][0]).abs().max())
    return gap, float((found[0][1] - found[1][1]).norm() / found[0][1].norm())


def test_a_rounded_backward_pass_leaves_logprobs_exact_and_the_gradient_within_a_percent():
    gap, off = error(Numbers.of("bfloat16_backward", torch.float32))
    assert gap == 0.0
    assert off < 0.02
    assert torch.get_float32_matmul_precision() == "highest"


def test_rounded_layers_are_near_and_no_more():
    gap, off = error(Numbers.of("bfloat16", torch.float32))
    assert 0 < gap < 0.2
    assert 0 < off < 0.1


def test_an_architecture_without_a_packed_forward_takes_the_librarys():
    torch.manual_seed(0)
    lm = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2, n_positions=48)).eval()
    given = rows()
    batch = collate(grouped(given, share=False), None, lm.device)
    assert isinstance(batch.tokens, torch.Tensor)
    found = by_sample(lm, batch, given, temperature=0.5)
    for row in given:
        torch.testing.assert_close(found[row.sample.id], plain(lm, row.sample, 0.5), atol=1e-5, rtol=1e-5)


def test_a_group_that_does_not_fit_is_cut_and_a_row_stands_alone():
    given = [
        Row(Sample(str(i), (1, 2, 3), (4,) * n, (1.0,) * n, (1.0,) * n), 1.0) for i, n in enumerate((3, 3, 3, 3, 9))
    ]
    groups = grouped(given, share=True)
    cut = micro_batches(groups, lambda part: sum(len(g.prompt) + sum(g.bodies) for g in part) <= 8)
    members = [[row.sample.id for group in part for row in group.rows] for part in cut]
    assert sorted(id for m in members for id in m) == ["0", "1", "2", "3", "4"]
    assert all(len(m) <= 2 for m in members)
    assert ["4"] in members
