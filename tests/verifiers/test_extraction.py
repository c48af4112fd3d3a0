"""Where the answer stands, without a look at the gold answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.verifiers.rules.mathematics.extraction import extract
from ponder.verifiers.rules.mathematics.finding.spans import boxes


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        (r"So \boxed{\frac{1}{\sqrt{2}}}.", (r"\frac{1}{\sqrt{2}}",)),
        (r"\boxed{1} and later, after much more work on the problem, \boxed{2}", ("2",)),
        (r"$\boxed{2}$. Alternatively we may count, and again find $\boxed{2}$.", ("2",)),
        (r"\fbox{7}", ("7",)),
        (r"\boxed 7", ("7",)),
        ("He pays $3.\n#### 1,200", ("1,200",)),
        ("The final answer is: $\\frac{3}{4}$. I hope it is correct.", (r"\frac{3}{4}",)),
        ("**Answer:** 12", ("12",)),
        ("The answer is 5. Wait, the answer is 6.", ("6",)),
        ("The answer is 5. No, it is 6.", ("5", "6")),
        ("The answer is 5. Sorry, I meant 6.", ("5", "6")),
        (r"\boxed{5}. Actually, it is \frac{1}{2}.", ("5", r"\frac{1}{2}")),
        (r"\boxed{5}. Wait, let me check: 2 + 3 is 5, as it should be.", ("5",)),
        (r"\boxed{5}. No, there are 7 other ways to see it.", ("5",)),
        ("Answer: 5? or 6?", ("5? or 6",)),
        ("72", ("72",)),
        ("(1, 2)", ("(1, 2)",)),
        ("9 * 2 = <<9*2=18>>19 eggs", ("19",)),  # the text contradicts its calculator, and the text is what is said
        ("9 / 4 = $<<9/4=2.25>>2.250 each", ("2.25",)),
        ("Half is 24.\nTogether 48 + 24 = <<48+24=72>>72 clips in April and May.", ("72",)),
        ("It takes her 120/24 = 5 hours to read 120 pages.", ("5",)),
        ("They ride 150 - 144 = 6 miles on the 13th day.", ("6",)),
        ("He gets paid $10,000 because he won 30 games.", ("10,000",)),
        ("There are 12 tens. The total is now 48.", ("48",)),
        ("First 2 + 2 = 4, but one is gone, so 3 are left.", ("3",)),
        ("The team needs 200 m of rope for its 600-meter race.", ("200",)),
        ("It is 3 or maybe 5 in the end, I think so.", ("3 or 5",)),
        ("So after all of this the result is x^2 + 5.", ("x^2 + 5",)),
        ("The derivative of the function is 5x.", ("5x",)),
        ("So the final value becomes x - 5.", ("x - 5",)),
        (r"So we obtain the final value \frac{1}{5}", (r"\frac{1}{5}",)),
        ("The total of all of it is 3 * 4", ("3 * 4",)),
        ("I do not know how to solve this one at all, sorry.", ()),
        ("", ()),
        ("<think>\\boxed{5}", ()),
        ("<think>9</think>\\boxed{5}", ("5",)),
    ],
)
def test_the_answer_is_found(text, answers):
    assert extract(text).answers == answers


def test_a_result_in_the_middle_of_a_chain_is_not_the_answer():
    assert extract("She has 5 + 5 = 10 and then 10 + 5 = 15, so 15 - 3 = 12 are left for 4 friends.").answers == ("12",)


def test_a_hundred_boxes_or_numbers_are_no_answer_to_any_question():
    assert extract(" ".join(rf"\boxed{{{n}}}" for n in range(100))).answers == ()
    assert extract("\n".join(str(n) for n in range(100))).answers == ()
    assert extract(", ".join(str(n) for n in range(100))).answers == ()
    among_words = extract("One of " + ", ".join(str(n) for n in range(100)) + " must be what was asked for.")
    assert len(among_words.answers[0].split(",")) == 100


def test_boxes_inside_boxes_belong_to_the_outer_one():
    assert [box.content for box in boxes(r"\boxed{\boxed{1}+\boxed{2}}")[0]] == [r"\boxed{1}+\boxed{2}"]


@given(st.text(max_size=300))
def test_no_text_breaks_the_extraction(text):
    assert isinstance(extract(text).answers, tuple)


@given(st.integers(-(10**12), 10**12))
def test_every_integer_is_found_in_every_form_of_answer(number):
    for form in ("{}", r"\boxed{{{}}}", "#### {}", "The answer is {}.", "Thus x = {}.", "$\\boxed{{{}}}$."):
        answer = extract(form.format(number)).answers[0]
        assert answer.split("=")[-1].strip(" .") == str(number)
