"""`ponder models check` on a real pretrained model. Opt-in: PONDER_TEST_MODEL is the folder of SmolLM2-135M-Instruct.

ponder models get smollm2 --out models/smollm2
PONDER_TEST_MODEL=models/smollm2 python -m pytest -s tests/api/test_real_check.py
"""

from __future__ import annotations

import os

import pytest

import ponder

FOLDER = os.environ.get("PONDER_TEST_MODEL", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="opt-in: PONDER_TEST_MODEL=FOLDER")


def test_it_reasons_in_plain_words_and_ends_its_turns():
    found = ponder.check_model(FOLDER, answers=3, max_tokens=160)
    print(found.speed, found.parity, found.memory)  # noqa: T201  (pytest -s shows the figures)
    assert found.frame["kind"] == "chain" and found.ends["used"] == ["<|im_end|>"]
    assert found.parity["largest"] < 1e-3 and found.memory["cache_token"] == 2 * 30 * 3 * 64 * 4
    assert found.speed["8"] > 0 and found.context["positions"] == 8192
    assert "Paris" in found.answers[2]["text"]
    assert any(answer["ended"] for answer in found.answers)
