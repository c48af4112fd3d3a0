"""The samples that a run kept -> RUN/samples.html, a page to search and read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ponder.reports.samples.page import render
from ponder.rollout import store


def browse(run: Path) -> Path | None:
    """Write the page; returns its path, None if the run kept no samples. Do it before the report, which links to it."""
    files = sorted((run / "trajectories").glob("round-*.parquet"))
    return render(_rows(files), run) if files else None


def _rows(files: list[Path]) -> Iterator[dict[str, Any]]:
    """One round at a time, so that a long run does not have to fit into memory with its tokens."""
    for path in files:
        number = int(path.stem.removeprefix("round-"))
        for row in store.read(path):
            row.pop("tokens"), row.pop("logprobs")
            yield {**row, "round": number}
