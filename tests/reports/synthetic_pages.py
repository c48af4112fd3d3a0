"""Made-up folders of `ponder eval` and `ponder verifier audit`. No number in them was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.reports import synthetic


def _estimate(y: float, half: float = 0.04) -> dict[str, float]:
    return {"y": y, "low": y - half, "high": y + half}


def thinking(folder: Path) -> Path:
    """A folder with the metrics.json of an evaluation: five strategies, seven budgets, a model with a long path."""
    folder.mkdir(parents=True, exist_ok=True)
    curves = synthetic.summary()["curves"]
    names, budgets = list(synthetic.LIFTS), synthetic.BUDGETS
    slope = {"start": 64, "end": 4096, "points": _estimate(0.021, 0.006)}
    results = [
        {
            "strategy": name, "budget": budget, "accuracy": _estimate(0.6), "spent": budget * 0.93,
            "replayed": name != "beam", "seconds": 1.5 if name == "beam" else None, "lost": {"runs": 0},
        }
        for name in names
        for budget in budgets
    ]  # fmt: skip
    metrics = {
        "schema": 1, "n": 300, "model": "/home/somebody/experiments/with-a-long-name/runs/2001-02-03/model",
        "split": "test", "samples": 9600, "verifier": "learned", "results": results, "seed": 7, "temperature": 1.0,
        "max_tokens": 400, "problems": ["countdown", "arithmetic", "cipher"], "revision": "0123abcd",
        "curves": {
            **curves,
            "doubling": {name: {"whole": slope, "steps": [slope, slope]} for name in names},
            "cheapness": [{"strategy": "beam", "accuracy": 0.7, "dear": 4096, "cheap": 512, "share": 0.125}],
            "envelope": {"curve": curves["coverage"]},
            "seconds": curves["test_time"]["all"][-1:],
        },
        "reflection": [{"tokens": 128, "families": {"countdown": {"share": 0.2, "useful_share": 0.5}}}],
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return folder


def audit(folder: Path) -> Path:
    """A folder with the audit.json of a verifier, all parts measured."""
    folder.mkdir(parents=True, exist_ok=True)
    auc, powers = {"y": 0.84, "low": 0.8, "high": 0.88}, (1, 2, 4, 8, 16, 32)
    bins = [{"score": i / 10, "right": _estimate(i / 10)} for i in range(1, 10)]
    parts = [
        {
            "name": f"countdown level {level}", "n": 480, "solve_rate": _estimate(0.5), "true_accepts": _estimate(0.8),
            "false_accepts": _estimate(0.1), "auc": auc,
        }
        for level in range(5)
    ]  # fmt: skip
    points: list[dict[str, Any]] = [
        {
            "n": n, "predicted": _estimate(0.5 + n / 100), "observed": _estimate(0.49 + n / 100), "agrees": n < 32,
            "paired": _estimate(0.01, 0.02),
        }
        for n in powers
    ]  # fmt: skip
    found = {
        "schema": 1, "verifier": "/home/somebody/experiments/with-a-long-name/runs/2001-02-03/verifier",
        "model": "tiny", "problems": ["countdown"], "split": "test", "n_samples": 9600, "n_problems": 300, "seed": 7,
        "sentence": "Accepting what this verifier scores above one half is right in 84 % of all cases, "
        "and choosing the best of 16 samples by it gains 12 points over one sample: a made-up sentence.",
        "rates": [
            {"threshold": t, "true_accepts": _estimate(0.9), "false_accepts": _estimate(0.2), "ceiling": _estimate(0.8)}
            for t in (0.3, 0.5, 0.7)
        ],
        "auc": auc, "auc_within": auc, "noise": {"false_accept": 0.0, "false_reject": 0.0},
        "calibration": {"before": auc, "after": auc, "temperature": 1.7, "bins_before": bins, "bins_after": bins},
        "curves": {"pass": [{"n": n, "y": 0.5 + n / 70} for n in powers]},
        "forecast": {
            "curves": dict.fromkeys(("best_of_n", "weighted_vote", "accept_reject"), points),
            "agree": 15, "agree_paired": 17, "points": 18,
        },
        "over_optimisation": {
            "best_n": 8, "largest_n": 32, "peak_n": 16, "falls": False, "fall": _estimate(0.01), "a": 0.3, "b": 0.1,
        },
        "by_level": parts, "by_solve_rate": parts, "by_length": parts,
        "cost": {"tokens": 120, "judgement": 118}, "revision": "0123abcd",
    }  # fmt: skip
    (folder / "audit.json").write_text(json.dumps(found), encoding="utf-8")
    return folder


def episodes(folder: Path) -> Path:
    """A folder with the metrics.json of `ponder eval --environment`: three strategies at three budgets."""
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for i, name in enumerate(("vote", "weighted_vote", "beam")):
        for j, budget in enumerate((500, 1000, 2000)):
            y = 0.3 + 0.1 * j + 0.03 * i
            turns = [
                {"turn": k + 1, "reached": 0.7**k, "accuracy": _estimate(y - 0.1 * (2 - k)), "tokens": 90.0 * (k + 1),
                 "read": 20.0 * k}
                for k in range(3)
            ]  # fmt: skip
            results.append({
                "strategy": name, "budget": budget, "accuracy": _estimate(y), "spent": budget * 0.93, "tokens": 270.0,
                "read": 40.0, "failures": {"environment": 1}, "lost": 1, "unknown": 0, "turns": turns,
            })  # fmt: skip
    metrics = {
        "schema": 1, "n": 300, "model": "tiny", "environment": {"kind": "repair"}, "split": "test", "results": results,
        "problems": ["formula"], "seed": 7, "temperature": 1.0, "max_tokens": 400, "revision": "0123abcd",
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return folder
