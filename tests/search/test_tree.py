"""Tree searches: the formulas by hand, the invariants of a tree, solved toys, and stored trees."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ponder.search.progress import Progress
from ponder.search.session.budget import Budget
from ponder.search.session.session import SearchSession
from ponder.search.strategies.mcts import MCTS
from ponder.search.strategies.rest_mcts import RestMCTS
from ponder.search.tree import Tree, TreeNode, choose_child, priors, puct, uct
from ponder.search.tree_search import TreeSearch
from ponder.types import SearchResult, Step, StopReason, Trajectory
from tests.search.toys import QUESTION, TARGET, Digits, Scores, run, truth

GOLDEN = Path(__file__).parent.parent / "golden"
LIMITS: Any = {"max_tokens": 40, "answer_reserve": 6, "step_tokens": 8}
KINDS: list[type[TreeSearch]] = [MCTS, RestMCTS]
WARM = Scores(lambda t: 0.25 + 0.5 * truth(t))  # the right way is better, but never sure enough to stop


def search(strategy: Any, budget: float = 3000, seed: int = 0, propose: Any = None, judge: Any = None) -> SearchResult:
    result: SearchResult = run(strategy(QUESTION, propose or Digits(), judge or Scores(), Budget(budget), seed=seed))
    return result


def searched(strategy: TreeSearch, budget: float = 3000, seed: int = 0, judge: Any = None) -> TreeNode:
    """The root of the tree that a search leaves behind."""
    trees: list[Tree] = []

    class Seen(type(strategy)):  # type: ignore[misc]  # the class of the strategy that is asked for
        async def _completed(self, session: SearchSession, tree: Tree) -> Any:
            trees.append(tree)
            return await super()._completed(session, tree)

    search(Seen(**vars(strategy)), budget, seed, judge=judge)
    return trees[0].root


def test_puct_is_alphazeros_formula() -> None:
    # sqrt(16) / (1 + 3) = 1, times 0.25, times log(19669 / 19652) + 1.25.
    expected = 0.5 + 0.25 * (math.log(19669 / 19652) + 1.25)
    assert puct(0.5, 0.25, 16, 3, init=1.25, base=19652) == pytest.approx(expected)


def test_uct_is_that_of_rest_mcts_and_asks_for_the_unvisited_first() -> None:
    assert uct(0.5, 8, 2, c=0.7) == pytest.approx(0.5 + 0.7 * math.sqrt(math.log(8)))
    assert uct(0.0, 8, 0, c=0.7) == math.inf


def grown(*prior: float) -> TreeNode:
    """A visited root with a child a prior."""
    root = TreeNode(None, visits=1)
    root.children = [TreeNode(None, root, p) for p in prior]
    return root


def play(root: TreeNode, pulls: int, reward: Callable[[int], float], init: float, base: float = 19652.0) -> list[int]:
    """Visits of the root's children after `pulls` selections by PUCT."""
    for _ in range(pulls):
        child = choose_child(root, lambda c: puct(c.mean, c.prior, root.visits, c.visits, init=init, base=base))
        value = reward(root.children.index(child))
        for node in (child, root):
            node.visits, node.total = node.visits + 1, node.total + value
    return [child.visits for child in root.children]


def test_without_exploration_the_search_is_greedy() -> None:
    root = grown(0.5, 0.5)
    root.children[1].visits, root.children[1].total = 1, 0.9
    root.children[0].visits, root.children[0].total = 1, 0.1
    assert play(root, 20, lambda arm: (0.1, 0.9)[arm], init=0.0, base=1e12) == [1, 21]


def test_with_boundless_exploration_equal_priors_are_visited_in_turn() -> None:
    assert play(grown(0.25, 0.25, 0.25, 0.25), 40, lambda arm: arm / 3, init=1e6) == [10, 10, 10, 10]


def test_visits_follow_the_priors_when_all_values_are_equal() -> None:
    visits = play(grown(0.5, 0.3, 0.2), 1000, lambda arm: 0.5, init=1.25)
    assert visits == [pytest.approx(p * 1000, abs=4) for p in (0.5, 0.3, 0.2)]


def test_visits_concentrate_on_the_better_arm_of_a_bandit() -> None:
    rng = random.Random(0)
    visits = play(grown(0.5, 0.5), 400, lambda arm: float(rng.random() < (0.3, 0.7)[arm]), init=1.25)
    assert visits[1] > 0.85 * 400


def test_a_child_without_a_visit_has_its_parents_mean_and_ties_go_to_prior_then_order() -> None:
    root = grown(0.2, 0.4, 0.4)
    root.visits, root.total = 2, 1.4
    assert root.children[0].mean == 0.7
    assert choose_child(root, lambda c: c.mean) is root.children[1]
    assert TreeNode(None).mean == 0.5


def leaf(*logprobs: float) -> Trajectory:
    return Trajectory(QUESTION, Step((1,) * len(logprobs), logprobs, "x", 0, StopReason.STEP))


def test_priors_are_the_chances_of_whole_steps_among_their_siblings() -> None:
    some = [leaf(math.log(0.5), math.log(0.4)), leaf(math.log(0.6)), leaf(math.log(0.2))]
    assert priors(some) == pytest.approx([0.2, 0.6, 0.2])
    assert priors([leaf(math.nan), leaf(-1.0)]) == [0.5, 0.5]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_visits_and_values_of_a_tree_keep_their_invariants(kind: type[TreeSearch], seed: int) -> None:
    root = searched(kind(**LIMITS), seed=seed, judge=WARM)
    nodes = list(root.walk())
    assert len(nodes) > 20
    for node in nodes:
        if node.visits:
            assert node.visits == 1 + sum(child.visits for child in node.children)
        else:
            assert not any(child.visits for child in node.children)
        assert 0 <= node.mean <= 1
        if node.children and all(child.closed for child in node.children) and node.grown:
            assert node.closed
    assert any(node.visits > 2 for node in root.children)


