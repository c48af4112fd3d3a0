"""A task of inspect-ai answered by a search of ours; opt-in (PONDER_INTEROP=1, with the package)."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from ponder.problems.families.arithmetic import Arithmetic
from ponder.types import PonderError

asked = bool(os.environ.get("PONDER_INTEROP")) and importlib.util.find_spec("inspect_ai") is not None
theirs = pytest.mark.skipif(not asked, reason="set PONDER_INTEROP=1, with the package inspect-ai")


@theirs
def test_a_task_with_local_samples_is_answered_within_the_budget_and_scored_by_the_task(tmp_path: Path) -> None:
    inspect: Any = importlib.import_module("inspect_ai")
    dataset: Any = importlib.import_module("inspect_ai.dataset")
    scorer: Any = importlib.import_module("inspect_ai.scorer")
    model: Any = importlib.import_module("ponder.api.interop.inspect")
    family = Arithmetic(terms=2)
    problems = [family.problem(i, split="test") for i in range(6)]
    samples = [dataset.Sample(input=p.question.text, target=p.key.answer or "") for p in problems]
    task = inspect.Task(dataset=dataset.MemoryDataset(samples), scorer=scorer.exact())
    thinking = model.ponder_model("tiny", strategy="vote", budget=400, max_tokens=200)
    [log] = inspect.eval(task, model=thinking, log_dir=str(tmp_path), display="none")
    assert log.status == "success", log.error
    values = [next(iter(sample.scores.values())).value for sample in log.samples]
    assert values.count("C") >= 3  # the embedded model adds two numbers
    assert all(0 < sample.output.usage.total_tokens <= 400 for sample in log.samples)
    with pytest.raises(PonderError, match="needs a verifier"):
        model.ponder_model("tiny", strategy="beam")
    with pytest.raises(PonderError, match="smaller than one answer"):
        model.ponder_model("tiny", budget=3)
