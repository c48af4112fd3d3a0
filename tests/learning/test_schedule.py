from __future__ import annotations

import pytest
import torch

from ponder.config import load
from ponder.learning.schedule import rate
from ponder.learning.settings import TrainerSettings
from ponder.types import PonderError
from tests.learning.factory import model, samples, trainer

SETTINGS = {"peak": 1.0, "warmup": 2, "total": 6}


def rates(schedule, floor=0.0, **changes):
    settings = {**SETTINGS, **changes}
    return [rate(step, schedule=schedule, floor=floor, **settings) for step in range(8)]


def test_after_the_warm_up_a_constant_rate_stays():
    assert rates("constant") == [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_a_linear_rate_falls_by_equal_steps_to_its_floor_and_stays_there():
    assert rates("linear") == pytest.approx([0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0])
    assert rates("linear", floor=0.2)[4:] == pytest.approx([0.6, 0.4, 0.2, 0.2])


def test_a_cosine_rate_is_half_way_in_the_middle_and_flat_at_both_ends():
    found = rates("cosine")
    assert found[2:] == pytest.approx([1.0, 0.853553, 0.5, 0.146447, 0.0, 0.0], abs=1e-6)
    assert rates("cosine", floor=0.5)[4] == pytest.approx(0.75)


def test_no_warm_up_starts_at_the_peak():
    assert rates("linear", warmup=0, total=4)[:5] == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_falling_rate_needs_an_end_behind_its_warm_up(schedule):
    with pytest.raises(PonderError, match=f"a {schedule} schedule needs more than warmup_steps=5"):
        load(TrainerSettings, None, [f"schedule={schedule}", "total_steps=5"])
    with pytest.raises(PonderError, match=r"warmup_steps=5 steps and the run makes 4; lower trainer\.warmup_steps"):
        trainer(schedule=schedule, warmup_steps=5, total_steps=4)


def test_an_unknown_schedule_is_refused_with_those_there_are():
    with pytest.raises(PonderError, match="schedule must be 'constant', 'linear' or 'cosine', got \"step\""):
        load(TrainerSettings, None, ["schedule=step"])


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_resumed_learner_goes_on_at_the_rate_it_would_have_had(schedule):
    options = {"schedule": schedule, "warmup_steps": 2, "total_steps": 7}
    straight, first = trainer(**options), trainer(**options)
    expected = [straight.update(samples(4, seed=i)).learning_rate for i in range(6)]
    found = [first.update(samples(4, seed=i)).learning_rate for i in range(3)]
    second = trainer(model(seed=5), **options)
    second.load_state(first.state())
    found += [second.update(samples(4, seed=i)).learning_rate for i in range(3, 6)]
    assert found == expected
    for mine, other in zip(second.model.parameters(), straight.model.parameters(), strict=True):
        assert torch.equal(mine, other)
