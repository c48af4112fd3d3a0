"""`ponder.train`: a whole small run, and what it leaves can be loaded, asked and says what it was trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

import ponder
from ponder.api.thinking.checks import trained_families
from ponder.models import trained_on
from ponder.types import PonderError
from tests.selfplay.small import SETTINGS, model_folder


def test_a_run_leaves_a_model_that_knows_what_it_was_trained_on(tmp_path: Path) -> None:
    model = model_folder(tmp_path / "base")
    told: list[str] = []
    made = ponder.train(
        out=tmp_path / "run",
        settings=[*SETTINGS, "rounds=1", f"model={model}"],
        tell=lambda stage, done, total, note: told.append(stage),
    )
    assert made.summary["schema"] == 1 and made.report.is_file() and {"training", "measuring"} <= set(told)
    assert trained_on.read(str(made.model)) == ("arithmetic", "countdown")
    assert {trained_on.read(str(kept)) for kept in (made.folder / "policies").iterdir()} == {
        ("arithmetic", "countdown")
    }
    assert trained_families(str(model)) is None
    policy = ponder.load_policy(str(made.model))
    judge = ponder.load_verifier(made.verifier, policy)
    thought = ponder.think("Decode x.", policy, strategy="best_of_n", verifier=judge, budget=200, max_tokens=64)
    assert any(
        "was trained on arithmetic, countdown alone, and this question is of cipher" in w for w in thought.warnings
    )


def test_settings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match="either in the configuration or as text"):
        ponder.train(ponder.RunConfig(), out=tmp_path, settings=["seed=1"])
    with pytest.raises(PonderError, match="unknown setting polcy"):
        ponder.train(out=tmp_path, settings=["polcy.clip_low=1"])
    with pytest.raises(PonderError, match="device 'gpu' is unknown"):
        ponder.train(ponder.RunConfig(device="gpu"), out=tmp_path)
    assert list(tmp_path.iterdir()) == []
