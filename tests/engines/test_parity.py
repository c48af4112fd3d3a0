"""The check of an engine against its trainer: what passes, what is named, when it is made."""

from __future__ import annotations

import math

import pytest

from ponder.engines.local.engine import LocalEngine
from ponder.engines.loop import run
from ponder.engines.parity import Gap, Parity, module_logprobs
from ponder.types import PonderError
from tests.engines.factory import Pieces, model

TEXTS = [((2, 3, 4 + i), tuple(5 + (i * j) % 9 for j in range(6))) for i in range(10)]


def forward(lm):
    return lambda prompt, continuation: module_logprobs(lm, prompt, continuation)


def test_gaps_by_hand():
    gap = Gap.between([[-1.0, -2.0], [-3.0]], [[-1.0, -2.0006], [-3.0003]], half=False)
    assert (gap.tokens, gap.holds) == (3, True)
    assert gap.mean == pytest.approx(0.0003) and gap.largest == gap.measure == pytest.approx(0.0006)
    wide = [[-1.0, -2.18, -3.0]]
    # One token that is far off fails in float32 and not in half precision, where the mean counts.
    assert not Gap.between([[-1.0, -2.0, -3.0]], wide, half=False).holds
    assert Gap.between([[-1.0, -2.0, -3.0]], wide, half=True).holds
    assert not Gap.between([[-1.0, -2.0, -3.0]], wide, half=True, allowed=0.02).holds


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
@pytest.mark.parametrize("half", [False, True])
def test_a_number_that_is_not_finite_is_within_no_limit(bad: float, half: bool):
    assert not Gap.between([[-1.0, -2.0]], [[-1.0, bad]], half=half).holds


def test_unequal_lengths_are_no_gap_but_a_mistake():
    with pytest.raises(PonderError, match="got 1 for 2 tokens"):
        Gap.between([[-1.0, -2.0]], [[-1.0]], half=False)


def test_an_engine_with_the_trainers_weights_passes_and_one_with_others_stops_the_run():
    engine = LocalEngine(model("llama"), Pieces())
    gap = run(Parity().check(engine, forward(model("llama")), TEXTS, 0))
    assert gap is not None and gap.tokens == 4 * 6 and gap.largest < 1e-4
    with pytest.raises(PonderError, match=r"version 0: .* differ from the trainer's by [\d.e-]+ on average"):
        run(Parity().check(engine, forward(model("llama", seed=1)), TEXTS, 0))


def test_an_engine_that_missed_the_update_is_named():
    engine = LocalEngine(model("llama"), Pieces())
    with pytest.raises(PonderError, match="draws from weights version 0 and not from 3"):
        run(Parity().check(engine, forward(model("llama")), TEXTS, 3))


def test_the_check_is_made_at_its_rate_on_a_few_texts_that_change_from_version_to_version():
    engine = LocalEngine(model("llama"), Pieces())
    asked: list[tuple[int, ...]] = []

    def noting(prompt, continuation):
        asked.append(tuple(prompt))
        return module_logprobs(model("llama"), prompt, continuation)

    parity = Parity(every=2, texts=3, tokens=5)
    seen = {}
    for version in range(5):
        engine.replace_weights(model("llama").state_dict(), version)
        asked.clear()
        gap = run(parity.check(engine, noting, TEXTS, version))
        assert (gap is None) == (version % 2 == 1)
        if gap is not None:
            assert gap.tokens == 3 * 2  # cut to five tokens with a prompt of three
            seen[version] = list(asked)
    assert seen[0] != seen[2] != seen[4]
    assert run(Parity().check(engine, noting, [((2,), ())], 4)) is None
