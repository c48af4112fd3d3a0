"""A made-up summary for tests of the report. No number in it was measured."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from ponder.reports.run import page

FAMILIES = {"arithmetic": 6, "cipher": 3, "countdown": 3}
START = {"arithmetic": 0.312, "cipher": 0.287, "countdown": 0.361}
END = {"arithmetic": 0.883, "cipher": 0.846, "countdown": 0.594}
BUDGETS = (64, 128, 256, 512, 1024, 2048, 4096)
LIFTS = {"sample": 0.0, "vote": 0.018, "best_of_n": 0.024, "weighted_vote": 0.029, "beam": 0.021}


def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing of a report's plots out, which takes seconds, where a test asks for its words."""
    monkeypatch.setattr(page, "settle", lambda figure: None)
    monkeypatch.setattr(page, "png", lambda figure, path: None)
    monkeypatch.setattr(page, "svg", lambda figure, name: "<svg></svg>")


def summary() -> dict[str, Any]:
    """A full run of ten rounds with every part measured."""
    return {
        "schema": 1, "ponder_version": "0.0.0-synthetic", "revision": "0123abcd", "seed": 7,
        "command": "ponder run --seed 7 --out runs/synthetic", "started": "2001-02-03T04:05:06",
        "seconds": {"total": 571.0, "train": 352.0, "control": 118.0, "evaluation": 96.0},
        "peak_memory_bytes": 1.43e9,
        "machine": {"cores": 2, "cpu": "an imagined processor", "device": "cpu"},
        "versions": {"torch": "2.13.0", "transformers": "5.23.0", "python": "3.11.9"},
        "model": {"name": "tiny", "parameters": 613_376},
        "accuracy": [_row(f, level) for f, level in FAMILIES.items()] + [_mean_row()],
        "greedy": [_greedy(f, level) for f, level in FAMILIES.items()],
        "harder": [_harder(f, level + 1) for f, level in FAMILIES.items()],
        "decoding": [_way("sampled", 1.0, 1.0), _way("greedy", 0.0, 0.0), _way("best", 0.3, 0.8)],
        "coverage": [_coverage(k, i) for i, k in enumerate((1, 2, 4, 8, 16, 32, 64))],
        "unsolved": {
            "problems": 87, "tries": 16, "again": 16, "solved_by_base": _estimate(0.213, 0.08),
            "solved_by_final": _estimate(0.379, 0.1), "gain": _estimate(0.166, 0.09),
        },
        "token_equivalents": {
            "training": 31_400_000, "control": 31_100_000, "rejection": 31_500_000, "evaluation": 8_250_000,
        },
        "flops": {"training": 3.85e13, "control": 3.81e13, "rejection": 3.86e13},
        "verifier_training": {"own": 4_100_000.0, "run": 31_400_000.0},
        "curves": {
            "test_time": {
                "all": _strategies(0.55), **{f: _strategies(END[f] - 0.2) for f in FAMILIES},
            },
            "coverage": _curve("coverage", [(b, 0.56 + 0.06 * i) for i, b in enumerate(BUDGETS)]),
            "natural": _curve("natural", [(40, 0.83), (90, 0.74), (170, 0.61), (320, 0.48)], "selection, not control"),
            "train_time": _train_time(),
            "before": {
                "test_time": {"all": _strategies(0.31), **{f: _strategies(START[f]) for f in FAMILIES}},
                "coverage": _curve("coverage", [(b, 0.33 + 0.08 * i) for i, b in enumerate(BUDGETS)]),
            },
        },
        "verifier_gain": {
            "strategy": "weighted_vote", "budget": 1024, "against": "vote", "accuracy": _estimate(0.741, 0.02),
            "vote": _estimate(0.699, 0.021), "difference": _estimate(0.042, 0.017), "family": "all",
        },
        "verifier_gain_before": {
            "strategy": "best_of_n", "budget": 512, "against": "vote", "accuracy": _estimate(0.541, 0.03),
            "vote": _estimate(0.449, 0.031), "difference": _estimate(0.092, 0.027), "family": "all",
        },
        "rounds": [_round(i) for i in range(10)],
        "transcripts": transcripts(),
    }  # fmt: skip


def minimal() -> dict[str, Any]:
    """The least that is a summary."""
    return {"schema": 1}