def test_a_back_up_of_rest_mcts_is_the_mean_of_the_children_weighted_by_visits() -> None:
    root = searched(RestMCTS(**LIMITS), judge=WARM)
    counted = [child for child in root.children if child.visits]
    weights = sum(child.visits for child in counted)
    assert root.value == pytest.approx(sum(c.visits * (c.value or 0) for c in counted) / weights)


def test_siblings_with_the_same_text_are_one_child() -> None:
    for node in searched(MCTS(**LIMITS), judge=WARM).walk():
        said = [child.branch.leaf.text for child in node.children if child.branch]
        assert len(set(said)) == len(said)


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_perfect_value_the_solution_that_exists_is_found(kind: type[TreeSearch]) -> None:
    # One draw in 25 is right, and no vote can see it. A judge that knows the way finds it with six draws at each step.
    source = Digits(base=5, depth=2)
    right = sum(search(kind(**LIMITS, expand=6), 900, s, source).answer == TARGET[:2] for s in range(10))
    sampled = sum(search(kind(**LIMITS), 900, s, source, Scores(lambda _: 0.5)).answer == TARGET[:2] for s in range(10))
    assert right >= 8
    assert sampled <= 3


def test_a_wide_tree_finds_the_one_right_path_in_625() -> None:
    right = sum(search(MCTS(**LIMITS, expand=8), 4000, s).answer == TARGET for s in range(6))
    assert right >= 5


class Fork(Digits):
    """A solved tree: one first step in five, "3", leads to the answer 3; all that follows is one way."""

    def _next(self, node: Any, rng: Any) -> str:
        said = "" if node is None else Trajectory(QUESTION, node).text
        if "</think>" in said:
            return "3" if said.startswith("3") else "0"
        return f"{rng.randrange(5)}\n" if not said else "9\n" if said.count("\n") < 3 else f"</think>{said[0]}"


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_tree_with_one_right_move_the_visits_go_to_it(kind: type[TreeSearch]) -> None:
    judge = Scores(lambda t: 0.8 if t.text.startswith("3") else 0.2)
    for seed in range(5):
        strategy = kind(**LIMITS, expand=12, choose="visits")
        assert search(strategy, 4000, seed, propose=Fork(), judge=judge).answer == "3"


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_verifier_makes_a_tree_search_no_better_than_sampling(kind: type[TreeSearch]) -> None:
    flat, source = Scores(lambda _: 0.5), Digits(base=2, depth=2)
    right = sum(search(kind(**LIMITS, n_max=3), 800, s, source, flat).answer == "11" for s in range(100))
    # One in four by symmetry of the four answers: 25 of 100, standard deviation 4.3.
    assert 8 <= right <= 42


@pytest.mark.parametrize("rollouts", [0.0, 0.5, 1.0])
def test_values_may_come_from_the_verifier_from_roll_outs_or_from_both(rollouts: float) -> None:
    judge, propose = Scores(), Digits()
    result = search(MCTS(**LIMITS, rollouts=rollouts), 2000, propose=propose, judge=judge)
    rolled = sum(until == "end" for until, *_ in propose.calls) - 1
    assert (rolled > 8) == (rollouts > 0)
    assert result.usage.spent <= 2000
    assert max(judge.asked) <= 8


def test_roll_outs_alone_judge_no_unfinished_prefix() -> None:
    seen: list[Trajectory] = []

    def watch(t: Trajectory) -> float:
        seen.append(t)
        return truth(t)

    search(MCTS(**LIMITS, rollouts=1.0), 2000, judge=Scores(watch))
    assert len(seen) > 5
    assert all(t.stop is StopReason.END for t in seen)


def test_rest_mcts_stops_at_an_answer_that_is_good_enough_and_spends_less() -> None:
    source = Digits(base=2, depth=2)
    good = Scores(lambda t: 0.95 if t.text.endswith("</think>11") else 0.5)
    early, late = (
        search(RestMCTS(**LIMITS, expand=6, stop_at=s), 3000, propose=source, judge=good) for s in (0.9, 2.0)
    )
    assert early.answer == "11"
    assert early.usage.spent < 0.5 * late.usage.spent


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_that_can_say_one_thing_ends_the_search_before_the_budget(kind: type[TreeSearch]) -> None:
    result = search(kind(**LIMITS, n_max=3), 5000, propose=Digits(base=1), judge=Scores(lambda _: 0.5))
    assert result.answer == "0000"
    assert len(result.trajectories) <= 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_tree_of_a_fixed_seed_is_the_stored_one(kind: type[TreeSearch]) -> None:
    progress = Progress()
    judge = Scores(lambda t: 0.1 + 0.6 * truth(t) + 0.02 * len(t.steps))
    strategy = kind(**LIMITS, expand=3, n_max=6)
    run(strategy(QUESTION, Digits(), judge, Budget(900), seed=7, progress=progress))
    data = progress.as_data()
    tree = {
        "answer": data["answer"],
        "nodes": [
            [n["id"], n["text"].strip(), n["score"] and round(n["score"], 6), n["visits"], n["discarded"]]
            for n in data["nodes"]
        ],
    }
    stored = json.loads((GOLDEN / f"{kind.__name__.lower()}.json").read_text())
    assert tree == stored, "a change of the search must be a decision: store the new tree"
