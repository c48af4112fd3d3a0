"""The comparison with TRL: what both sides are paid for, what they are asked, our side's step, and the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig

from benchmarks.limits import limits
from benchmarks.trl_sides import Ponder, Settings, questions, reward
from benchmarks.trl_smollm2 import main, reached, table
from ponder.api.training.forecast.memory import skeleton_of
from tests.selfplay.small import model_folder


@pytest.mark.parametrize(
    ("text", "ended", "paid"),
    [
        ("1 + 6 = 7", True, 1.0),
        ("The sum is 7.", True, 1.0),
        ("1 + 6 = 7", False, 0.0),
        ("1 + 6", True, 0.0),
        ("", True, 0.0),
    ],
)
def test_an_answer_is_paid_if_it_ended_and_its_last_number_is_right(text: str, ended: bool, paid: float) -> None:
    assert reward(text, "7", ended=ended) == paid


def test_training_and_validation_share_no_question() -> None:
    train, held_out = questions(Settings("x", validation=40))
    assert len(held_out) == 40 and len(train) == 860
    assert not {q for q, _ in train} & {q for q, _ in held_out}
    assert questions(Settings("x", seed=1)) != questions(Settings("x"))


def test_our_side_takes_a_step_and_measures(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    side = Ponder(Settings(str(folder), threads=1, problems=2, group=2, max_tokens=8, validation=3))
    step = side.step()
    assert step["seconds"] >= step["sampling"] > 0 and side.turn == 1 and 0 <= side.accuracy() <= 1


def test_the_table_says_who_reached_the_target_and_when(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def side(curve: list[list[float]]) -> dict[str, object]:
        return {"steps": [{"seconds": 2.0, "sampling": 1.0}] * 3, "curve": curve, "peak_memory_bytes": 2e9}

    ours, theirs = side([[0, 0.0, 0.1], [5, 10.0, 0.7]]), side([[0, 0.0, 0.1], [5, 30.0, 0.2], [10, 60.0, 0.6]])
    assert reached(ours, 0.6) == (5, 10.0) and reached(theirs, 0.65) is None
    speed = {
        "ponder": 90.0,
        "generate": 60.0,
        "ratio": 1.5,
        "share": 0.5,
        "memory_limit": 180.0,
        "product_limit": 600.0,
    }
    body: dict[str, Any] = {"target": 0.6, "sampling": {"8": speed}}
    body["training"] = {"0": {"ponder": ours, "trl": theirs}}
    assert "10 (5)" in table(body) and "60 (10)" in table(body) and "6.00" in table(body)
    place = tmp_path / "found.json"
    place.write_text(json.dumps(body))
    main(["--show", "--out", str(place)])
    shown = capsys.readouterr().out
    assert "tokens/s, 8 rows" in shown and "50 % of 180 (memory)" in shown


def test_limits_grow_with_the_rows_until_products_bind() -> None:
    lm = skeleton_of(LlamaConfig(vocab_size=500, hidden_size=64, intermediate_size=128, num_hidden_layers=2))
    one, many = limits(lm, 1, 64), limits(lm, 10_000, 64)
    assert many.memory == pytest.approx(10_000 * one.memory) and many.products == one.products
    assert one.least > 0 and many.least == min(many.memory, many.products)
