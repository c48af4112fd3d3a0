"""The lead of a report: the picture of ten seconds, and the story of one problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from ponder.evaluation.pools.pool import Draw, Live, PoolEntry
from ponder.evaluation.pools.pool import Pool as Pools
from ponder.reports.run import lead
from ponder.reports.run.page import render
from ponder.reports.run.story import story
from ponder.selfplay import transcripts
from ponder.types import Group, Key, Problem, Question, Step, StopReason, Trajectory, Verdict
from tests.reports.synthetic import minimal, summary, undrawn, write

QUESTION = Question("p", "countdown", "Make 18 from 3, 6, 1.", level=3)


def test_the_picture_goes_from_the_base_to_thinking() -> None:
    found = lead.bars(summary())
    labels = [bar.label for bar in found]
    assert labels[:3] == ["Base, one answer", "Rejection sampling, one answer", "Trained, one answer"]
    # The weighted vote at the largest budget, whatever did best.
    last = next(c for c in summary()["curves"]["before"]["test_time"]["all"] if c["name"] == "weighted_vote")["points"][
        -1
    ]
    assert labels[3] == f"Base, thinking for {last['x']:,.0f} tokens" and found[3].value.y == last["y"]
    assert lead.in_words(summary()).startswith("Base, one answer: ")


def test_what_was_not_measured_is_left_out() -> None:
    assert lead.bars(minimal()) == [] and lead.draw(minimal()) is None
    without = summary()
    del without["curves"]["before"]
    assert [bar.label for bar in lead.bars(without)][-1] == "Trained, one answer"


def drawn(answer: str, outcome: float) -> Draw:
    leaf = Step((1, 2), (0.0, 0.0), f"</think>{answer}", 0, StopReason.END)
    return Draw(Trajectory(QUESTION, leaf), outcome, answer)


def pool(*draws: Draw) -> Pools:
    live = Live(propose=None, decode=lambda _: "", grade=lambda *_: [])  # type: ignore[arg-type]
    return Pools((PoolEntry(Problem(QUESTION, Key("18")), draws, live),), 40)


def base(outcome: float) -> list[Group]:
    some = drawn("9", outcome)
    return [Group(Problem(QUESTION, Key("18")), (some.trajectory,), (Verdict(outcome=outcome),))]


def test_the_story_is_of_a_problem_that_the_base_failed_and_a_search_can_settle() -> None:
    some = pool(drawn("9", 0.0), drawn("18", 1.0), drawn("18", 1.0))
    told = transcripts.story(some, base(0.0))
    assert told is not None
    assert (told["samples"], told["right"], told["answers"], told["vote_is_right"]) == (3, 2, 2, True)
    assert told["votes"] == [{"answer": "18", "count": 2, "outcome": 1.0}, {"answer": "9", "count": 1, "outcome": 0.0}]
    assert told["before"] == "</think>9" and told["outcome"] == 1.0
    assert transcripts.story(some, base(1.0)) is None  # the base could do it
    assert transcripts.story(pool(drawn("18", 1.0)), base(0.0)) is None  # nothing for a search to do


def test_the_page_tells_the_story_before_the_laws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undrawn(monkeypatch)
    data = summary()
    data["story"] = transcripts.story(pool(drawn("9", 0.0), drawn("18", 1.0), drawn("18", 1.0)), base(0.0))
    source = render(write(tmp_path, data)).read_text()
    order = [source.index(f'<section id="{name}"') for name in ("lead", "story", "scaling", "accuracy", "verifier")]
    assert order == sorted(order)
    assert "2 are right; they give 2 different answers, and the majority vote ends right" in source


def test_an_older_run_has_a_story_without_a_search() -> None:
    told = story(summary())
    assert told is not None and told.votes is None and told.transcript.before is not None
    assert story(minimal()) is None
