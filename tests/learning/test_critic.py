"""The critic: what it starts from, that it learns returns, and that its values stand before the right tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from ponder.learning.critic import CriticTrainer, CriticTraining
from ponder.models.heads import head
from ponder.types import PonderError, Sample
from tests.learning.factory import model, samples


def critic(**options: Any) -> CriticTrainer:
    settings = {"learning_rate": 1e-2, "warmup_steps": 0, "minibatches": 1, "clip": 0.0, **options}
    return CriticTrainer(model(), CriticTraining(**settings))


def with_returns(rows: list[Sample], value: float) -> list[Sample]:
    return [replace(r, returns_T=(value,) * len(r.response), values_T=(0.0,) * len(r.response)) for r in rows]


def test_a_new_critic_says_nothing():
    assert all(value == 0.0 for values_T in critic().values(samples(4)) for value in values_T)


def test_it_learns_a_return_that_depends_on_the_prompt():
    rows = samples(8)
    rows = [replace(r, prompt=(3 + i % 2,) * 3) for i, r in enumerate(rows)]
    rows = [
        replace(r, returns_T=(float(r.prompt[0] - 3),) * len(r.response), values_T=(0.0,) * len(r.response))
        for r in rows
    ]
    made = critic()
    losses = [made.update(rows).loss for _ in range(60)]
    assert losses[0] is not None and losses[-1] is not None
    assert losses[-1] < losses[0] / 20
    for row, values_T in zip(rows, made.values(rows), strict=True):
        assert values_T == pytest.approx(row.returns_T, abs=0.25)


def test_a_value_is_read_before_its_token_and_does_not_depend_on_it():
    made = critic()
    made.update(with_returns(samples(4), 1.0))
    one = Sample("a", (3, 4), (5, 6, 7), (), (1.0,) * 3)
    other = replace(one, response=(5, 6, 9))
    (first, second) = made.values([one, other])
    assert first == pytest.approx(second, abs=1e-6)
    changed = made.values([replace(one, response=(8, 6, 7))])[0]
    assert changed[0] == pytest.approx(first[0], abs=1e-6)
    assert changed[1] != pytest.approx(first[1], abs=1e-6)


def test_values_do_not_depend_on_how_rows_are_batched():
    rows = samples(7)
    made = critic(micro_tokens=1000)
    made.update(with_returns(rows, 1.0))
    whole = made.values(rows)
    alone = [made.values([row])[0] for row in rows]
    for a, b in zip(whole, alone, strict=True):
        assert a == pytest.approx(b, abs=1e-5)


def test_the_clip_stops_values_that_have_gone_far_enough():
    """Return 1, old value 0: a value between 0.2 and 1.8 has left the clip and its error is the constant 0.8^2."""
    made, rows = critic(clip=0.2), with_returns(samples(4), 1.0)
    head_layer: Any = head(made.model)
    head_layer.bias.data.fill_(0.5)
    assert float(made._loss(rows).detach()) == pytest.approx(0.5 * 0.64 * sum(sum(r.mask_T) for r in rows))
    made._loss(rows).backward()
    assert float(head_layer.bias.grad.abs()) == 0.0
    near = [replace(row, values_T=(0.4,) * len(row.response)) for row in rows]
    made._loss(near).backward()
    assert float(head_layer.bias.grad) < 0.0


def test_forced_tokens_are_not_learned_from():
    rows = [replace(r, mask_T=(0.0,) * len(r.response)) for r in with_returns(samples(3), 5.0)]
    made = critic()
    assert made.update(rows).loss == 0.0
    assert all(value == 0.0 for values_T in made.values(rows) for value in values_T)


def test_a_critic_that_diverges_stops_the_run_with_the_reason():
    made = critic(max_skips=2)
    rows = with_returns(samples(3), float("nan"))
    made.update(rows)
    with pytest.raises(PonderError, match="2 steps in a row were skipped, the last because the critic's loss"):
        made.update(rows)


def test_it_warms_up_for_a_number_of_updates():
    made = critic(warmup=2)
    waited = [made.warming_up]
    for _ in range(2):
        made.update(with_returns(samples(2), 1.0))
        waited.append(made.warming_up)
    assert waited == [True, True, False]
    assert torch.isfinite(next(made.model.parameters())).all()
