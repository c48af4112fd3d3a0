"""The recipe of small and large models: what a question costs, and whom a row is held against."""

from __future__ import annotations

import pytest

from ponder.api.policies import load_policy
from ponder.api.problems import draw_problems, load_families
from ponder.models.size import forward_flops
from recipes.sizes import measure as sizes


def test_a_vote_reads_the_question_once_and_pays_for_every_chain() -> None:
    found = sizes.tested(load_policy("tiny"), seed=0, count=1)
    assert all(len(outcomes) == 3 for outcomes in found["right"].values())  # a problem of each family
    one, two, four, sixteen = (found["work"][k] for k in ("1", "2", "4", "16"))
    chain = two - one
    assert four - two == pytest.approx(2 * chain) and sixteen - one == pytest.approx(15 * chain)
    assert 0 < found["work"][sizes.ONCE] < one  # nothing is thought, so nothing is paid for it


def test_the_work_of_a_chain_is_that_of_a_forward_pass_behind_its_question() -> None:
    policy = load_policy("tiny")
    problem = draw_problems(load_families("arithmetic"), "test", 1, 0)[0]
    prompt = len(policy.propose.prompts.tokens(problem.question))
    whole = forward_flops(policy.model.config, prompt + 7) - forward_flops(policy.model.config, prompt)
    assert sizes._work(policy, problem, 7) == pytest.approx(whole)


def test_a_row_is_held_against_the_large_base_problem_by_problem() -> None:
    def cell(arm: str, once: list[float], chain: list[float]) -> dict[str, object]:
        right = {sizes.ONCE: once, **{str(k): chain for k in sizes.VOTES}}
        return {"arm": arm, "seed": 0, "parameters": 10, "work": dict.fromkeys(right, 2e6), "right": right}

    table = sizes.said([cell("large", [0.0, 0.0], [1.0, 0.0]), cell("small", [0.0, 1.0], [1.0, 1.0])])
    row = next(line for line in table.splitlines() if line.startswith("| small | 10 | 16 "))
    assert "+100.0" in row and "+50.0" in row  # less the large one's answer at once, less its one chain
