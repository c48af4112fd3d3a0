"""A search in a terminal: what fits is the most promising part, and what does not is counted."""

from __future__ import annotations

import asyncio
import io
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ponder.reports.tree import live as tree_live
from ponder.reports.tree import rows as tree_rows
from ponder.reports.tree import terminal as tree_terminal
from ponder.reports.tree.data import Bill, Node, SearchTree
from ponder.reports.tree.shape import promising, shape
from tests.reports.tree_toys import NODES, tree


def shown(nodes: tuple[Node, ...], rows: int, width: int = 60, ranked: bool = False) -> list[str]:
    return [line.plain.rstrip() for line in tree_rows.tree_lines(nodes, rows, width, ranked=ranked)]


def printed(made: SearchTree, width: int = 80) -> str:
    written = io.StringIO()
    Console(file=written, width=width).print(tree_terminal.outcome(made, width))
    return written.getvalue()


def test_a_fork_indents_and_a_run_of_single_steps_does_not() -> None:
    assert shown(NODES, 20) == [
        " 0.90     3  ├ ✓ 6*3=18",
        " 0.95     2  │ ├ ✓ 18*1=18",
        " 0.97        │ │ ✓ answer (6*3)*1",
        " 0.10     1  │ └ ✗ 18-1=17",
        " 0.20     1  └ ✗ 6+3=9",
        "               ⋮ 5 more steps",
        "    –          ✗ answer 9",
    ]


def test_what_does_not_fit_is_the_least_promising_and_is_counted() -> None:
    assert shown(NODES, 4, width=70) == [
        " 0.90     3  ├ ✓ 6*3=18",
        " 0.95     2  │ ✓ 18*1=18",
        " 0.97        │ ✓ answer (6*3)*1  (… 1 more)",
        " 0.20     1  └ ✗ 6+3=9  (… 6 more)",
    ]
    assert shown(NODES, 2, width=70) == [
        " 0.90     3  ├ ✓ 6*3=18  (… 3 more)",
        "             └ … 1 more branch, 6 steps below, best score 0.20",
    ]
    assert promising(NODES, 3) == {"0", "0.0", "0.0.0"}


def test_ranked_puts_the_best_branch_first_and_else_the_order_of_drawing_stays() -> None:
    nodes = (NODES[4].model_copy(update={"id": "2"}), *NODES[:1])
    assert [fork.steps[0].id for fork in shape(nodes).forks] == ["2", "0"]
    assert [fork.steps[0].id for fork in shape(nodes, ranked=True).forks] == ["0", "2"]


def test_promising_is_first_by_fate_then_by_visits_then_by_the_best_score_below() -> None:
    visited = Node(id="0", parent="", text="a", tokens=1, score=0.1, visits=5)
    rich = Node(id="1", parent="", text="b", tokens=1, score=0.2, visits=1)
    below = Node(id="1.0", parent="1", text="c", tokens=1, score=0.9)
    scored = Node(id="2", parent="", text="d", tokens=1, score=0.5, visits=1)
    dropped = Node(id="3", parent="", text="e", tokens=1, score=1.0, visits=9, state="discarded")
    nodes = (dropped, scored, visited, rich, below)
    assert [fork.steps[0].id for fork in shape(nodes, ranked=True).forks] == ["0", "1", "2", "3"]
    assert [promising(nodes, n) for n in (1, 2)] == [{"0"}, {"0", "1"}]


PLACES = st.lists(st.tuples(st.integers(0, 40), st.floats(0, 1) | st.none()), max_size=40)


@settings(max_examples=60, deadline=None)
@given(PLACES, st.integers(1, 30), st.integers(5, 90))
def test_any_tree_fits_any_window_and_every_step_is_shown_or_counted(
    places: list[tuple[int, float | None]], rows: int, width: int
) -> None:
    nodes: list[Node] = []
    for at, score in places:
        parent = nodes[at % len(nodes)].id if nodes and at % 4 else ""
        nodes.append(Node(id=f"n{len(nodes)}", parent=parent, text="漢字 step\n", tokens=1, score=score))
    lines = tree_rows.tree_lines(nodes, rows, width)
    assert len(lines) <= rows and all(line.cell_len <= width for line in lines)
    branches = [branch for _, branch in shape(nodes, rows).walk()]
    assert sum(len(b.steps) + b.hidden_steps for b in branches) == len(nodes)


