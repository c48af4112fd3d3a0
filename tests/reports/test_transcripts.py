from typing import Any

from ponder.reports.run import transcripts as t
from tests.reports import synthetic


def test_the_answer_stands_apart_from_the_thinking():
    first = t.transcripts(synthetic.summary())[0]
    assert [line.is_answer for line in first.steps.head] == [False] * 5 + [True]
    assert first.steps.head[-1].text == "-3"
    assert first.steps.head[0].score == "0.71"


def test_a_response_text_splits_into_lines_and_one_answer():
    assert t.split("1+1=2\n2+2=4\n</think>4") == ["1+1=2", "2+2=4", "</think>4"]
    assert t.split("4") == ["4"]
    assert t.split("</think>") == ["</think>"]


def test_long_responses_fold_in_the_middle_and_lose_no_step():
    layout = t.transcripts(synthetic.summary())[2].steps
    assert (len(layout.head), len(layout.folded), len(layout.tail), layout.cut) == (5, 13, 2, 0)
    numbers = [line.number for part in (layout.head, layout.folded, layout.tail) for line in part]
    assert numbers == list(range(1, 21))


def test_endless_responses_are_cut_and_say_so():
    data = {"transcripts": [{"steps": [{"text": "x" * 5000}] * 900}]}
    layout = t.transcripts(data)[0].steps
    assert layout.cut == 700
    assert layout.head[0].text.endswith("(3,800 more characters)")


def test_not_scored_is_not_a_score_of_zero():
    data = {"transcripts": [{"steps": [{"text": "a", "score": None}, {"text": "b", "score": 0.0}]}]}
    first, second = t.transcripts(data)[0].steps.head
    assert (first.score, second.score) == (None, "0.00")


def test_shades_run_from_wrong_to_right():
    scores = [-3.0, 0.0, 0.19, 0.2, 0.5, 0.79, 0.8, 1.0, 7.0, 0.5999]
    data = {"transcripts": [{"steps": [{"text": "a", "score": s}]} for s in scores]}
    assert [x.steps.head[0].shade for x in t.transcripts(data)] == [0, 0, 0, 1, 2, 3, 4, 4, 4, 3]


def test_not_judged_is_neither_right_nor_wrong():
    found = t.transcripts({"transcripts": [{"outcome": None}, {"outcome": 1.0}, {"outcome": 0.0}]})
    assert [x.is_right for x in found] == [None, True, False]


def test_transcripts_beyond_the_twelfth_are_mentioned():
    data: dict[str, Any] = {"transcripts": [{}] * 15}
    assert len(t.transcripts(data)) == 12
    assert t.note(data) == "3 more transcripts are in summary.json."
