"""Work by purpose: sums, utilisation by hand, and engines that count only tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from ponder.models.size import flops_per_token
from ponder.protocols import Work
from ponder.selfplay import accounts
from ponder.selfplay.accounts import Meter, Part, Peak

CONFIG = LlamaConfig(
    vocab_size=10, hidden_size=8, intermediate_size=6, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1
)
RATE = Peak(100.0, 4, 4, 4, "float32", 1, "cpu")


class Counts:
    """An engine that knows its tokens and nothing else."""

    tokens_generated = 0
    tokens_prefilled = 0


class Exact(Counts):
    """An engine that knows its work."""

    work = Work(0, 0, 0, 0, 0.0, 0.0)


def test_utilisation_is_work_over_time_over_the_rate():
    assert RATE.mfu(Part(50.0, 2.0)) == 0.25


def test_without_seconds_there_is_no_utilisation():
    assert RATE.mfu(Part(50.0, None)) is None
    assert RATE.mfu(Part(0.0, 0.0)) is None


def test_parts_add_up_and_an_unknown_time_stays_unknown():
    assert Part(1.0, 2.0) + Part(3.0, 4.0) == Part(4.0, 6.0)
    assert Part(1.0, 2.0) + Part(3.0, None) == Part(4.0, None)


def test_a_meter_tells_what_happened_since_it_was_last_read():
    engine: Any = Exact()
    meter = Meter(engine, CONFIG)
    engine.work = Work(5, 4, 1, 0, 70.0, 0.5)
    assert meter.take() == Part(70.0, 0.5)
    engine.work = Work(9, 7, 2, 0, 100.0, 0.75)
    assert meter.take() == Part(30.0, 0.25)
    assert meter.take() == Part(0.0, 0.0)


def test_an_engine_that_counts_tokens_is_charged_by_the_token_and_has_no_time():
    engine: Any = Counts()
    meter = Meter(engine, CONFIG)
    engine.tokens_generated, engine.tokens_prefilled = 7, 3
    assert meter.take() == Part(10 * flops_per_token(CONFIG, 128), None)


def test_rounds_are_summed_by_purpose_and_rows_without_work_are_passed_over():
    rows: list[dict[str, Any]] = [
        {"work": {"rollout": {"flops": 1.0, "seconds": 2.0}, "update": {"flops": 5.0, "seconds": 1.0}}},
        {"round": -1},
        {"work": {"rollout": {"flops": 10.0, "seconds": 3.0}}},
    ]
    assert accounts.gathered(rows) == {"rollout": Part(11.0, 5.0), "update": Part(5.0, 1.0)}


def test_a_table_has_the_utilisation_beside_the_work():
    shown = accounts.table({"rollout": Part(50.0, 2.0), "scoring": Part(8.0, None)}, RATE)
    assert shown["rollout"] == {"flops": 50.0, "seconds": 2.0, "mfu": 0.25}
    assert shown["scoring"] == {"flops": 8.0, "seconds": None, "mfu": None}


def test_scoring_counts_each_row_once_and_no_output_head():
    # By hand: 336 weights a layer in three layers, and 4 * 2 heads * 4 wide a layer for each token looked at.
    assert accounts.scoring_flops(CONFIG, [1, 2]) == 3 * (2 * 336 * 3 + 32 * (1 + 3))
    assert accounts.tokens_flops(CONFIG, 10) == pytest.approx(10 * 3 * (2 * 336 + 32 * 128))


def test_the_rate_is_measured_once_at_no_less_than_a_thousand_a_side():
    found = accounts.peak(CONFIG, "cpu", torch.float32)
    assert (found.rows, found.inner, found.columns, found.dtype, found.device) == (1024, 1024, 1024, "float32", "cpu")
    assert found.flops_per_second > 1e8
    assert accounts.peak(CONFIG, "cpu", torch.float32) is found
