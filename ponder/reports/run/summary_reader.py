"""Reads `summary.json` without trusting it: whatever is absent, null or of another kind comes out as None.

A run may have measured only part of what a report can show, so every reader here answers "not measured" (None, or an
empty list) where the value cannot be had. Only a file that is no summary at all is an error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.printable import printable
from ponder.types import Curve, CurvePoint, PonderError

SCHEMA = 1
NAN = float("nan")

Summary = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with its 95 % interval; `low` and `high` are None if the interval was not measured."""

    y: float
    low: float | None = None
    high: float | None = None


def load(run_folder: Path) -> Summary:
    """The run's summary. Raises PonderError if the file is missing, broken or of another schema."""
    path = run_folder / "summary.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PonderError(
            f"{path} does not exist. A report needs the folder of a finished run, and this file is written when a run "
            "ends: finish the run with --resume, or name another folder."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise PonderError(
            f"{path} cannot be read as a summary ({error}). Restore it, or make it again by running with --resume."
        ) from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        got = repr(data.get("schema"))[:40] if isinstance(data, dict) else f"a JSON {type(data).__name__}"
        raise PonderError(
            f"{path}: got schema {got}, expected an object with schema {SCHEMA}. Make the report with the version of "
            "Ponder that made the run."
        )
    return data


def at(data: Any, *keys: str) -> Any:
    """The value below nested `keys`, or None as soon as one of them is missing."""
    for key in keys:
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data


def rows(data: Any, *keys: str) -> list[Mapping[str, Any]]:
    """The objects in the list below `keys`; other members are dropped."""
    value = at(data, *keys)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def number(data: Any, *keys: str) -> float | None:
    """A finite number, or None. True and False are not numbers."""
    value = at(data, *keys)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def text(data: Any, *keys: str) -> str | None:
    """A string that is not empty, or None; what a page would obey in it is written out."""
    value = at(data, *keys)
    return printable(value) if isinstance(value, str) and value else None


def numbers(data: Any, *keys: str) -> dict[str, float]:
    """The members of an object that are numbers, by name."""
    value = at(data, *keys)
    found = {str(k): number(v) for k, v in value.items()} if isinstance(value, Mapping) else {}
    return {name: x for name, x in found.items() if x is not None}


def estimate(data: Any, *keys: str) -> Estimate | None:
    """A value with its interval; None if there is no value."""
    value = at(data, *keys)
    y = number(value, "y")
    return None if y is None else Estimate(y, number(value, "low"), number(value, "high"))


def curve(data: Any, *keys: str) -> Curve | None:
    """A curve with its measurable points, left to right; None if not one is left. Unknown bounds are NaN."""
    value = at(data, *keys)
    points = [point for item in rows(value, "points") if (point := _point(item)) is not None]
    if not points:
        return None
    points.sort(key=lambda point: point.x)
    names = [text(value, key) or "" for key in ("name", "x_name", "y_name", "note")]
    return Curve(names[0] or "unnamed", names[1], names[2], tuple(points), names[3])


def _point(item: Mapping[str, Any]) -> CurvePoint | None:
    x, y, low, high, n = (number(item, key) for key in ("x", "y", "low", "high", "n"))
    if x is None or y is None:
        return None
    return CurvePoint(x, y, NAN if low is None else low, NAN if high is None else high, int(n or 0))
