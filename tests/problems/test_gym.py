"""reasoning-gym: every task served, judged by its own scorer, and what its scorer cannot be trusted with."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ponder
from ponder.problems.gym import process as gym_process
from ponder.problems.gym.family import REFUSED, Gym, describe, gym, tasks
from ponder.problems.gym.gold import gold
from ponder.problems.gym.guard import is_harmless
from ponder.problems.gym.strict import passes
from ponder.problems.selfcheck import check
from ponder.types import PonderError, Verdict

# Generators that take seconds an item at their default size, at a size that shows the same.
SMALLER = {"futoshiki": {"max_board_size": "4"}, "knight_swap": {"max_nodes": "6", "max_pieces": "2"}}


def outcome(family: Gym, answer: str, index: int = 0) -> float | None:
    return family.grade(family.problem(index), answer).outcome


def test_the_package_has_a_hundred_tasks_and_one_is_refused_with_a_reason() -> None:
    names = tasks()
    assert len(names) >= 100
    assert not set(REFUSED) & set(names)
    with pytest.raises(PonderError, match="gym:composite is no family of its own: it only mixes other tasks"):
        gym("composite", {})


def test_every_task_accepts_its_gold_and_refuses_its_near_misses() -> None:
    # One test for all: a hundred separate ones would say nothing more and report the same names.
    wrong: list[str] = []
    for task in tasks():
        family = gym(task, SMALLER.get(task, {}))
        problem = family.problem(0)
        right = family.grade(problem, f"<think>\nhm\n</think>\n{problem.key.answer}\n")
        if right.outcome != 1.0:
            wrong.append(f"{task}: gold gives {right}")
        for miss in family.near_misses(problem):
            if (verdict := family.grade(problem, miss)).outcome != 0.0:
                wrong.append(f"{task}: {miss!r} gives {verdict}")
    assert wrong == []


@pytest.mark.parametrize("task", ["chain_sum", "countdown", "polynomial_multiplication", "list_functions"])
def test_the_self_check_finds_nothing(task: str) -> None:
    report = check(gym(task, {}), n=4, seed=1)
    assert report.faults == ()
    assert report.ok


def test_a_sum_by_hand() -> None:
    family = gym("chain_sum", {"max_terms": "3"})
    for index in range(10):
        problem = family.problem(index)
        expression = problem.question.text.split(": ")[1].removesuffix(" =").replace(" ", "")
        total = sum(int(part) for part in expression.replace("-", "+-").split("+"))
        assert problem.key.answer == str(total)


def test_partial_credit_is_wrong_but_told() -> None:
    family = gym("chain_sum", {})
    problem = family.problem(0)
    verdict = family.grade(problem, f"It is {problem.key.answer}")
    assert verdict.outcome == 0.0
    assert verdict.detail.startswith("score 0.")


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("game_of_life_halting", "I do not know"),
        ("puzzle24", "6+6+6+6"),
        ("puzzle24", "6*4+0*1"),
    ],
)
def test_answers_that_fool_a_scorer_are_refused(task: str, answer: str) -> None:
    family = gym(task, {})
    for index in range(3):
        verdict = family.grade(family.problem(index), answer)
        assert verdict.outcome == 0.0, family.problem(index).key.answer


def test_zero_does_not_pass_for_a_probability_below_one() -> None:
    family = gym("coin_flip", {})
    problem = next(p for p in map(family.problem, range(20)) if str(p.key.answer).startswith("0."))
    assert family.grade(problem, "0").detail == "the scorer gives it the full mark, but to wrong answers too"
    assert family.grade(problem, str(problem.key.answer)).outcome == 1.0


@pytest.mark.parametrize(
    ("task", "answer", "right", "passed"),
    [
        ("game_of_life_halting", "false", "False", True),
        ("game_of_life_halting", "True", "False", False),
        ("coin_flip", "3/8", "0.375", True),
        ("coin_flip", "0", "0.375", False),
        ("coin_flip", "1/0", "0.375", False),
        ("codeio", '{"a":[1]}', '{"a": [1]}', True),
        ("codeio", "{}", '{"a": [1]}', False),
        ("puzzle24", "(8-5+3)*4", "4*(3 - 5 + 8)", True),
        ("puzzle24", "6+6+6+6", "4*(3 - 5 + 8)", False),
        ("countdown", "2**3", "2*3 + 2", False),
        ("chain_sum", "anything", "7", True),
    ],
)
def test_rules_that_scorers_lack(task: str, answer: str, right: str, passed: bool) -> None:
    assert passes(task, answer, right) is passed


@pytest.mark.parametrize(
    "answer", ["exec(chr(1))", "x.diff(x)", "__import__", "open(x)", "a;b", "x" * 3000, "[x for x]"]
)
def test_only_formulas_reach_a_scorer_that_evaluates(answer: str) -> None:
    assert not is_harmless("simple_integration", answer)
    assert is_harmless("chain_sum", answer)


def test_formulas_do_reach_it() -> None:
    assert is_harmless("simple_integration", "3*x**2/2 - exp(x)*sin(2.5*x) + C")


def test_an_answer_that_would_run_code_does_not(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    family = gym("n_queens", {})
    assert outcome(family, f"__import__('pathlib').Path({str(target)!r}).touch()") == 0.0
    assert outcome(family, "__import__('os')._exit(0)") == 0.0
    assert not target.exists()


def test_an_endless_answer_is_a_typed_failure_and_the_next_one_is_graded() -> None:
    family = gym("polynomial_multiplication", {})
    problem = family.problem(0)
    verdict = family.grade(problem, "9**9**9**9")
    assert (verdict.outcome, verdict.failure) == (None, "timeout")
    assert family.grade(problem, problem.key.answer or "").outcome == 1.0


def test_a_process_that_died_is_replaced() -> None:
    family = gym("gcd", {})
    before = family.problem(3)
    assert gym_process._pool is not None
    (worker,) = gym_process._pool._alive
    worker.process.kill()
    worker.process.wait()
    assert family.problem(3) == before


def test_a_process_that_cannot_start_is_infrastructure_and_never_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    family = gym("gcd", {})
    problem = family.problem(0)
    gym_process._end()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert family.grade(problem, "1") == Verdict(
        failure="infrastructure",
        extracted="1",
        detail="cannot start a worker: [Errno 2] No such file or directory: '/nowhere/python'",
    )


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PonderError, match=r"pip install -e '\.\[gym\]'"):
        tasks()


def test_tasks_that_walk_through_sets_are_the_same_in_every_process() -> None:
    code = (
        "from ponder.problems.gym.family import gym;"
        "print([gym(t, {}).problem(1) for t in ('polynomial_multiplication', 'ransom_note', 'list_functions')])"
    )

    def run(hash_seed: str) -> bytes:
        root = str(Path(ponder.__file__).parent.parent)
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": root}
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout

    assert run("1") == run("2")


def test_levels_follow_the_task_s_own_curriculum_and_end_with_it() -> None:
    easy = gym("chain_sum", {})
    hardest = easy.at_level(99)
    assert easy.level == 0
    assert hardest.level == describe("chain_sum")["levels"] > 1
    assert hardest.problem(0).level == hardest.level
    assert gym("chain_sum", {"level": "2"}) == easy.at_level(2)
    assert easy.at_level(-1) == easy
    with pytest.raises(PonderError, match="level=99; allowed are 0 to"):
        gym("chain_sum", {"level": "99"})


def test_parameters_are_the_task_s_own_and_checked_by_it() -> None:
    family = gym("chain_sum", {"min_terms": "5", "max_terms": "5", "allow_negation": "true"})
    assert (
        family.problem(0).question.text.split(":")[1].count(" - ") + family.problem(0).question.text.count(" + ") == 4
    )
    with pytest.raises(PonderError, match="Did you mean 'max_terms'"):
        gym("chain_sum", {"max_term": "3"})
    with pytest.raises(PonderError, match="a value like 6 is due"):
        gym("chain_sum", {"max_terms": "many"})
    with pytest.raises(PonderError, match="max_terms must be"):
        gym("chain_sum", {"max_terms": "1"}).problem(0)
    with pytest.raises(PonderError, match="Did you mean 'chain_sum'"):
        gym("chainsum", {})


def test_gold_of_a_graph_a_cube_and_boxes_by_hand() -> None:
    def of(task: str, metadata: dict[str, Any]) -> str:
        return gold(task, {"answer": None, "metadata": metadata})

    assert of("graph_color", {"possible_answer": {0: 1, 1: 2}}) == '{"0": 1, "1": 2}'
    assert of("rubiks_cube", {"example_correct_answer": "", "scramble_moves": "L D' F"}) == "F' D L'"
    state = {"0.5_0.5": ["box_red"], "0.5_1.5": ["target_red"]}
    assert of("boxnet", {"initial_state": state}) == (
        '[{"Agent[0.5, 0.5]": "move(box_red, square[0.5, 1.5])"}, {"Agent[0.5, 1.5]": "move(box_red, target_red)"}]'
    )
    assert of("some_task", {}) == ""
    assert gold("gcd", {"answer": " 7 ", "metadata": {}}) == "7"


def test_gold_of_rush_hour_is_the_shortest_way_out() -> None:
    def board(*rows: str) -> dict[str, Any]:
        return {"answer": None, "metadata": {"board_config": "".join(rows)}}

    free = board("oooooo", "oooooo", "AAoooo", "oooooo", "oooooo", "oooooo")
    assert gold("rush_hour", free) == "A+4"
    blocked = board("oooooo", "ooBooo", "AABooo", "oooooo", "oooooo", "oooooo")
    assert gold("rush_hour", blocked) in {"B-1 A+4", "B+2 A+4"}
    walled = board("ooxooo", "ooBooo", "AABooo", "ooxooo", "oooooo", "oooooo")
    assert gold("rush_hour", walled) == ""
