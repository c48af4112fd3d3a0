"""The constraints family: solvable by construction, never right for silence or an echo, and the same every time."""

from __future__ import annotations

import json
import random
import re

import pytest

from ponder.problems.constraints import text as stock
from ponder.problems.constraints.family import Constraints
from ponder.problems.constraints.kinds import ASKS, choose, fits
from ponder.problems.files.jsonl import Jsonl
from ponder.problems.listing import listed, shown
from ponder.problems.registry import parse
from ponder.problems.selfcheck import check
from ponder.problems.splits import SPLITS
from ponder.types import PonderError, Problem, Verdict
from ponder.verifiers.rules.constraints.combination import check as constraints_of
from ponder.verifiers.rules.constraints.combination import judge
from ponder.verifiers.rules.constraints.kinds import KINDS
from ponder.verifiers.rules.constraints.language import LANGUAGES
from ponder.verifiers.truth import GroundTruth


def _grade(problem: Problem, response: str) -> Verdict:
    return judge(problem.key.data["constraints"], response)


@pytest.mark.parametrize("count", range(1, 7))
def test_the_self_check_finds_nothing(count):
    report = check(Constraints(count=count), n=20, seed=5, grade=_grade)
    assert report.faults == ()
    assert report.ok


@pytest.mark.parametrize("name", list(ASKS))
def test_each_kind_has_problems_whose_gold_answer_follows_it_and_whose_near_miss_does_not(name):
    family, found = Constraints(count=3), 0
    for index in range(400):
        problem = family.problem(index)
        asked = problem.key.data["constraints"]
        places = [place for place, constraint in enumerate(asked) if constraint["id"] == name]
        for place in places:
            found += 1
            assert constraints_of([asked[place]], problem.key.answer or "")[0].strict
            assert not constraints_of([asked[place]], family.near_misses(problem)[place])[0].strict
        if found == 5:
            break
    assert found


def test_the_kinds_are_those_of_the_verifier():
    assert set(ASKS) == set(KINDS)


def test_a_problem_is_the_same_every_time_and_its_level_is_the_number_of_constraints():
    family = Constraints(count=4)
    problem = family.problem(3, split="test", seed=2)
    assert problem == Constraints(count=4).problem(3, split="test", seed=2)
    assert len(problem.key.data["constraints"]) == problem.level == family.level == 4
    assert family.at_level(2).level == 2
    assert problem.question.text != family.problem(4, split="test", seed=2).question.text


def test_no_request_is_in_two_splits():
    seen: dict[str, str] = {}
    for split in SPLITS:
        for index in range(150):
            problem = Constraints(count=1).problem(index, split=split)
            topic = next(topic for topic in stock.TOPICS if topic in problem.question.text)
            content = topic + json.dumps(problem.key.data["constraints"], sort_keys=True)
            assert seen.setdefault(content, split) == split


def test_ground_truth_judges_the_family_by_the_verifier_that_its_keys_name():
    family = parse("constraints?count=2")
    problem = family.problem(0)
    with GroundTruth({family.name: family}) as truth:
        verdicts = truth.grade([problem] * 3, [f"so</think>{problem.key.answer}", problem.question.text, ""])
    assert [verdict.outcome for verdict in verdicts] == [1.0, 0.0, 0.0]


def test_the_demonstration_is_right():
    family = Constraints(count=3)
    for index in range(20):
        problem = family.problem(index)
        assert _grade(problem, family.demonstration(problem, 0)).outcome == 1.0


def test_it_is_listed_and_shown():
    assert "constraints" in {row["spec"] for row in listed()}
    about = shown("constraints?count=2", n=1)
    assert (about["grades_itself"], about["has_levels"], about["level"]) == (False, True, 2)


@pytest.mark.parametrize("count", [0, 7, -1])
def test_a_count_out_of_range_is_refused(count):
    with pytest.raises(PonderError, match="allowed are 1 to 6"):
        Constraints(count=count)


def test_chosen_kinds_go_together_both_ways():
    for seed in range(200):
        chosen = choose(random.Random(seed), 4) or []
        for name in chosen:
            assert fits(name, [other for other in chosen if other != name])


def test_the_stock_follows_and_breaks_no_instruction_by_accident():
    english = [*stock.TOPICS, *stock.SENTENCES, *stock.ITEMS, *stock.ENDINGS]
    for text in english:
        assert not re.search("[jqxz,]", text.lower())
        assert not re.search(r"\b[A-Z]+\b", text)
        assert not any(word in text.lower() for word in (*stock.KEYWORDS, *stock.AVOIDED))
    assert not any("," in text for language in stock.LANGUAGES.values() for text in language)
    assert set(stock.LANGUAGES) <= LANGUAGES


def test_rows_of_a_file_with_constraints_are_graded_like_the_family(tmp_path):
    path = tmp_path / "prompts.jsonl"
    constraints = [{"id": "punctuation:no_comma", "kwargs": {}}]
    path.write_text(json.dumps({"id": "a", "problem": "Say it.", "answer": None, "constraints": constraints}) + "\n")
    family = Jsonl(path, split="all")
    problem = family.problem(0, split="test")
    with GroundTruth({family.name: family}) as truth:
        verdicts = truth.grade([problem] * 2, ["it", "it, then"])
    assert [verdict.outcome for verdict in verdicts] == [1.0, 0.0]
