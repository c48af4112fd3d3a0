"""The list of environments and their settings. How they are played is in tests/rollout/test_episodes.py."""

from __future__ import annotations

from typing import Literal

import pytest

from ponder.config import Strict, load, resolved
from ponder.environments import ENVIRONMENTS, AnyEnvironment, Retry, SingleTurn
from ponder.environments.environment import EnvironmentSettings
from ponder.plugins import Registry
from ponder.protocols import Environment
from ponder.types import PonderError


class Config(Strict):
    """Settings of which an environment is a part, as those of a run."""

    environment: AnyEnvironment = SingleTurn()


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
    assert list(ENVIRONMENTS) == ["single_turn", "retry", "second_look", "repair", "openenv", "verifiers", "match"]
    for settings in ENVIRONMENTS.settings_classes:
        environment: Environment = ENVIRONMENTS.parse(settings.model_fields["kind"].default)
        assert environment.most_turns >= 1 and environment.most_turn_tokens >= 0
        assert (settings.__doc__ or "").partition("\n")[0].endswith(".")


def test_a_user_adds_an_environment_of_their_own() -> None:
    class Once(SingleTurn):
        """One answer, and nobody listens."""

        kind: Literal["once"] = "once"  # type: ignore[assignment]

    table: Registry[EnvironmentSettings] = Registry("environment", EnvironmentSettings, default="once")
    table.register(Once)
    assert table.parse("once") == Once()
