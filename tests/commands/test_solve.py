"""`ponder solve`: what is shown, what is written, and how it ends when it is stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ponder import cli
from ponder.api.thinking import think as thinking
from ponder.api.thinking.asked import Asked
from ponder.api.thinking.search import Thought, search
from ponder.reports.tree import page
from ponder.reports.tree.data import SearchTree, read, validated
from ponder.search.registry import STRATEGIES, needs_judge
from ponder.types import PonderError, Question, Step, Trajectory, Verdict
from tests.search.toys import Digits, Scores, truth

ASKED = Asked("Which digits?", strategy="mcts", budget=900.0, max_tokens=64, seed=3, verifier="judge")


class Stepwise(Scores):
    """A judge that scores every step, and the whole by its last."""

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        verdicts = await super().__call__(question, trajectories)
        steps = [tuple(truth(Trajectory(question, step)) for step in t.steps) for t in trajectories]
        return [replace(v, step_scores=s) for v, s in zip(verdicts, steps, strict=True)]


class Seen:
    """A view that remembers what it was shown."""

    def __init__(self) -> None:
        self.trees: list[SearchTree] = []

    def show(self, tree: SearchTree) -> None:
        self.trees.append(tree)

    def __enter__(self) -> Seen:
        return self

    def __exit__(self, *how: Any) -> None:
        pass


class Slow(Digits):
    """Draws with a pause, so that a watcher comes to look; at the call `sigint` somebody presses Ctrl-C."""

    def __init__(self, sigint: int | None = None, pause: float = 0.0) -> None:
        super().__init__()
        self.sigint, self.pause = sigint, pause

    async def draw(self, *args: Any, **more: Any) -> list[Step]:
        if self.sigint is not None and len(self.calls) >= self.sigint:
            self.sigint = 1_000_000
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(30)
        await asyncio.sleep(self.pause)
        return await super().draw(*args, **more)


def consistent(solved: Thought, budget: float) -> SearchTree:
    """The tree, after the checks that a reader of its file makes."""
    tree = validated(json.dumps(solved.tree.as_data()), "the tree")
    usage = solved.result.usage
    assert tree.usage.spent == pytest.approx(usage.kept + usage.discarded + usage.verifier) and usage.spent <= budget
    assert tree.answer == solved.result.answer
    kept = solved.result.trajectory
    assert "".join(node.text for node in tree.chosen) == ("" if kept is None else kept.text)
    return tree


def ponder(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `ponder ARGUMENTS` in this process."""
    monkeypatch.setattr(sys, "argv", ["ponder", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_the_tree_of_every_strategy_adds_up_and_is_read_again(name: str) -> None:
    tree = consistent(search(replace(ASKED, strategy=name), Digits(), Stepwise()), 900)
    assert tree.chosen[-1].end and tree.answer == tree.chosen[-1].answer
    assert {node.state for node in tree.nodes} <= {"chosen", "discarded"}
    if needs_judge(name):
        assert any(node.score is not None for node in tree.nodes)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_what_was_left_of_the_budget_is_said_with_the_reason(name: str) -> None:
    solved = search(replace(ASKED, strategy=name, budget=2000.0), Digits(), Stepwise())
    left = 2000 - solved.result.usage.spent
    assert (solved.unspent is not None) == (left >= 200)
    assert solved.unspent is None or solved.unspent.startswith(f"{left:,.0f} of 2,000 token-equivalents were left: ")
    assert not solved.unspent or "n_max" not in solved.unspent
    # The others go on until not one more answer fits.
    assert left < 200 or name in ("sample", "forcing", "chain", "rest_mcts")


def test_a_budget_for_more_answers_than_are_drawn_says_so_and_a_deadline_needs_no_reason() -> None:
    solved = search(replace(ASKED, strategy="vote", budget=20_000.0), Digits(), None)
    assert solved.unspent is not None and solved.unspent.endswith(
        "at most 256 answers are drawn for one question (n_max)"
    )
    late = search(replace(ASKED, strategy="vote", budget=20_000.0, seconds=0.05), Slow(pause=30.0), None)
    assert late.unspent is None


def test_steps_that_only_the_verifier_scored_have_its_step_scores() -> None:
    tree = consistent(search(replace(ASKED, strategy="best_of_n"), Digits(), Stepwise()), 900)
    last = tree.chosen[-1]
    assert all(node.score is None and node.step_score is not None for node in tree.chosen[:-1])
    assert last.score is not None and len({n.answer for n in tree.nodes if n.end}) > 1


def test_the_search_is_seen_as_it_grows_and_watching_changes_nothing() -> None:
    seen = Seen()
    alone = search(ASKED, Digits(), Stepwise())
    watched = search(ASKED, Slow(pause=0.01), Stepwise(), seen)
    assert watched.tree.nodes == alone.tree.nodes and watched.result.answer == alone.result.answer
    sizes = [len(tree.nodes) for tree in seen.trees]
    assert sizes == sorted(sizes) and sizes[0] == 0 and 0 < sizes[-1] <= len(alone.tree.nodes)
    assert any(node.state == "kept" for node in seen.trees[-1].nodes)
    assert all(tree.usage.spent <= 900 for tree in seen.trees)


@pytest.mark.parametrize("strategy", ["vote", "beam", "mcts", "auto"])
def test_ctrl_c_returns_the_best_so_far_with_its_bill(strategy: str) -> None:
    asked = replace(ASKED, strategy=strategy, budget=4000.0)
    solved = search(asked, Slow(sigint=4 if strategy == "mcts" else 1), Stepwise())
    tree = consistent(solved, 4000)
    assert solved.interrupted and tree.usage.unsettled > 0
    assert tree.degraded is not None and "stopped by Ctrl-C" in tree.degraded
    assert {node.state for node in tree.nodes} <= {"chosen", "discarded"}
    if strategy == "mcts":
        assert tree.answer is not None and tree.chosen


def test_ctrl_c_before_anything_was_drawn_is_no_answer_and_no_crash() -> None:
    solved = search(ASKED, Slow(sigint=0), Stepwise())
    tree = consistent(solved, 900)
    assert solved.interrupted and tree.answer is None and tree.nodes == () and tree.degraded == "stopped by Ctrl-C"
    assert "No answer was finished." in page.render(tree)


def test_a_deadline_returns_the_best_so_far_and_is_no_interrupt() -> None:
    class Stuck(Slow):
        async def draw(self, *args: Any, **more: Any) -> list[Step]:
            if len(self.calls) >= 4:
                await asyncio.sleep(30)
            return await super().draw(*args, **more)

    solved = search(replace(ASKED, seconds=0.3), Stuck(), Stepwise())
    tree = consistent(solved, 900)
    assert not solved.interrupted and tree.answer is not None and tree.seconds == 0.3
    assert tree.degraded is not None and "stopped after 0.3 s with the best answer so far" in tree.degraded


def test_the_command_stopped_by_ctrl_c_writes_its_tree_and_exits_with_130(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Source:
        propose = Slow(sigint=4)

        def told(self) -> dict[str, Any]:
            return {"exact": True}

        def with_tools(self, tools: object) -> Source:
            return self

        def readable(self) -> None:
            return None

    monkeypatch.setattr(thinking, "source_of", lambda *_, **__: Source())
    monkeypatch.setattr(thinking, "verifier_of", lambda *_: Stepwise())
    arguments = ["solve", "Which digits?", "--strategy", "mcts", "--verifier", "judge", "--budget", "4000"]
    out = tmp_path / "deep" / "out"
    assert ponder(monkeypatch, *arguments, "--max-tokens", "64", "--out", str(out)) == 130
    written = read(out / "tree.json")
    assert (out / "tree.html").read_text(encoding="utf-8") == page.render(written)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Answer: {written.answer}" in shown and "Stopped by Ctrl-C" in shown and str(out / "tree.html") in shown


def test_solve_on_the_embedded_model_prints_its_tree_as_json_and_writes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["solve", "Make 18 from 3, 6, 1.", "--effort", "300", "--out", str(tmp_path), "--json"]
    assert ponder(monkeypatch, *arguments) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    tree = read(tmp_path / "tree.json")
    assert captured.err == "" and told["nodes"] == tree.as_data()["nodes"] and tree.budget == 300
    assert told["files"] == {"json": str(tmp_path / "tree.json"), "page": str(tmp_path / "tree.html")}
    assert "".join(told["steps"]).endswith(tree.chosen[-1].text) and tree.settings["temperature"] == 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--budget", "500", "--effort", "low"], "two ways to say the same"),
        (["--effort", "huge"], "give low, medium, high, or a positive number"),
        (["--seconds", "0"], "--seconds 0: give a number above 0"),
        (["--seconds", "nan"], "--seconds nan: give a number above 0"),
        (["--strategy", "beam"], "strategy beam needs --verifier FOLDER"),
        (["--strategy", "mcst"], "Did you mean 'mcts'"),
        (["--out", "taken"], "--out taken is a file"),
    ],
)
def test_what_cannot_work_is_one_sentence_before_a_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("")
    monkeypatch.setattr(thinking, "source_of", lambda *_, **__: pytest.fail("a model was loaded"))
    assert ponder(monkeypatch, "solve", "1+1", *options) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_efforts_are_multiples_of_the_longest_answer() -> None:
    asked = Asked("1+1", max_tokens=400)
    assert [replace(asked, effort=e).limit for e in ("low", "medium", "high", "77")] == [400, 1600, 6400, 77]
    assert asked.limit == 1024 and replace(asked, budget=5.0).limit == 5
    with pytest.raises(PonderError, match="two ways"):
        _ = replace(asked, budget=5.0, effort="low").limit


def test_help_lists_every_strategy_of_the_registry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert ponder(monkeypatch, "solve", "--help") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in STRATEGIES)
