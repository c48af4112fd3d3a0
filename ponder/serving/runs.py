"""Folders of training runs, for the dashboard of the page: how each stands, round by round, and its report.

Only what the operator named with `--runs` is seen: the run folders directly in it, by their own names. Nothing is
written, and links are not followed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ponder.runlog.folder import CONFIG, METRICS, read_metrics
from ponder.types import PonderError

MOST = 100  # runs that are listed, the newest first
_SHOWN = 500  # rounds of one run
_FIELDS = ("solve_rate", "validation", "tokens", "levels")


class Runs:
    """The runs in one folder; none without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def listed(self) -> list[dict[str, Any]]:
        """Every run with its state, its rounds and what it came to so far; the one that wrote last comes first."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found = [path for path in self._folder.iterdir() if not path.is_symlink() and (path / CONFIG).is_file()]
        found.sort(key=_changed, reverse=True)
        return [_summary(path) for path in found[:MOST]]

    def told(self, name: str) -> dict[str, Any] | None:
        """One run: its summary, and a row for each round with shares by family; None if there is none of this name."""
        path = self._of(name)
        return None if path is None else {**_summary(path), "rows": _rows(path)[-_SHOWN:]}

    def report(self, name: str) -> str | None:
        """The page that a finished run has; None if there is none."""
        path = self._of(name)
        page = None if path is None else path / "report.html"
        if page is None or not page.is_file() or page.is_symlink():
            return None
        return page.read_text(encoding="utf-8", errors="replace")

    def _of(self, name: str) -> Path | None:
        """The folder of a run, found among the names that there are and never made of what a request says."""
        if self._folder is None or not self._folder.is_dir():
            return None
        for path in self._folder.iterdir():
            if path.name == name and not path.is_symlink() and (path / CONFIG).is_file():
                return path
        return None


def _changed(path: Path) -> float:
    """When a run last wrote how it stands."""
    try:
        return (path / METRICS if (path / METRICS).exists() else path / CONFIG).stat().st_mtime
    except OSError:
        return 0.0


def _summary(path: Path) -> dict[str, Any]:
    rows = _rows(path)
    last = rows[-1] if rows else {}
    return {
        "name": path.name,
        "finished": (path / "summary.json").is_file(),
        "report": (path / "report.html").is_file(),
        "rounds": max((row["round"] + 1 for row in rows), default=0),
        "changed": _changed(path),
        "validation": last.get("validation", {}),
        "solve_rate": last.get("solve_rate", {}),
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rounds of a run with the numbers that are drawn; [] for a file that cannot be read."""
    try:
        rows = read_metrics(path)
    except (OSError, PonderError, ValueError):
        return []
    return [
        {"round": int(row["round"]), **{name: _numbers(row[name]) for name in _FIELDS if name in row}}
        for row in rows
        if isinstance(row.get("round"), int)
    ]


def _numbers(value: object) -> dict[str, float]:
    """What a metric says by family (one number: of all); what is no number is left out, as JSON has none."""
    given = value if isinstance(value, Mapping) else {"all": value}
    return {str(name): float(v) for name, v in given.items() if isinstance(v, int | float) and math.isfinite(v)}
