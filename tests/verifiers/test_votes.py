"""The classes of a vote: equal answers are one class, different ones are two, and no order changes anything."""

from __future__ import annotations

import json
import random
import re
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.grading_fuzz import pairs, votes
from benchmarks.grading_makers import MAKERS
from ponder.api.evaluating.pool import _judge, measure
from ponder.api.evaluating.pool_rows import Row
from ponder.problems.files.jsonl import INSTRUCTIONS
from ponder.types import Question
from ponder.verifiers.rules.mathematics.canonical import form
from ponder.verifiers.rules.mathematics.equivalence import GoldError, equivalent
from ponder.verifiers.truth import GroundTruth
from ponder.verifiers.votes import canonical_answer, shown_answer

ANSWERS = Path(__file__).parent / "cases" / "answers.jsonl"
MATHS = Question("q", "file", "?", INSTRUCTIONS["math"])
COUNTDOWN = Question("q", "countdown", "Make 18 from 3, 6, 1.")
CLASSES = [
    ["1/2", r"\frac12", "0.5", ".50", "x = 1/2", r"\frac{2}{4}", r"\cos 60^\circ", "2^{-1}", "50 \\cdot 10^{-2}"],
    [r"\frac{\sqrt3}{3}", r"1/\sqrt{3}", "√3/3", "sqrt(3)/3", "3^(-1/2)", r"\tan 30^\circ"],
    ["y = 2x+1", "4x - 2y + 2 = 0", "2x+1", "f(x) = 1 + 2x"],
    ["1, 2", r"\{2, 1\}", "2 \\text{ and } 1", "x=1 or x=2", "2; 1"],
    ["(1,2)", "x=1, y=2", r"\langle 1, 2 \rangle", r"\left(1, \frac42\right)"],
    [r"[0,\infty)", "x >= 0", r"x \ge 0", "0 ≤ x"],
    [r"(-\infty,1)\cup(3,\infty)", "x<1 or x>3", "x > 3 or x < 1"],
    ["3:4", "6:8", "3/4", "75/100"],
    [r"\text{Monday}", "monday", "Monday."],
    ["5:1", "10:2"],
    ["5", "5 cm", "$5", "5.0", "x=5"],
    ["12", r"\binom{12}{1}", r"\sqrt{144}", "3!+6", r"\lfloor 12.5 \rfloor", "3(4)"],
    ["(1,3)", "1<x<3"],
    ["1 2"], ["x_1"], ["x"], ["-5"], ["2, 2"], ["A"], ["e-7"], [r"\pi"], ["3.14159265358979"], ["10^{-7}", "1e-7"],
]  # fmt: skip


def test_equal_answers_are_one_class_and_different_ones_are_not():
    forms = [{form(answer) for answer in group} for group in CLASSES]
    assert [one for one in forms if len(one) != 1] == []
    assert len(set().union(*forms)) == len(CLASSES)


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ([r"\boxed{5}", "So we find 5.", "The answer is 5.", "<answer>5</answer>", "It is **5**."], 1),
        ([r"\boxed{5}", r"<think>\boxed{5}</think>\boxed{6}"], 2),
        ([r"$x=\boxed{1}$, $y=\boxed{2}$", r"\boxed{(1,2)}"], 1),
        ([r"\boxed{1} or \boxed{2}", r"\boxed{2}, \boxed{1}", r"\boxed{1,2}"], 1),
    ],
)
def test_what_is_said_in_other_words_is_one_answer(responses, expected):
    assert len({canonical_answer(MATHS, response) for response in responses}) == expected


@pytest.mark.parametrize("response", ["I do not know.", "", "<think>5", "I cannot solve it.", r"\boxed{5} \boxed{"])
def test_no_answer_has_no_vote(response):
    assert canonical_answer(MATHS, response) is None


def test_an_expression_does_not_depend_on_order_and_brackets():
    same = ["6*3*1", "(6*3)*1", "1*(3*6)", "6 × 3 × 1", "(1*6)*3 = 18"]
    assert {canonical_answer(COUNTDOWN, text) for text in same} == {"1*3*6"}
    others = ["6*3/1", "6*3+1-1", "6*3*1 = 19", "6*(3*", "(6+3)+1"]
    assert len({canonical_answer(COUNTDOWN, text) for text in others} | {"1*3*6"}) == 6


def test_a_class_is_shown_as_it_was_written():
    assert shown_answer(MATHS, r"So \boxed{\frac{\sqrt3}{2}}.") == r"\frac{\sqrt3}{2}"
    assert shown_answer(COUNTDOWN, "</think>(6*3)*1") == "(6*3)*1"


def test_other_kinds_keep_their_text():
    code = Question("q", "file", "?", INSTRUCTIONS["code"])
    assert canonical_answer(code, "```python\nx = 5\n```") != canonical_answer(code, "```python\nx = 5.0\n```")
    assert canonical_answer(Question("q", "", "Capital of France?"), "It is Paris.") == "It is Paris."
    assert canonical_answer(Question("q", "", "2+3?"), r"I get \boxed{5.0}") == "5"


@given(st.lists(st.sampled_from([answer for group in CLASSES for answer in group]), min_size=1, max_size=8))
def test_the_classes_do_not_depend_on_the_order(answers):
    shuffled = random.Random(len(answers)).sample(answers, len(answers))
    first = {answer: form(answer) for answer in answers}
    assert {answer: form(answer) for answer in shuffled} == first


@given(st.text(alphabet=r"\{}()[]$^_fracsqt 0123456789+-*/=,.:x", max_size=120))
def test_any_text_has_a_class(text):
    assert form(text) == form(text)
    assert isinstance(form(text), str)


