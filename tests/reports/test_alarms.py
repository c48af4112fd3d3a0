"""Alarms and disagreements of a run, as the page and the console say them."""

from __future__ import annotations

from ponder.reports.run import alarms, tables

WATCH = {
    "rounds": 2,
    "compared": 64,
    "disagreements": 5,
    "alarms": [
        {
            "counter": "one checker", "family": "countdown", "hits": 9, "of": 36, "share": 0.25, "limit": 0.05,
            "says": "answers are accepted by only one of two independent checks", "rounds": [0, 3],
        }
    ],
    "examples": [
        {"round": 1, "family": "countdown", "question": "Make 5 from 2, 3.", "key": "2+3", "answer": "5",
         "first": 1.0, "second": 0.0, "check": "numbers"}
    ],
}  # fmt: skip


def test_an_alarm_says_what_where_when_and_what_to_do() -> None:
    said = alarms.sentences({"watch": WATCH})
    assert "ALARM" in said[0] and "25\u00a0%" in said[0] and "rounds 1 and 4" in said[0] and "Read some" in said[0]
    assert "5 of 64" in said[1] and "disagreements.jsonl" in said[1]


def test_no_alarm_is_said_and_what_was_not_watched_is_not_called_clean() -> None:
    assert alarms.sentences({"watch": {**WATCH, "alarms": [], "compared": 0}}) == [
        "Reward-hacking watch: no alarm.",
        "Second opinions: no answer had two checks.",
    ]
    assert alarms.sentences({}) == ["Reward-hacking watch: not recorded."]


def test_disagreements_are_a_table_with_both_verdicts() -> None:
    grid = tables.disagreements({"watch": WATCH})
    assert grid is not None and [cell.value for cell in grid.rows[0]][2:] == ["2+3", "5", "right", "wrong"]
    assert tables.disagreements({}) is None
