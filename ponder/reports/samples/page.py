"""Stored samples of a run -> samples.html: one static page in which they can be searched, filtered and read.

The page holds its samples as JSON and one script, and asks the network for nothing. The script is allowed by its hash
and by nothing else (Content-Security-Policy), and it puts everything that a model wrote into the page as text, so that
no sample can run as code. Without scripts the page says so.

A long run has more samples than a page can hold. Then whole groups (all answers to one problem) are kept, evenly over
the run, up to `MOST` samples, and the page says how many of how many.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ponder.printable import printable
from ponder.reports import formatting as say
from ponder.reports.templates import environment
from ponder.runlog import files
from ponder.thinking import THINK_CLOSE

PAGE = "samples.html"
MOST = 3000  # samples in the page
LONGEST = 4000  # characters of one answer
Row = Mapping[str, Any]


def render(rows: Iterable[Row], folder: Path) -> Path:
    """Write the page into `folder`; returns its path.

    `rows` are those of the trajectory store with their `round`: `problem`, `family`, `level`, `question`, `steps`,
    `step_lengths`, `outcome`, `failure`, `extracted`, `update`. Rows of one problem stand together.
    """
    groups = [list(some) for _, some in groupby(rows, lambda row: (row["round"], row["update"], row["problem"]))]
    total = sum(map(len, groups))
    kept = evenly(groups, MOST)
    data = [_sample(row) for group in kept for row in group]
    page = (
        environment()
        .get_template("samples/page.html.j2")
        .render(
            data=Markup(_json(data)),
            script=Markup(script()),
            allowed=f"'sha256-{_hash(script())}'",
            count=say.count(len(data)),
            left_out="" if len(data) == total else say.count(total),
            families=sorted({one["family"] for one in data}),
            rounds=sorted({one["round"] for one in data}),
        )
    )
    files.write_text(folder / PAGE, page)
    return folder / PAGE


def evenly(groups: Sequence[list[Row]], most: int) -> list[list[Row]]:
    """Whole groups, evenly over all of them, with at most about `most` samples (never less than one group)."""
    total = sum(map(len, groups))
    if total <= most:
        return list(groups)
    wanted = max(1, most * len(groups) // total)
    return [groups[i * len(groups) // wanted] for i in range(wanted)]


@cache
def script() -> str:
    """The page's only script."""
    return (Path(__file__).parent / "browser.js").read_text(encoding="utf-8")


def _sample(row: Row) -> dict[str, Any]:
    outcome = row["outcome"]
    verdict = "right" if outcome is not None and outcome > 0.5 else "wrong" if outcome is not None else "not judged"
    response = printable("".join(row["steps"])).replace(THINK_CLOSE, "answer: ")
    if len(response) > LONGEST:
        response = f"{response[:LONGEST]} … ({len(response) - LONGEST:,} more characters)"
    return {
        "round": int(row["round"]),
        "family": say.human(str(row["family"])),
        "level": int(row["level"]),
        "question": printable(str(row["question"]))[:LONGEST],
        "response": response,
        "answer": None if row["extracted"] is None else printable(str(row["extracted"]))[:200],
        "verdict": verdict,
        "why": printable(str(row["failure"] or ""))[:200],
        "tokens": int(sum(row["step_lengths"])),
    }


def _json(data: Any) -> str:
    """JSON inside a <script> element: no text in it may close the element or open a comment."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
