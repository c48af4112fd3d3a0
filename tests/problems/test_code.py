"""The `code` family, mutants and vetting: two independent meanings agree, a fault that tests can see is seen."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from unittest.mock import patch

import pytest

from ponder.problems.code.family import Code
from ponder.problems.code.mutants import mutants, mutation_score
from ponder.problems.code.tasks import vet
from ponder.problems.registry import parse
from ponder.problems.selfcheck import check
from ponder.problems.splits import SPLITS
from ponder.types import Key, PonderError, Problem, Question, Verdict
from ponder.verifiers.rules.code.isolation import probe
from ponder.verifiers.truth import GroundTruth

boxed = pytest.mark.skipif(probe().place.bubblewrap is None, reason=f"no isolation on this machine: {probe().why}")


def _by_hand(problem: Problem, program: str) -> bool:
    """Run our own reference here, without a sandbox."""
    names: dict[str, object] = {}
    tests = problem.key.data["tests"]
    if isinstance(tests[0], str):
        exec(program, names)  # noqa: S102 - our own program
        for test in tests:
            exec(test, names)  # noqa: S102
        return True
    for case in tests:
        printed = io.StringIO()
        with patch("builtins.input", lambda case=case: case["input"].rstrip("\n")), redirect_stdout(printed):
            exec(program, {})  # noqa: S102
        assert printed.getvalue().split() == case["output"].split(), (problem.id, case)
    return True


@pytest.mark.parametrize("level", [1, 2, 5])
def test_the_reference_and_the_steps_agree_at_every_level_and_in_both_styles(level):
    family = Code(level=level)
    sample = [family.problem(index, split=split, seed=4) for split in SPLITS for index in range(25)]
    assert all(_by_hand(problem, problem.key.answer or "") for problem in sample)
    assert {problem.id.split("-")[1] for problem in sample} == {"function", "program"}


def test_problems_are_functions_of_split_seed_and_index_and_splits_are_apart():
    family = parse("code?level=2&style=function")
    asked = {split: {family.problem(i, split=split).question.text for i in range(80)} for split in SPLITS}
    assert not asked["train"] & asked["test"] and not asked["train"] & asked["validation"]
    assert len(asked["train"]) > 75
    assert family.problem(3, seed=1) == family.problem(3, seed=1) != family.problem(3, seed=2)


def test_the_tests_always_hold_the_empty_list_and_tell_every_step():
    problem = Code(level=3, style="function").problem(0)
    assert problem.key.data["tests"][0].startswith("assert solve([]) == ")
    assert len(problem.key.data["tests"]) == 8
    assert len(Code(level=3).near_misses(problem)) >= 5


def test_parameters_out_of_range_are_refused():
    with pytest.raises(PonderError, match="allowed are 1 to 8"):
        Code(level=9)
    with pytest.raises(PonderError, match="function, program, both"):
        Code(style="essay")


@boxed
def test_the_sandbox_accepts_references_and_refuses_near_misses():
    family, functions = Code(level=2), Code(level=2, style="function")
    with GroundTruth(workers=2) as truth:
        report = check(functions, n=1, grade=lambda problem, text: truth.grade([problem], [text])[0])
        assert report.faults == () and report.ok
        sample = [family.problem(index, split="test") for index in range(3)]
        pairs = [(problem, miss) for problem in sample for miss in family.near_misses(problem)]
        verdicts = truth.grade(*zip(*pairs, strict=True))
    assert {verdict.outcome for verdict in verdicts} == {0.0}


def test_mutants_change_one_thing():
    assert mutants("def f(a, b):\n    return a < b + 1\n") == [
        "def f(a, b):\n    return None\n",
        "def f(a, b):\n    return a <= b + 1\n",
        "def f(a, b):\n    return a < b - 1\n",
        "def f(a, b):\n    return a < b + 2\n",
        "def f(a, b):\n    return a < b + 0\n",
    ]


def test_a_body_alone_is_mutated_as_a_body():
    assert mutants("    return -x\n") == ["    return None\n", "    return +x\n"]
    assert mutants("x = y\n") == []


def test_the_fewer_mutants_asked_for_are_spread_over_the_source():
    source = "def f(a):\n" + "".join(f"    a = a + {n}\n" for n in range(10)) + "    return a\n"
    assert len(mutants(source)) == 31
    assert mutants(source, 3) == [mutants(source)[0], mutants(source)[10], mutants(source)[20]]


def _problem(name, answer):
    return Problem(Question(name, "file", "?"), Key(answer, {"verifier": "code", "tests": ["assert f(2) == 4"]}))


def _grade(problems, programs):
    """A grader of our own programs that needs no sandbox; one marked so cannot be judged."""

    def one(program):
        if "infrastructure" in program:
            return Verdict(failure="infrastructure", detail="no box")
        names: dict[str, object] = {}
        try:
            exec(program + "\nassert f(2) == 4", names)  # noqa: S102
        except Exception:
            return Verdict(outcome=0.0)
        return Verdict(outcome=1.0)

    return [one(program) for program in programs]


def test_a_weak_test_lets_mutants_through_and_the_score_says_so():
    score = mutation_score(_problem("square", "def f(x):\n    return x * x\n"), _grade)
    # None is refused; x + x is 4 as well, and passes.
    assert (score.refused, score.survivors, score.score) == (1, ("def f(x):\n    return x + x\n",), 0.5)


def test_a_task_whose_own_answer_fails_is_refused_by_name():
    problems = [
        _problem("good", "def f(x):\n    return x + x\n"),
        _problem("bad", "def f(x):\n    return 5\n"),
        _problem("bare", None),
        _problem("unlucky", "infrastructure"),
    ]
    vetted = vet(problems, _grade)
    assert [problem.id for problem in vetted.kept] == ["good"]
    assert set(vetted.refused) == {"bad"}
    assert vetted.untried == {"bare": "it has no answer of its own", "unlucky": "no box"}
