"""`ponder.evaluate`: kept row by row, and going on gives what one start would have given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ponder
from ponder.api.evaluating.journal import RESULTS, RUNS, SAMPLES
from ponder.engines.scripted import ScriptedEngine
from ponder.models.load import load
from ponder.types import PonderError


def numbers(found: ponder.Evaluation) -> Any:
    return [(r.strategy, r.budget, r.family, r.accuracy, r.low, r.high, r.n, r.spent) for r in found.accuracies]


def stopping(at: int) -> Callable[[int, int, str], None]:
    def tell(done: int, total: int, note: str) -> None:
        if done == at:
            raise KeyboardInterrupt

    return tell


def test_samples_drawn_once_are_kept_and_not_drawn_again(tmp_path: Path) -> None:
    how: dict[str, Any] = {"limit": 3, "strategies": ("sample", "vote"), "budgets": (64, 128), "max_tokens": 64}
    whole = ponder.evaluate("tiny", "countdown", **how)
    with pytest.raises(KeyboardInterrupt):
        ponder.evaluate("tiny", "countdown", out=tmp_path, tell=stopping(2), **how)
    kept = [json.loads(line) for line in (tmp_path / RESULTS).read_text().splitlines()]
    assert [(row["strategy"], row["budget"]) for row in kept] == [("sample", 64.0), ("sample", 128.0)]
    before = (tmp_path / SAMPLES).read_bytes()
    assert len(before.splitlines()) >= 3
    policy = ponder.load_policy("tiny")
    resumed = ponder.evaluate(policy, "countdown", out=tmp_path, resume=True, **how)
    assert numbers(resumed) == numbers(whole)
    after = (tmp_path / SAMPLES).read_bytes()
    new = [json.loads(line) for line in after.removeprefix(before).splitlines()]
    assert after.startswith(before) and {row["until"] for row in new} <= {"answer"}  # forced ones of later budgets
    drawn = sum(
        len(step["tokens"]) for row in new for sample in row["samples"] for step in sample if not step["forced"]
    )
    assert policy.engine.tokens_generated == drawn
    assert json.loads((tmp_path / "metrics.json").read_text())["results"][0]["strategy"] == "sample"


def test_live_runs_are_kept_one_by_one(tmp_path: Path) -> None:
    codec = ponder.Codec(load("tiny").tokenizer)

    def source(faults: Any = None) -> tuple[ScriptedEngine, ponder.Source]:
        engine = ScriptedEngine(codec, lambda _, rng: f"</think>{rng.randint(0, 9)}", faults=faults)
        return engine, ponder.source_from_engine("scripted", engine, codec)

    how: dict[str, Any] = {"limit": 4, "strategies": ("sample",), "budgets": (64,), "max_tokens": 64}
    whole = ponder.evaluate(source()[1], "arithmetic", **how)
    with pytest.raises(RuntimeError, match="power cut"):
        ponder.evaluate(source({2: RuntimeError("power cut")})[1], "arithmetic", out=tmp_path, **how)
    done = len((tmp_path / RUNS).read_text().splitlines())
    assert 0 < done < 4
    engine, again = source()
    assert numbers(ponder.evaluate(again, "arithmetic", out=tmp_path, resume=True, **how)) == numbers(whole)
    assert len(engine.calls) == 4 - done


def test_a_folder_that_holds_results_is_refused_or_overwritten(tmp_path: Path) -> None:
    how: dict[str, Any] = {"limit": 1, "strategies": ("sample",), "budgets": (64,), "max_tokens": 64, "out": tmp_path}
    ponder.evaluate("tiny", "arithmetic", **how)
    with pytest.raises(PonderError, match="is not empty; continue it with --resume or choose another folder"):
        ponder.evaluate("tiny", "arithmetic", **how)
    with pytest.raises(PonderError, match="seed was 0 and is now 1"):
        ponder.evaluate("tiny", "arithmetic", seed=1, resume=True, **how)
    ponder.evaluate("tiny", "arithmetic", seed=1, overwrite=True, **how)
    assert json.loads((tmp_path / "metrics.json").read_text())["seed"] == 1


def test_what_was_found_is_rows_and_frames() -> None:
    pytest.importorskip("pandas")
    found = ponder.evaluate("tiny", ["arithmetic", "cipher"], limit=2, budgets=(64,), max_tokens=64)
    frame, samples = found.frame(), found.sample_frame()
    assert list(frame.family) == ["all", "arithmetic", "cipher"] * 2 and set(frame.strategy) == {"sample", "vote"}
    assert found.accuracy("vote", 64.0) == frame[(frame.strategy == "vote") & (frame.family == "all")].accuracy.item()
    assert len(samples) == found.metrics["samples"] and set(samples.family) == {"arithmetic", "cipher"}
    with pytest.raises(PonderError, match=r"beam at 64 was not measured; measured were sample 64, vote 64"):
        found.accuracy("beam", 64.0)


def test_problems_of_ones_own_choice_are_evaluated_as_they_are() -> None:
    problems = ponder.load_problems("countdown", split="validation", limit=3)[1:]
    found = ponder.evaluate("tiny", problems, strategies=["sample"], budgets=[64], max_tokens=64)
    assert found.metrics["split"] == "validation" and found.metrics["n"] == 2
