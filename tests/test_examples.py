"""Every script in examples/ runs, is short, and prints what it promises."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from ponder.algorithms import ALGORITHMS
from ponder.api.policies import SCHEMES
from ponder.api.verifiers.loading import VERIFIERS
from ponder.problems.registry import FAMILIES
from ponder.rewards import REWARDS
from tests.reports import synthetic

FOLDER = Path(__file__).parent.parent / "examples"
SAID = {
    "draw_both_laws.py": ["The train law: self-play", "The think law: sample", "laws.png"],
    "judge_my_verifier.py": ["of the wrong answers (", "AUC 0.", "audit.html"],
    "own_algorithm.py": ["answers paid: "],
    "own_engine.py": ["512 token-equivalents", "answer 7"],
    "own_family.py": ["Compute 11+11. -> 22", "vote at 256"],
    "own_model.py": ["trajectories", "mcts: "],
    "own_reward.py": ["reward/outcome: 0.", "reward/few_steps: 0."],
    "own_verifier.py": ["score 1.00"],
    "results_as_a_frame.py": ["budget", "arithmetic"],
    "serve_with_a_budget.py": ["low: ", "high: "],
    "train_on_my_problems.py": ["train: ", "before, ", "The trained model says "],
}


def test_every_example_is_known_here_and_short() -> None:
    files = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.py")}
    assert files.keys() == SAID.keys()
    assert all(len(text.splitlines()) < 60 for text in files.values())


@pytest.mark.parametrize("name", SAID)
def test_an_example_runs(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if name == "results_as_a_frame.py":
        pytest.importorskip("pandas")
    given = []  # a run that is finished spares training one
    if name == "draw_both_laws.py":
        given = [str(synthetic.write(tmp_path / "run", synthetic.summary()))]
    monkeypatch.setattr(sys, "argv", [name, *given])
    registries = [FAMILIES, VERIFIERS, SCHEMES, ALGORITHMS.classes, REWARDS.classes]
    before = [dict(registry) for registry in registries]  # type: ignore[call-overload]  # tables of unlike things
    try:
        runpy.run_path(str(FOLDER / name), run_name="__main__")
    finally:
        for registry, known in zip(registries, before, strict=True):
            registry.clear()  # type: ignore[attr-defined]
            registry.update(known)  # type: ignore[attr-defined]
    shown = capsys.readouterr().out
    assert all(said in shown for said in SAID[name])
