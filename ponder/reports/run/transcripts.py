"""Responses laid out for reading: steps, their verifier score as a chip, and the middle of long ones folded away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ponder.reports import formatting as say
from ponder.reports.run.summary_reader import Summary, at, number, rows, text

THINK_CLOSE = "</think>"
MOST = 12  # transcripts on a page
HEAD, TAIL = 5, 2  # steps shown before and after a fold
LONGEST = 1200  # characters of one step
MOST_STEPS = 200
KINDS = {
    "solved": "Solved",
    "unsolved": "Not solved",
    "changed": "Changed from wrong to right",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One step: its number from 1, its text, whether it is the answer, and the verifier's score (None: not scored).

    `shade` is 0 (score near 0) to 4 (near 1), for the chip's colour.
    """

    number: int
    text: str
    is_answer: bool
    score: str | None
    shade: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Steps in three parts; `folded` is empty for a short response. `cut` counts steps that are not shown at all."""

    head: tuple[Line, ...]
    folded: tuple[Line, ...] = ()
    tail: tuple[Line, ...] = ()
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Transcript:
    """One response of the final model and, if it changed, the base's response to the same question."""

    kind: str
    family: str
    level: str
    question: str
    key: str
    is_right: bool | None
    steps: Layout
    is_scored: bool
    before: Layout | None


def transcripts(summary: Summary) -> list[Transcript]:
    """The summary's transcripts in its order, at most twelve."""
    return [read_one(item) for item in rows(summary, "transcripts")[:MOST]]


def read_one(item: Mapping[str, Any]) -> Transcript:
    """A row of the summary, laid out."""
    kind, level, outcome = text(item, "kind") or "", number(item, "level"), number(item, "outcome")
    steps = [(text(step, "text") or "", number(step, "score")) for step in rows(item, "steps")]
    before = text(item, "before")
    return Transcript(
        kind=KINDS.get(kind, say.human(kind) or "Response"),
        family=say.human(text(item, "family") or "family not recorded"),
        level=say.count(level) if level is not None else "not recorded",
        question=_cut(text(item, "question") or "question not recorded"),
        key=_cut(text(item, "key") or "not recorded"),
        is_right=None if outcome is None else outcome > 0.5,
        steps=_layout(steps),
        is_scored=any(score is not None for _, score in steps),
        before=None if before is None else _layout([(part, None) for part in split(before)]),
    )


def split(response: str) -> list[str]:
    """A response text as steps: lines of thinking, then everything after the thinking as one answer."""
    thinking, mark, answer = response.rpartition(THINK_CLOSE)
    lines = (thinking if mark else answer).splitlines()
    return [*lines, mark + answer] if mark else lines


def _layout(steps: list[tuple[str, float | None]]) -> Layout:
    shown = steps[:MOST_STEPS]
    lines = tuple(_line(i, *step) for i, step in enumerate(shown, start=1))
    if len(lines) <= HEAD + TAIL + 1:  # folding a single step would save nothing
        return Layout(lines, cut=len(steps) - len(shown))
    return Layout(lines[:HEAD], lines[HEAD:-TAIL], lines[-TAIL:], len(steps) - len(shown))


def _line(index: int, raw: str, score: float | None) -> Line:
    is_answer = THINK_CLOSE in raw
    shown = _cut(raw.replace(THINK_CLOSE, "").strip()) or "(empty)"
    # The shade follows the score as it is shown, so that equal numbers look alike.
    shade = min(4, int(5 * min(1.0, max(0.0, round(score, 2))))) if score is not None else 0
    return Line(index, shown, is_answer, None if score is None else say.plain(score), shade)


def _cut(value: str) -> str:
    """Long text is cut, and says so."""
    return value if len(value) <= LONGEST else f"{value[:LONGEST]} … ({len(value) - LONGEST:,} more characters)"


def note(summary: Summary) -> str:
    """How many transcripts the run kept, if the page shows fewer."""
    kept = at(summary, "transcripts")
    more = len(kept) - MOST if isinstance(kept, list) else 0
    return f"{more} more transcripts are in summary.json." if more > 0 else ""
