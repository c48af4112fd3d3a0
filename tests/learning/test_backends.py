from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from ponder.learning.backends.batches import Batch, collate, grouped, micro_batches
from ponder.learning.backends.flex import Flex, _blocks, _dense, _pieces, can_serve
from ponder.learning.backends.module import Module, Padded
from ponder.learning.backends.packed import Packed
from ponder.learning.packed import attention, fused, head, tiles
from ponder.learning.packed import layout as layouts
from ponder.learning.packed.layout import Row
from ponder.learning.packed.precision import Numbers
from ponder.models.lean import Shape
from ponder.types import PonderError, Sample
from tests.learning.factory import VOCABULARY, model, samples, trainer


def rows(seed: int = 0) -> list[Row]:
    """Two groups that share prompts of unequal length, and rows that share nothing; lengths from 1 to 30 tokens."""
    single, first, second = samples(3, seed), samples(5, seed + 1, longest=30), samples(4, seed + 2)
    shared = [replace(s, id=f"a{s.id}", prompt=(7, 8, 9, 10, 11, 12, 13)) for s in first]
    shared += [replace(s, id=f"b{s.id}", prompt=(5,)) for s in second]
    mixed = [*single, *shared]
    random.Random(seed).shuffle(mixed)
    return [Row(sample, 1.0) for sample in mixed]


def token_logprobs(
    lm: PreTrainedModel, batch: Batch, temperature: float = 1.0, numbers: Numbers | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Through the backend whose layout the batch has."""
    used = numbers or Numbers(lm.dtype)
    backend = Module(used) if isinstance(batch.tokens, Padded) else Packed(Shape.of(lm), used)
    return backend.logprobs(lm, batch.tokens, batch.positions_N, batch.targets_N, temperature)


def by_sample(lm: PreTrainedModel, batch: Batch, given: list[Row], **options: Any) -> dict[str, torch.Tensor]:
    logprobs, _ = token_logprobs(lm, batch, **options)
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
    return collate(groups, Packed(Shape.of(lm), Numbers(lm.dtype)), lm.device), [
        row for group in ordered for row in group.rows
    ]


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
        (head, "CHUNK", {"cpu": 2 * VOCABULARY}),
        (fused, "_CACHED", 1),
        (fused, "LARGE", 1),
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
    monkeypatch.setitem(head.CHUNK, "cpu", 4 * size)
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
    batch = collate(grouped(given, share=False), Module(Numbers(lm.dtype)), lm.device)
    assert isinstance(batch.tokens, Padded)
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


@pytest.mark.parametrize("in_chunks", [False, True])
def test_the_flex_backend_gives_the_numbers_of_plain_rows_and_their_gradient(in_chunks: bool):
    lm, theirs, given = model(), model(), rows()
    groups = sorted(grouped(given, share=True), key=lambda group: not group.shares)
    backend = Flex(Numbers(lm.dtype), blocks=False, plain=in_chunks)
    batch = collate(groups, backend, lm.device)
    logprobs, _ = backend.logprobs(lm, batch.tokens, batch.positions_N, batch.targets_N, 0.5)
    order = [row for group in groups for row in group.rows]
    for index, row in enumerate(order):
        expected = plain(theirs, row.sample, 0.5)
        torch.testing.assert_close(logprobs[batch.row_N == index], expected, atol=1e-5, rtol=1e-5)
        expected.square().sum().backward()
    logprobs.square().sum().backward()
    for mine, other in zip(lm.parameters(), theirs.parameters(), strict=True):
        assert mine.grad is not None and other.grad is not None
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-4 * float(other.grad.abs().max()), rtol=1e-3)


def test_the_block_mask_sees_what_the_dense_mask_sees():
    groups = sorted(grouped(rows(), share=True), key=lambda group: not group.shares)
    packing = layouts.packed(groups)
    piece, stem = _pieces(packing, 3, torch.device("cpu"))
    dense = _dense(piece, stem)[0, 0]
    real = len(packing.ids)
    assert torch.equal(dense[:real, :real], _dense(*_pieces(packing, 0, torch.device("cpu")))[0, 0])
    # Padding sees padding alone, and nobody sees it.
    assert torch.equal(dense[real:, real:], torch.ones(3, 3, dtype=torch.bool).tril())
    assert not dense[:real, real:].any() and not dense[real:, :real].any()
    blocks = _blocks(piece, stem)
    count = len(piece)
    seen = [[bool(blocks.mask_mod(0, 0, torch.tensor(q), torch.tensor(k))) for k in range(count)] for q in range(count)]
    assert torch.equal(torch.tensor(seen), dense)
    # By hand: the second token of a stem's first branch sees the whole stem, the first and itself.
    branch = next(part for part in packing.pieces if part.shared and part.length > 1)
    expected = {*range(branch.stem_start, branch.stem_start + branch.shared), branch.start, branch.start + 1}
    assert set(dense[branch.start + 1].nonzero().flatten().tolist()) == expected


def test_models_with_windows_and_those_without_a_mask_of_positions_are_no_case_for_flex():
    assert can_serve(model())
    windowed = MistralForCausalLM(
        MistralConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            sliding_window=4,
        )
    )
    assert not can_serve(windowed)
    with pytest.raises(PonderError, match=r"use trainer\.backend=module"):
        trainer(windowed, backend="flex")


@pytest.mark.parametrize("backend", ["packed", "module", "flex"])
def test_a_layer_that_is_computed_twice_changes_neither_loss_nor_gradient(backend):
    given = [row.sample for row in rows()]
    given = [replace(sample, logprobs_T=(-3.0,) * len(sample.response)) for sample in given]
    found = []
    for twice in (False, True):
        made = trainer(model(layers=3), backend=backend, gradient_checkpointing=twice)
        found.append((made.update(given).loss, [p.grad for p in made.model.parameters()]))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    for once, again in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(once, again, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("backend", ["packed", "flex"])
def test_all_backends_make_the_same_update(backend):
    given = [replace(row.sample, logprobs_T=(-3.0,) * len(row.sample.response)) for row in rows()]
    one, other = trainer(model(), backend="module"), trainer(model(), backend=backend)
    first, second = one.update(given), other.update(given)
    assert first.loss == pytest.approx(second.loss, abs=1e-5)
    assert first.entropy == pytest.approx(second.entropy, abs=1e-5)
    for mine, theirs in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert mine.grad is not None and theirs.grad is not None
        scale = float(theirs.grad.abs().max())
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-4 * scale, rtol=1e-3)


def test_a_backend_that_cannot_compute_a_model_says_so():
    lm = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2, n_positions=48))
    with pytest.raises(PonderError, match="computes plain Llama, Qwen2 and Qwen3 models and not gpt2"):
        trainer(lm, backend="packed")
