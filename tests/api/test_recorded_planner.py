"""`ponder solve --strategy auto` says what the planner chose, why, and what looking cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ponder.api.thinking import recorded_planner
from ponder.api.thinking.asked import Asked, refuse_impossible
from ponder.api.thinking.recorder import SearchRecorder
from ponder.api.thinking.search import search
from ponder.reports.tree import page, terminal
from ponder.reports.tree.data import SearchTree, validated
from ponder.reports.tree.plan import Chosen, sentences
from ponder.search.registry import make
from ponder.search.session.budget import Budget
from ponder.types import PonderError, Question
from tests.search.toys import Digits, Scores

ASKED = Asked("Which digits?", strategy="auto", budget=900.0, max_tokens=64, seed=3, verifier="judge")


def plan(folder: Path, choices: Sequence[str], cuts: Sequence[Any] = ()) -> Path:
    """A plan for answers of 64 tokens with one row, whose choice among `choices` the cuts make."""
    row = {"budget": 500, "fixed": choices[0], "cuts": list(cuts), "choices": list(choices) if cuts else []}
    data = {"schema": 1, "max_tokens": 64, "probes": 4, "table": [row], "halves": [[], []], "half_of": {}, "made": {}}
    folder.mkdir(exist_ok=True)
    file = folder / "plan.json"
    file.write_text(json.dumps(data))
    return file


def chosen(file: Path, judged: bool = True, budget: float = 900.0) -> tuple[Chosen, SearchTree]:
    """What the planner chose, out of the file that it was written to."""
    solved = search(replace(ASKED, plan=file, budget=budget), Digits(), Scores() if judged else None)
    tree = validated(json.dumps(solved.tree.as_data()), "the tree")
    assert tree.plan is not None
    return tree.plan, tree


def test_a_plan_with_one_strategy_for_all_looks_at_nothing(tmp_path: Path) -> None:
    found, _ = chosen(plan(tmp_path, ["best_of_n"]))
    assert (found.why, found.choice, found.strategy, found.looked, found.spent) == (
        "one for all", "best_of_n", "best_of_n", 0, 0.0,
    )  # fmt: skip
    assert found.row == 500 and found.settings["max_tokens"] == 64
    assert "nothing was spent on probing" in " ".join(sentences(found))


def test_a_plan_with_kinds_says_which_kind_and_what_looking_cost(tmp_path: Path) -> None:
    found, tree = chosen(plan(tmp_path, ["vote", "beam?width=2"], [["agreement", [0.0]]]))
    assert (found.why, found.bin, found.bins, found.strategy) == ("bin", 1, 2, "beam")
    (feature,) = found.features
    assert (feature.name, feature.low, feature.high) == ("agreement", 0.0, None) and 0 < feature.value <= 1
    assert found.settings["width"] == 2
    # Looking is four answers from the root and nothing else.
    roots = [node for node in tree.nodes if node.parent == ""][:4]
    ids = {node.id for node in roots}
    assert found.looked == 4
    assert found.spent == sum(node.tokens for node in tree.nodes if node.id.partition(".")[0] in ids)
    assert found.spent < tree.usage.spent


def test_watching_the_planner_changes_nothing_of_what_it_does(tmp_path: Path) -> None:
    file = plan(tmp_path, ["vote", "best_of_n"], [["agreement", [0.0]]])
    solved = search(replace(ASKED, plan=file), Digits(), Scores())
    bare = make("auto", max_tokens=64, plan=str(file))
    alone = asyncio.run(bare(Question("asked", "", ASKED.text), Digits(), Scores(), Budget(900.0), seed=3))
    assert (alone.answer, alone.usage) == (solved.result.answer, solved.result.usage)


def test_the_choice_to_stop_and_the_choice_that_lacks_a_verifier_are_told(tmp_path: Path) -> None:
    stopped, _ = chosen(plan(tmp_path / "a", ["vote", "stop"], [["agreement", [0.0]]]))
    assert stopped.strategy is None and "the samples already drawn were the answer" in sentences(stopped)[0]
    instead, _ = chosen(plan(tmp_path / "b", ["mcts"]), judged=False)
    assert instead.strategy == "vote" and "needs a verifier; vote took its place" in sentences(instead)[0]
    blind, _ = chosen(plan(tmp_path / "c", ["vote", "mcts"], [["score", [0.5]]]), judged=False)
    assert (blind.why, blind.looked, blind.strategy) == ("no verifier", 0, "vote")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_terminal_and_page_both_say_it(tmp_path: Path, width: int) -> None:
    found, tree = chosen(plan(tmp_path, ["vote", "best_of_n"], [["agreement", [0.0]]]))
    console = Console(width=width)
    with console.capture() as captured:
        console.print(terminal.outcome(tree, width), highlight=False)
    said = " ".join(captured.get().split())
    shown = page.render(tree)
    for sentence in sentences(found):
        assert sentence in said and sentence.replace("'", "&#39;") in shown
    assert "The planner chose best of n" in shown and terminal.line(tree).startswith("auto: best of n")


def test_other_strategies_have_no_plan_and_files_from_before_are_read() -> None:
    tree = search(replace(ASKED, strategy="vote"), Digits(), None).tree
    assert tree.plan is None and "planner" not in page.render(tree)
    before = {key: value for key, value in tree.as_data().items() if key != "plan"}
    assert validated(json.dumps(before), "the tree").plan is None


def test_before_the_planner_began_there_is_no_choice() -> None:
    strategy = recorded_planner.recorded(make("auto", max_tokens=64))
    assert SearchRecorder(ASKED, Digits(), Budget(900.0), lambda: True, strategy).tree().plan is None


def test_a_plan_that_cannot_be_read_or_is_for_nobody_is_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match="cannot be read"):
        refuse_impossible(replace(ASKED, plan=tmp_path / "none.json"))
    with pytest.raises(PonderError, match="--plan is for --strategy auto"):
        refuse_impossible(replace(ASKED, plan=tmp_path, strategy="vote"))
