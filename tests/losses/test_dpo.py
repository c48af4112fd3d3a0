"""DPO: the loss of a pair by hand, and its gradient against the plain formula whatever the micro-batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from ponder.losses.dpo import DPO
from ponder.losses.loss import TokenRows
from ponder.types import PonderError, Sample
from tests.learning.factory import model, samples, trainer


def pairs(count: int = 2) -> list[Sample]:
    """Pairs of rows of one prompt each, the first of two the better one."""
    found = []
    for index, sample in enumerate(samples(2 * count, seed=3)):
        sign = 1.0 if index % 2 == 0 else -1.0
        found.append(
            replace(
                sample,
                prompt=(3, 4, 5 + index // 2),
                advantages_T=(sign,) * len(sample.response),
                logprobs_T=(),
                pair=f"p{index // 2}",
            )
        )
    return found


class Fixed:
    """Models whose log-probabilities are given."""

    def __init__(self, now: Sequence[tuple[float, ...]], reference: Sequence[tuple[float, ...]]) -> None:
        self._now, self._reference = list(now), list(reference)

    def now(self) -> list[tuple[float, ...]]:
        return self._now

    def reference(self) -> list[tuple[float, ...]]:
        return self._reference


def one_pair(better: float, worse: float) -> list[Sample]:
    ones = (1.0,)
    return [
        Sample("w", (2,), (3,), (1.0,), ones, pair="p"),
        Sample("l", (2,), (4,), (-1.0,), ones, pair="p"),
    ]


def test_the_margin_and_the_loss_by_hand():
    loss = DPO(beta=0.5)
    marks = loss.marks(one_pair(0, 0), Fixed([(-1.0,), (-2.0,)], [(-1.5,), (-1.2,)]))
    assert [m for (m,) in marks] == pytest.approx([1.3, 1.3])  # 0.5 - (-0.8)
    tokens = TokenRows(
        torch.tensor([-1.0, -2.0]),
        torch.zeros(2),
        torch.tensor([1.0, -1.0]),
        torch.tensor([0, 1]),
        2,
        marks_N=torch.tensor([1.3, 1.3]),
    )
    assert loss(tokens).metrics["preference_loss"].tolist() == pytest.approx([math.log(1 + math.exp(-0.65))] * 2)


def test_at_the_reference_the_loss_is_log_2_and_a_swap_negates_the_margin():
    now = [(-1.0,), (-2.0,)]
    assert DPO().marks(one_pair(0, 0), Fixed(now, now)) == [(0.0,), (0.0,)]
    rows = one_pair(0, 0)
    models = Fixed([(-1.0,), (-2.0,)], [(-1.5,), (-1.2,)])
    swapped = [replace(row, advantages_T=(-row.advantages_T[0],)) for row in rows]
    assert DPO().marks(swapped, models)[0][0] == pytest.approx(-DPO().marks(rows, models)[0][0])
    report = trainer(model(), DPO()).update(pairs())
    assert report.metrics["preference_loss"] == pytest.approx(math.log(2), abs=1e-5)


def test_a_row_without_its_partner_is_refused():
    with pytest.raises(PonderError, match="has 1 rows; it learns from pairs"):
        DPO().marks(one_pair(0, 0)[:1], Fixed([(-1.0,)], [(-1.0,)]))


@pytest.mark.parametrize("micro_tokens", [1, 10_000])
def test_the_gradient_is_that_of_the_plain_formula(micro_tokens: int):
    rows, start = pairs(), model()
    learner = trainer(model(), DPO(beta=0.3), micro_tokens=micro_tokens)
    with torch.no_grad():  # move away from the reference, so that margins are not 0
        for parameter in learner.model.parameters():
            parameter.mul_(1.1)

    def total(lm: torch.nn.Module, row: Sample) -> torch.Tensor:
        logits = lm(torch.tensor([[*row.prompt, *row.response]])).logits[0].log_softmax(-1)
        picked = [logits[len(row.prompt) - 1 + t, y] for t, y in enumerate(row.response) if row.mask_T[t]]
        return torch.stack(picked).sum()

    by_hand = model()
    with torch.no_grad():
        for parameter in by_hand.parameters():
            parameter.mul_(1.1)
    loss = torch.zeros(())
    for better, worse in zip(rows[::2], rows[1::2], strict=True):
        margin = (total(by_hand, better) - total(start, better)) - (total(by_hand, worse) - total(start, worse))
        loss = loss - F.logsigmoid(0.3 * margin)
    # The mean over rows, of which a pair has two.
    (loss / len(rows)).backward()
    learner.update(rows)
    for name, parameter in learner.model.named_parameters():
        torch.testing.assert_close(parameter.grad, dict(by_hand.named_parameters())[name].grad, atol=1e-5, rtol=1e-3)


def test_a_pair_is_never_cut_by_minibatches():
    report = trainer(model(), DPO(), minibatches=3).update(pairs(3))
    assert report.steps == 3