@pytest.mark.parametrize("equal", [True, False])
def test_a_sample_of_the_fuzzer_votes_as_it_should(equal):
    source = pairs(7, equal)
    assert votes([next(source) for _ in range(600)]) == []


def _pools(seed: int, count: int):
    """Pools of answers with the class of each: the spellings of several makers, mixed."""
    for place in range(count):
        r = random.Random(f"pools/{seed}/{place}")
        made = [r.choice(MAKERS)(r) for _ in range(3)]
        members = [(k, text) for k, one in enumerate(made) for text in r.sample(one.same, min(3, len(one.same)))]
        keys = {form(one.same[0]) for one in made}
        if len(keys) == len(made):
            yield r.sample(members, len(members))


def test_a_hundred_pools_have_the_classes_they_were_made_of():
    pools = list(_pools(0, 110))[:100]
    assert len(pools) == 100
    for pool in pools:
        told: dict[str | None, set[str]] = {}
        for truth, text in pool:
            told.setdefault(canonical_answer(MATHS, rf"\boxed{{{text}}}"), set()).add(truth)
        assert all(len(truths) == 1 for truths in told.values()), (pool, told)
        assert len(told) == len({truth for truth, _ in pool}), (pool, told)


def test_real_answers_rewritten_are_one_class_each_and_permutations_change_nothing():
    # Shapes of answers from mathematics competitions, each rewritten; truth is the index of the answer.
    rewrites = {
        r"\frac{7}{2}": ["3.5", "7/2", r"3\frac12", r"\dfrac72"], r"2\sqrt{5}": [r"\sqrt{20}", "2√5"],
        r"(3,-1)": [r"\left(3,-1\right)", "x=3, y=-1"], r"\frac{\pi}{4}": ["π/4", r"0.25\pi"],
        r"x^2-1": ["(x-1)(x+1)", "-1+x^2"], r"[2,5)": [r"2 \le x < 5"], "10,000": ["10000", r"10{,}000"],
    }  # fmt: skip
    pool = [(truth, text) for truth, others in rewrites.items() for text in (truth, *others)]
    for seed in range(20):
        order = random.Random(seed).sample(pool, len(pool))
        told: dict[str | None, set[str]] = {}
        for truth, text in order:
            told.setdefault(canonical_answer(MATHS, f"The answer is \\({text}\\)."), set()).add(truth)
        assert sorted(map(len, told.values())) == [1] * len(rewrites)


def test_a_pool_measures_the_same_in_every_order_of_its_rows():
    texts = [r"\boxed{\frac12}", r"\boxed{0.5}", r"\boxed{3}", r"\boxed{50\%}", "I do not know."]
    measures = []
    with GroundTruth() as truth:
        for order in list(permutations(texts))[::13]:
            row = Row("a", "here", "?", "1/2", tuple(order), None, "math")
            judged, _ = _judge([row], truth, lambda *_: None)
            measures.append([p["y"] for curve in measure(judged)["curves"].values() for p in curve])
    assert all(one == pytest.approx(other) for one, other in pairwise(measures))


def _rewritten(answer: str) -> list[str]:
    """The answer in other spellings, none of which changes it."""
    found = [answer, answer.replace(r"\frac", r"\dfrac"), answer.replace(" ", "  "), answer.replace(r"\pi", "π ")]
    found.append(re.sub(r"(?<!\d)\\frac\{([^{}]+)\}\{([^{}]+)\}", r"(\1)/(\2)", answer))
    found.append(re.sub(r"\\sqrt\{(\d+)\}", r"√\1", answer))
    found.append(
        re.sub(r"\^\{?(\d)\}?(?!\d)", lambda m: "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(m.group(1))], answer)
        if "text" not in answer
        else answer
    )
    if re.fullmatch(r"-?\d+", answer):
        found += [f"{answer}.0", f"x = {answer}", rf"\frac{{{2 * int(answer)}}}{{2}}", rf"\text{{{answer}}}"]
    if re.fullmatch(r"\(.*\)", answer) and answer.count("(") == 1:
        found.append(rf"\left{answer[:-1]}\right)")
    return list(dict.fromkeys(found))


FRAMES = (
    r"\boxed{{{}}}",
    r"The answer is \({}\).",
    r"So \[\boxed{{{}}}\]",
    r"<answer>\({}\)</answer>",
    r"**Answer:** \({}\)",
)


def test_a_hundred_pools_of_real_answers_vote_as_they_were_made():
    """Answers of competition problems (Hendrycks MATH, MIT licence), three to a pool, each in several spellings."""
    answers = [json.loads(line)["answer"] for line in ANSWERS.open(encoding="utf-8")]
    for place in range(100):
        mine = list(dict.fromkeys(answers[place::100]))
        mine = [one for k, one in enumerate(mine) if not any(_same(one, other) for other in mine[:k])]
        r = random.Random(place)
        members = [
            (truth, text) for truth in mine for text in r.sample(_rewritten(truth), min(3, len(_rewritten(truth))))
        ]
        pool = [(truth, r.choice(FRAMES).format(text)) for truth, text in members]
        told = {response: canonical_answer(MATHS, response) for _, response in pool}
        for truth, response in pool:
            for other, again in pool:
                assert (told[response] == told[again]) == (truth == other), (response, again)
        shuffled = r.sample(pool, len(pool))
        assert {response: canonical_answer(MATHS, response) for _, response in shuffled} == told


def _same(one: str, other: str) -> bool:
    try:
        return equivalent(one, other) or form(one) == form(other)
    except GoldError:
        return one == other
