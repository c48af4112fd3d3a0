"""The simulation against numbers worked out by hand."""

from __future__ import annotations

import pytest
from transformers import LlamaConfig

from ponder.distributed.capacity.hardware import ACCELERATORS, accelerator, cache_bytes, service_of
from ponder.distributed.capacity.pipeline import Load, Service, Shape
from ponder.distributed.capacity.simulate import simulate
from ponder.types import PonderError

PLAIN = Service(step=0.01, step_row=0.0, rows=1000, prefill=0.0, dispatch=0.0, grade=0.0, learn=2.0, learn_token=0.0)
LOAD = Load(problems=4, group=2, prompt=0, mean=100, spread=0.0, longest=1000)


def changed(**fields: float) -> Service:
    return Service(**{**vars(PLAIN), **fields})


def test_one_after_the_other_takes_the_sum() -> None:
    found = simulate(PLAIN, LOAD, Shape(engines=1))
    assert found.step == pytest.approx(100 * 0.01 + 2.0)
    assert found.tokens == pytest.approx(800 / 3.0)
    assert found.busy["engines"] == pytest.approx(1 / 3) and found.busiest == "learner"


def test_with_staleness_it_takes_the_longer_of_the_two() -> None:
    assert simulate(PLAIN, LOAD, Shape(1, staleness=1)).step == pytest.approx(2.0)
    assert simulate(changed(learn=0.25), LOAD, Shape(1, staleness=1)).step == pytest.approx(1.0)


def test_a_step_is_shared_by_the_answers_under_way() -> None:
    one, two = (simulate(changed(step=0.0, step_row=0.001, learn=0.0), LOAD, Shape(n)).step for n in (1, 2))
    assert one == pytest.approx(8 * 0.001 * 100) and two == pytest.approx(one / 2)


def test_what_finds_no_row_waits_for_one() -> None:
    assert simulate(changed(rows=4, learn=0.0), LOAD, Shape(1)).step == pytest.approx(2 * 100 * 0.01)


def test_prompts_graders_and_the_driver_cost_what_they_cost() -> None:
    with_prompt = Load(4, 2, prompt=50, mean=100, spread=0.0, longest=1000)
    assert simulate(changed(prefill=0.001, learn=0.0), with_prompt, Shape(1)).step == pytest.approx(1.0 + 0.05)
    # All eight answers end together: the grader takes them one after the other, two graders half as long.
    assert simulate(changed(grade=0.1, learn=0.0), LOAD, Shape(1, graders=1)).step == pytest.approx(1.0 + 0.8)
    assert simulate(changed(grade=0.1, learn=0.0), LOAD, Shape(1, graders=2)).step == pytest.approx(1.0 + 0.4)
    # Half of the driver's work on each answer is before it, half after it, one answer at a time.
    driven = simulate(changed(dispatch=0.2, learn=0.0), LOAD, Shape(1))
    assert driven.step == pytest.approx(8 * 0.1 + 1.0 + 0.1)


def test_weights_travel_by_doubling() -> None:
    sent = changed(publish=0.5, publish_hop=0.25, load=0.125)
    assert simulate(sent, LOAD, Shape(1)).step == pytest.approx(3.0 + 0.5 + 0.125)
    assert simulate(sent, LOAD, Shape(5)).step == pytest.approx(3.0 + 0.5 + 3 * 0.25 + 0.125)


def test_long_answers_hold_a_batch_up_and_no_answer_is_longer_than_allowed() -> None:
    even, spread = (simulate(PLAIN, Load(64, 4, 0, 100, s, 400), Shape(1)).step for s in (0.0, 1.0))
    assert even == pytest.approx(3.0) and 4.5 < spread < 6.0 + 1e-9


def test_ten_thousand_engines_are_held_up_by_the_one_driver() -> None:
    load = Load(problems=10_000, group=4, prompt=0, mean=500, spread=0.5, longest=2000)
    found = simulate(changed(dispatch=0.002, learn=1.0), load, Shape(10_000, 100, 1), updates=1)
    assert found.busiest == "driver" and found.step >= 40_000 * 0.002


def test_a_model_on_an_accelerator_by_hand() -> None:
    config = LlamaConfig(
        hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, intermediate_size=14336
    )
    assert cache_bytes(config) == 2 * 2 * 32 * 8 * 128
    found = service_of(config, 8e9, ACCELERATORS["h100"], context=2048, learners=8)
    assert found.step == pytest.approx(16e9 / (3.35e12 * 0.7))  # all weights once a step: 6.8 ms
    assert found.rows == int((72e9 - 16e9) / (131072 * 2048))
    assert found.learn_token > 6 * 7e9 / (8 * 989e12 * 0.4)


def test_what_is_no_accelerator_and_no_time_is_refused() -> None:
    with pytest.raises(PonderError, match="unknown accelerator 'h10'"):
        accelerator("h10")
    with pytest.raises(PonderError, match="must not be negative"):
        changed(grade=-1.0)
