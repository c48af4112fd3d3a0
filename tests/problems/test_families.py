"""What holds for every embedded family: pure functions of (split, seed, index), splits apart, a clean self-check."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ponder
from ponder.problems.answers import final_answer
from ponder.problems.registry import parse
from ponder.problems.selfcheck import check
from ponder.problems.splits import SPLITS, check_split, draw, split_of
from ponder.types import PonderError, Problem
from ponder.verifiers.votes import canonical_answer

EMBEDDED = [
    "arithmetic",
    "arithmetic?terms=2&largest=4",
    "cipher",
    "cipher?words=1",
    "countdown",
    "countdown?numbers=2",
    "transforms",
    "transforms?changes=1&length=3",
]
# What the same problem is called, whatever its wording.
CONTENT: dict[str, Callable[[Problem], str]] = {
    "arithmetic": lambda p: str(p.key.data["expression"]),
    "cipher": lambda p: str(p.key.answer),
    "countdown": lambda p: f"{sorted(p.key.data['numbers'])} {p.key.data['target']}",
    "transforms": lambda p: f"{p.key.data['changes']} {p.key.data['word']}",
}


@pytest.mark.parametrize("spec", EMBEDDED)
def test_the_self_check_finds_nothing(spec: str) -> None:
    report = check(parse(spec), n=15, seed=3)
    assert report.faults == ()
    assert report.ok
    assert report.checked == 45


@pytest.mark.parametrize("spec", EMBEDDED)
def test_a_vote_counts_as_one_what_the_family_takes_for_one(spec: str) -> None:
    family: Any = parse(spec)
    for index in range(15):
        problem = family.problem(index)
        right = canonical_answer(problem.question, f"</think>{problem.key.answer}") if problem.key.answer else None
        equal = {canonical_answer(problem.question, f"</think>{text}") for text in family.equivalents(problem)}
        assert len(equal | ({right} if right else set())) == 1
        others = {canonical_answer(problem.question, text) for text in family.near_misses(problem)}
        assert not equal & others


@pytest.mark.parametrize("spec", EMBEDDED)
def test_no_content_is_in_two_splits_whatever_the_seed(spec: str) -> None:
    family = parse(spec)
    seen: dict[str, str] = {}
    for split in SPLITS:
        for seed in (0, 1):
            for index in range(60):
                content = CONTENT[family.name](family.problem(index, split=split, seed=seed))
                assert seen.setdefault(content, split) == split


@pytest.mark.parametrize("spec", ["arithmetic", "cipher", "countdown"])
def test_default_families_hardly_repeat_themselves(spec: str) -> None:
    family = parse(spec)
    asked = {family.problem(i, split="test").question.text for i in range(300)}
    assert len(asked) > 240  # countdown of three small numbers repeats some, the others none


def fingerprint_code() -> str:
    return (
        "from ponder.problems.registry import parse;"
        f"fs=[parse(s) for s in {EMBEDDED!r}];"
        "print(repr([(p, f.demonstration(p, 1)) for f in fs for s in ('train','test') for i in range(5)"
        " for p in [f.problem(i, split=s, seed=9)]]))"
    )


def test_items_do_not_depend_on_the_process_or_its_hash_seed() -> None:
    def run(hash_seed: str) -> str:
        root = str(Path(ponder.__file__).parent.parent)
        out = subprocess.run(
            [sys.executable, "-c", fingerprint_code()],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": root},
            capture_output=True,
            check=True,
        )
        return hashlib.sha256(out.stdout).hexdigest()

    assert run("1") == run("2")


def test_seeds_and_indices_give_different_items() -> None:
    family = parse("arithmetic")
    texts = {family.problem(i, seed=s).question.text for i in range(20) for s in range(5)}
    assert len(texts) > 95


@settings(deadline=None)
@given(st.text())
def test_content_has_exactly_one_split(content: str) -> None:
    assert split_of(content) in SPLITS
    assert split_of(content) == split_of(content)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(SPLITS))
def test_a_draw_lies_in_the_split_asked_for(number: int, split: str) -> None:
    item = draw(f"stream/{number}", split, lambda rng: rng.randrange(10**6), str)
    assert split_of(str(item)) == split


def test_an_unknown_split_and_an_impossible_draw_are_refused() -> None:
    with pytest.raises(PonderError, match="'dev' is not one of train, validation, test"):
        check_split("dev")
    only = next(split for split in SPLITS if split != split_of("x"))
    with pytest.raises(PonderError, match="widen the difficulty"):
        draw("stream", only, lambda rng: "x", str)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("", None),
        ("  ", None),
        ("7", "7"),
        ("<think>\n7", None),
        ("<think>\n7</think>", None),
        ("<think>\n7</think> \n", None),
        ("<think>\n7</think>8", "8"),
        ("7\n</think>\n8\n", "8"),
        ("7</think>8</think>9", "9"),
    ],
)
def test_the_answer_is_what_follows_the_thinking(response: str, answer: str | None) -> None:
    assert final_answer(response) == answer