def write(folder: Path, data: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def _estimate(y: float, half: float) -> dict[str, float]:
    return {"y": round(y, 4), "low": round(y - half, 4), "high": round(y + half, 4)}


def _row(family: str, level: int) -> dict[str, Any]:
    base, final = START[family], END[family]
    return {
        "family": family, "level": level, "temperature": 1.0, "n": 300, "base": _estimate(base, 0.047),
        "final": _estimate(final, 0.038), "control": _estimate(base + 0.06, 0.05),
        "gain": _estimate(final - base, 0.051), "control_gain": _estimate(0.06, 0.045),
        "rejection": _estimate(base + 0.3, 0.05), "rejection_gain": _estimate(0.3, 0.05),
        "over_rejection": _estimate(final - base - 0.3, 0.04),
    }  # fmt: skip


def _mean_row() -> dict[str, Any]:
    row = _row("arithmetic", 0)
    return row | {
        "family": "mean", "level": None, "n": 900, "base": _estimate(0.32, 0.028), "final": _estimate(0.774, 0.024),
        "control": _estimate(0.38, 0.029), "gain": _estimate(0.454, 0.031), "control_gain": _estimate(0.06, 0.026),
        "rejection": _estimate(0.703, 0.027), "rejection_gain": _estimate(0.383, 0.03),
        "over_rejection": _estimate(0.071, 0.024),
    }  # fmt: skip


def _way(name: str, base: float, final: float) -> dict[str, Any]:
    start, end = {"sampled": (0.32, 0.774), "greedy": (0.41, 0.761), "best": (0.437, 0.782)}[name]
    return {
        "way": name, "n": 900, "temperatures": {"base": base, "final": final}, "base": _estimate(start, 0.028),
        "final": _estimate(end, 0.024), "gain": _estimate(end - start, 0.031),
    }  # fmt: skip


def _coverage(k: int, i: int) -> dict[str, Any]:
    base, final = 0.17 + 0.1 * i, 0.46 + 0.07 * i
    return {
        "k": k, "n": 180, "base": _estimate(base, 0.05), "final": _estimate(final, 0.05),
        "gain": _estimate(final - base, 0.06),
    }  # fmt: skip


def _greedy(family: str, level: int) -> dict[str, Any]:
    return {
        "family": family, "level": level, "temperature": 0.0, "n": 300,
        "base": _estimate(START[family] - 0.15, 0.04), "final": _estimate(END[family] - 0.02, 0.04),
    }  # fmt: skip


def _harder(family: str, level: int) -> dict[str, Any]:
    base, final = START[family] / 3, END[family] / 1.8
    return {
        "family": family, "level": level, "temperature": 1.0, "n": 200, "base": _estimate(base, 0.04),
        "final": _estimate(final, 0.06), "gain": _estimate(final - base, 0.065),
    }  # fmt: skip


def _curve(name: str, points: list[tuple[float, float]], note: str = "", x_name: str = "token-equivalents") -> Any:
    listed = [
        {"x": x, "y": round(y, 4), "low": round(y - 0.022, 4), "high": round(y + 0.022, 4), "n": 300} for x, y in points
    ]
    return {"name": name, "x_name": x_name, "y_name": "accuracy", "points": listed, "note": note}


def _strategies(start: float) -> list[Any]:
    return [
        _curve(
            name,
            [(b * 0.93, start + lift * i + 0.004 * i) for i, b in enumerate(BUDGETS)],
            "the samples ran out" if name == "vote" else "",
        )
        for name, lift in LIFTS.items()
    ]


def _train_time() -> dict[str, Any]:
    flops = [0.0] + [3.85e12 * i for i in range(1, 11)]
    ours = [0.32] + [0.32 + 0.52 / (1 + (1.4e13 / c) ** 1.6) + 0.008 * math.sin(5 * c) for c in flops[1:]]
    control = [0.32 + 0.06 * c / 3.85e13 for c in flops[::2]]
    fit = {
        "start": 0.322,
        "asymptote": 0.842,
        "midpoint": 1.41e13,
        "exponent": 1.57,
        "tail_error": 0.0123,
        "unchanged_error": 0.0312,
    }
    return {
        "curve": _curve("self-play", list(zip(flops, ours, strict=True)), x_name="FLOPs of training"),
        "control": _curve("control", list(zip(flops[::2], control, strict=True)), x_name="FLOPs of training"),
        "rejection": _curve("rejection", [(0.0, 0.32), (3.86e13, 0.7)], x_name="FLOPs of training"),
        "fit": fit | {"tail_points": 3, "is_at_bound": False},
    }


def _round(i: int) -> dict[str, Any]:
    rise = i / 9
    return {
        "round": i, "seconds": 33.0 + i, "flops": 3.85e12 * (i + 1),
        "levels": {"arithmetic": 6 + i // 4, "cipher": 3 + i // 5, "countdown": 3 + i // 8},
        "solve_rate": {"arithmetic": 0.35 + 0.4 * rise, "cipher": 0.3 + 0.45 * rise, "countdown": 0.37 + 0.2 * rise},
        "tokens": {"arithmetic": 38.0 + 4 * i, "cipher": 41.0 + 3 * i, "countdown": 118.0 + 11 * i},
        "validation": {"mean": 0.33 + 0.43 * rise, **{f: START[f] + (END[f] - START[f]) * rise for f in FAMILIES}},
        "verifier": {
            "auc": 0.71 + 0.16 * rise, "accuracy": 0.66 + 0.14 * rise, "first_bad_step_f1": 0.38 + 0.25 * rise,
            "ece": 0.11 - 0.07 * rise, "n": 512, "base_rate": 0.52,
        },
        "updates": 12, "skipped": 1 if i == 4 else 0, "dead_groups": 0.31 - 0.02 * i, "kl_mismatch": 1.7e-6,
        "entropy": 0.62 - 0.03 * i, "failures": {"timeout": 2 if i == 3 else 0},
    }  # fmt: skip


def transcripts() -> list[dict[str, Any]]:
    tries = [f"{a}+4={a + 4},{a + 4}*7={7 * a + 28}|94" for a in range(1, 20)]
    return [
        _transcript("solved", "arithmetic", 6, "Compute 3*11+7-12*4+5.", "-3", 1.0,
                    ["33+7-12*4+5", "33+7-48+5", "40-48+5", "-8+5", "-3"], [0.71, 0.83, 0.88, 0.94, 0.97]),
        _transcript("solved", "cipher", 3, "Decode oyfjdnisdr rtqwainr acxz.", "think step by", 1.0,
                    ["oy=t fj=h dn=i is=n dr=k", "rt=s qw=t ai=e nr=p", "ac=b xz=y"], [0.66, 0.81, 0.9]),
        _transcript("unsolved", "countdown", 3, "Make 94 from 7, 4, 12.", "(12*7)+10", 0.0,
                    tries, [max(0.03, 0.6 - 0.05 * i) for i in range(len(tries))], answer="(12+4)*7"),
        _transcript("unsolved", "arithmetic", 7, "Compute 9*12-11+4*8-6*7.", "87", 0.0,
                    ["108-11+4*8-6*7", "108-11+32-6*7", "108-11+32-48"], [0.72, 0.55, 0.12], answer="81"),
        _transcript("changed", "countdown", 3, "Make 18 from 3, 6, 1.", "(6*3)*1", 1.0,
                    ["6-1=5,5*3=15|18", "3+1=4,4+6=10|18", "6*3=18,18*1=18|18!"], [0.41, 0.39, 0.98], answer="(6*3)*1",
                    before="6-1=5,5*3=15|18\n6-1=5,5+3=8|18\n</think>(6-1)+3"),
        _transcript("changed", "arithmetic", 6, "Compute 12-5*2+8*3-1.", "25", 1.0,
                    ["12-10+8*3-1", "12-10+24-1", "2+24-1", "26-1", "25"], [0.8, 0.86, 0.9, 0.95, None],
                    before="</think>31"),
    ]  # fmt: skip


def _transcript(
    kind: str, family: str, level: int, question: str, key: str, outcome: float,
    lines: list[str], scores: list[Any], answer: str | None = None, before: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    steps = [{"text": f"{line}\n", "score": score} for line, score in zip(lines, scores, strict=True)]
    steps.append({"text": f"</think>{key if answer is None else answer}", "score": 0.96 if outcome else 0.08})
    return {
        "kind": kind, "family": family, "level": level, "question": question, "key": key, "outcome": outcome,
        "steps": steps, "before": before,
    }  # fmt: skip
