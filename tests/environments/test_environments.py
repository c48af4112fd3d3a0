"""The list of environments and their settings. How they are played is in tests/rollout/test_episodes.py."""

from __future__ import annotations

import pytest

from ponder.config import Strict, load, resolved
from ponder.environments import ENVIRONMENTS, Retry, Settings, SingleTurn
from ponder.protocols import Environment
from ponder.types import PonderError


class Config(Strict):
    """Settings of which an environment is a part, as those of a run."""

    environment: Settings = SingleTurn()


def test_one_setting_chooses_the_environment() -> None:
    assert load(Config).environment == SingleTurn()
    assert load(Config, overrides=["environment.kind=retry"]).environment == Retry()
    several = load(Config, overrides=["environment.kind=retry", "environment.turns=2", "environment.feedback=detail"])
    assert several.environment == Retry(turns=2, feedback="detail")
    assert resolved(several) == {"environment": {"kind": "retry", "turns": 2, "turn_tokens": 0, "feedback": "detail"}}
    assert resolved(load(Config)) == {"environment": {"kind": "single_turn"}}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["environment.kind=single_turn", "environment.turns=2"], "unknown setting environment.turns"),
        (["environment.kind=retry", "environment.turns=0"], "environment.turns must be greater than or equal to 1"),
        (["environment.kind=retry", "environment.feedback=key"], "environment.feedback must be 'outcome' or 'detail'"),
        (["environment.kind=retri"], "environment"),
    ],
)
def test_wrong_settings_are_refused_with_their_path(overrides: list[str], sentence: str) -> None:
    with pytest.raises(PonderError) as error:
        load(Config, overrides=overrides)
    assert sentence in str(error.value)


def test_every_environment_is_listed_with_what_a_reader_needs() -> None:
    for name, entry in ENVIRONMENTS.items():
        environment: Environment = entry.settings()  # type: ignore[assignment]
        assert environment.turns >= 1 and environment.turn_tokens >= 0
        assert entry.settings.model_fields["kind"].default == name
        assert entry.summary.endswith(".") and entry.source.startswith("ponder.environments.")
    assert ENVIRONMENTS["retry"].describe() == {
        "summary": "Several answers to one question; after each wrong one the policy hears that it is wrong.",
        "source": "ponder.environments.retry",
        "settings": {"turns": 3, "turn_tokens": 0, "feedback": "outcome"},
    }
    assert ENVIRONMENTS["single_turn"].describe()["settings"] == {}