def test_the_outcome_has_the_answer_the_scores_of_its_steps_and_a_bill_that_adds_up() -> None:
    text = printed(tree(degraded="stopped after 3 s with the best answer so far"))
    assert "Answer: (6*3)*1" in text and "Stopped after 3 s with the best answer so far." in text
    assert re.search(r"1 0.90 6\*3=18\s+2 0.95 18\*1=18\s+answer 0.97 \(6\*3\)\*1", text)
    assert "18 kept + 24 discarded + 10.5 verifier = 52.5 of 100 token-equivalents" in text
    assert "2 candidates" in text and "✗ 6+3=9" in text


def test_without_scores_and_visits_their_columns_are_left_out() -> None:
    bare = tuple(node.model_copy(update={"score": None, "step_score": None, "visits": 0}) for node in NODES)
    assert shown(bare, 2) == ["├ ✓ 6*3=18  (… 3 more)", "└ … 1 more branch, 6 steps below"]
    text = printed(tree(bare))
    assert "score" not in text and "–" not in text and re.search(r"1 6\*3=18\s+2 18\*1=18\s+answer \(6", text)


def test_a_search_that_finished_nothing_says_so() -> None:
    nothing = Bill(kept=0, discarded=0, verifier=0, spent=0, calls=0, seconds=0)
    text = printed(tree((), answer=None, usage=nothing, verifier=None))
    assert "Answer: none: nothing that ends was finished" in text and "✓" not in text


def test_text_of_a_model_is_no_markup_and_moves_no_cursor() -> None:
    evil = "[bold red]no[/bold red] \x1b[2J\x07[link=x]"
    nodes = tuple(node.model_copy(update={"text": evil, "answer": node.answer and evil}) for node in NODES)
    text = printed(tree(nodes, answer=evil, degraded=evil), width=200)
    assert "[bold red]no[/bold red]" in text and "\x1b" not in text and "\x07" not in text
    console = Console(file=io.StringIO(), width=200)
    with tree_live.PlainView(console) as view:
        view.show(tree(nodes, answer=evil))
    assert "[bold red]no" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_meter_has_its_parts_in_proportion() -> None:
    bar = tree_terminal.meter(tree(), 50).plain
    assert (bar.count("█"), bar.count("▒"), bar.count("▓"), bar.count("·")) == (9, 12, 5, 24)
    assert len(tree_terminal.meter(tree(), 20)) == 20


def test_a_frame_fits_its_window_and_shows_what_is_left() -> None:
    console = Console(file=io.StringIO(), width=50, height=11)
    lines = console.render_lines(tree_terminal.frame(tree(seconds=30.0), 50, 11))
    words = "\n".join("".join(part.text for part in line) for line in lines)
    assert len(lines) <= 11 and "left 47.5" in words and "▒ 24 discarded" in words and "best so far  (6*3)*1" in words


def test_without_a_terminal_there_is_a_line_for_each_tenth_and_each_new_best() -> None:
    def spent(generated: float, answer: str | None) -> SearchTree:
        usage = Bill(kept=0, discarded=generated, verifier=0, spent=generated, calls=1, seconds=1)
        return tree((), usage=usage, answer=answer)

    console = Console(file=io.StringIO(), width=40)
    view = tree_live.view(console)
    assert isinstance(view, tree_live.PlainView) and tree_live.view(console, quiet=True) is None
    for at in (spent(0, None), spent(12, None), spent(19, None), spent(19, "7"), spent(55, "7")):
        view.show(at)
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "mcts: spent 12 of 100, 0 steps drawn; no answer yet",
        "mcts: spent 19 of 100, 0 steps drawn; best so far 7",
        "mcts: spent 55 of 100, 0 steps drawn; best so far 7",
    ]


def test_on_a_terminal_the_frames_are_drawn_in_place_and_wiped() -> None:
    console = Console(file=io.StringIO(), width=60, height=20, force_terminal=True, force_interactive=True)
    made = tree_live.view(console)
    assert isinstance(made, tree_live.LiveView)

    async def watch() -> None:
        with made:
            task = asyncio.create_task(tree_live.follow(tree, made, every=0.001))
            await asyncio.sleep(0.03)
            task.cancel()

    asyncio.run(watch())
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert written.count("best so far") >= 2 and written.rstrip().endswith("\x1b[2K")
