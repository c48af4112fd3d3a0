"""The story of one problem: what the base said, what the trained model says, and how a vote of many answers ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ponder.reports import formatting as say
from ponder.reports.run.summary_reader import Summary, at, number, rows, text
from ponder.reports.run.tables import Cell, Grid
from ponder.reports.run.transcripts import Transcript, read_one, transcripts

MOST_ANSWERS = 5


@dataclass(frozen=True)
class Story:
    """`votes` is None where no search was kept; `told` says how the problem was chosen and how the vote ended."""

    transcript: Transcript
    votes: Grid | None
    told: str


def story(summary: Summary) -> Story | None:
    """What the run kept; else the first answer that training changed, without a search. None if there is none."""
    kept = at(summary, "story")
    if isinstance(kept, Mapping):
        return Story(read_one(kept), _votes(kept), _told(kept))
    changed = next((item for item in transcripts(summary) if item.before is not None), None)
    if changed is None:
        return None
    return Story(changed, None, "Chosen because the base was wrong here and the trained model is right.")


def _votes(kept: Mapping[str, Any]) -> Grid | None:
    found = rows(kept, "votes")
    if not found:
        return None
    body = tuple(
        (
            Cell((text(row, "answer") or "no answer")[:80]),
            Cell(say.count(number(row, "count"))),
            Cell("right" if number(row, "outcome") == 1 else "wrong"),
        )
        for row in found[:MOST_ANSWERS]
    )
    return Grid(("Answer", "Votes", "Verdict"), body)


def _told(kept: Mapping[str, Any]) -> str:
    samples, others = number(kept, "samples"), number(kept, "answers")
    chosen = (
        "Chosen, not drawn at random: the base was wrong in every try, and some but not all answers of the trained "
        "model are right, so that a search has something to do."
    )
    if samples is None:
        return chosen
    right = number(kept, "right")
    ends = "ends right" if at(kept, "vote_is_right") is True else "ends wrong"
    return (
        f"{chosen} Of {say.count(samples)} answers of the trained model {say.count(right)} are right; they give "
        f"{say.count(others)} different answers, and the majority vote {ends}."
    )
