"""A search as a page: it is a function of its file, it obeys nothing that a model wrote, and it needs no network."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.reports.tree import page
from ponder.reports.tree.data import Node, read, validated
from ponder.types import PonderError
from tests.reports.tree_toys import NODES, tree

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}</details></think>\x00\u202e"


def visible(source: str) -> str:
    """The words of a page, on one line."""
    source = re.sub(r"<style>.*?</style>", " ", source, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", source)).split())


def test_what_is_written_is_read_again_and_gives_the_same_page(tmp_path: Path) -> None:
    data, drawn = page.write(tree(), tmp_path)
    again = read(data)
    assert again == tree()
    assert page.render(again) == drawn.read_text(encoding="utf-8") == page.render(tree())
    assert {file.name for file in tmp_path.iterdir()} == {"tree.json", "tree.html"}


def test_the_page_says_answer_path_rivals_bill_and_tree() -> None:
    words = visible(page.render(tree()))
    assert "Answer: (6*3)*1" in words
    assert "18 kept + 24 discarded + 10.5 verifier = 52.5 of 100 token-equivalents spent, 47.5 left" in words
    assert "1 0.90 6*3=18 2 0.95 18*1=18 answer 0.97 (6*3)*1" in words
    assert "(6*3)*1 1 0.97 ✓ chosen 9 1 –" in words
    assert "11 steps were drawn, 8 of them discarded; 2 answers were finished." in words
    assert "✓ chosen · 3 visits · 5 tokens" in words and "6+3=9 discarded · 1 visit · 5 tokens 6 more steps" in words


def test_forks_below_the_eighth_keep_an_indent_and_say_which_they_are() -> None:
    nodes, at = [], ""
    for depth in range(60):  # at each step one branch goes on and one ends
        for which in ("on", "end"):
            name = f"{depth}{which}"
            nodes.append(Node(id=name, parent=at, text=f"step {name}\n", tokens=1, state="discarded"))
        at = f"{depth}on"
    usage = {"kept": 0, "discarded": len(nodes), "verifier": 0, "spent": len(nodes), "calls": 1, "seconds": 1.0}
    source = page.render(tree(tuple(nodes), usage=usage, budget=1000.0, answer=None))
    kinds = re.findall(r'class="leaf ?(in|deep|flat)"', source)
    assert kinds.count("deep") == page.HAIRS - page.INDENTS and kinds.count("flat") == 61 - page.HAIRS  # two at the end
    assert "fork 9" in source and "fork 60" in source and "fork 8<" not in source


def test_one_of_a_thing_is_not_said_in_the_plural() -> None:
    one = (Node(id="0", parent="", text="</think>7", tokens=2, state="chosen", end=True, answer="7"),)
    usage = {"kept": 2, "discarded": 0, "verifier": 0, "spent": 2, "calls": 1, "seconds": 1.0}
    words = visible(page.render(tree(one, usage=usage, answer="7")))
    assert "1 step was drawn, 0 of them discarded; 1 answer was finished." in words


def test_colours_have_numbers_beside_them_and_the_missing_score_is_no_zero() -> None:
    source = page.render(tree())
    chips = re.findall(r'<span class="chip (\w+)"[^>]*>([^<]*)</span>', source)
    shades = {text: shade for shade, text in chips}
    assert (shades["0.97"], shades["0.20"], shades["0.10"]) == ("shade4", "shade1", "shade0")
    assert shades["–"] == "unscored" and "0.00" not in shades


def test_without_a_score_the_page_shows_no_chips_and_says_why() -> None:
    bare = tuple(node.model_copy(update={"score": None, "step_score": None}) for node in NODES)
    source = page.render(tree(bare, verifier=None))
    assert 'class="chip' not in source and "No verifier scored these steps." in visible(source)
    assert "best score" not in visible(source)


def test_the_chosen_branch_is_open_and_the_discarded_one_is_not() -> None:
    opened = re.findall(r"<details class=\"([^\"]*)\"( open)?><summary>(.*?)</summary>", page.render(tree()))
    assert [(kind.strip(), bool(is_open)) for kind, is_open, _ in opened[:3]] == [
        ("path", True), ("in path", True), ("", False),
    ]  # fmt: skip
    assert "6+3=9" in opened[2][2]


def test_the_page_asks_the_network_for_nothing_and_runs_nothing() -> None:
    source = page.render(tree())
    assert "http:" not in source and "https:" not in source and "default-src 'none'" in source
    assert not re.search(r"@import|url\(|<script|<link(?! rel=\"icon\" href=\"data:,\")|<iframe|<img|<object", source)
    assert re.findall(r'(?:href|src)="([^"]*)"', source) == ["data:,"]


def test_hostile_text_stays_text() -> None:
    nodes = tuple(node.model_copy(update={"text": EVIL, "answer": node.answer and EVIL}) for node in NODES)
    evil = tree(
        nodes, question=EVIL, answer=EVIL, model=EVIL, verifier=EVIL, strategy=EVIL, degraded=EVIL,
        settings={EVIL: EVIL},
    )  # fmt: skip
    source = page.render(validated(json.dumps(evil.as_data()), "evil"))
    assert "<script" not in source and "<img" not in source and "\x00" not in source and "\u202e" not in source
    assert "{{ 7*7 }}" in html.unescape(source)
    assert source.count("<details") == source.count("</details>") == page.render(tree()).count("<details")


def test_a_fork_with_many_branches_shows_the_best_and_folds_the_others() -> None:
    wide = tuple(Node(id=str(i), parent="", text=f"way {i}\n", tokens=1, score=i / 100) for i in range(40))
    words = visible(page.render(tree(wide, answer=None)))
    assert words.index("way 39") < words.index("way 32") < words.index("32 less promising branches")
    assert words.index("32 less promising branches") < words.index("way 31") < words.index("way 0 ")
    assert "No answer was finished." in words and "Answer: none: nothing that ends was finished" in words


def test_a_large_tree_keeps_the_page_small_and_says_what_is_missing() -> None:
    many = tuple(Node(id=str(i), parent="", text="x" * 50, tokens=1, score=0.5) for i in range(page.MOST + 500))
    source = page.render(tree(many, answer=None, budget=1e5))
    assert "The 500 least promising steps are in tree.json only." in visible(source)
    assert "500 less promising branches with 500 steps are in tree.json only, best score 0.50." in visible(source)
    assert len(source) < 1_500_000


def test_a_tree_deeper_than_any_stack_is_drawn() -> None:
    nodes = [Node(id="0", parent="", text="a", tokens=1)]
    for _ in range(1200):
        here = nodes[-2 if len(nodes) > 1 else -1].id
        nodes += [Node(id=f"{here}.{i}", parent=here, text="a", tokens=1) for i in range(2)]
    source = page.render(tree(tuple(nodes), answer=None, budget=1e5))
    assert source.count("<details") == source.count("</details>") > 1000


def test_remarks_say_what_did_not_go_as_asked() -> None:
    words = visible(page.render(tree(degraded="the verifier failed (gone)")))
    assert "Note. The verifier failed (gone)." in words
    unasked = tree().usage.model_copy(update={"verifier": 0.0, "spent": 42.0, "unsettled": 3.0, "exact": False})
    unscored = tuple(node.model_copy(update={"score": None, "step_score": None}) for node in NODES)
    words = visible(page.render(tree(unscored, usage=unasked, strategy="vote")))
    assert "Strategy vote did not ask the verifier." in words and "(tokens partly estimated)" in words
    assert "Calls that were cancelled may have cost up to 3 more." in words
    words = visible(page.render(tree(usage=unasked, strategy="beam", verifier="self-check")))
    assert "did not ask the verifier" not in words  # it is free, and the steps have its scores


def broken(**changes: Any) -> str:
    data = tree().as_data()
    for path, value in changes.items():
        *keys, last = path.split("__")
        place: Any = data
        for key in keys:
            place = place[int(key) if key.isdigit() else key]
        place[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Invalid JSON"),
        ("[]", "the file: "),
        (broken(version=2), "version 2, and this Ponder reads version 1"),
        (broken(nodes__0__tokens=-1), "nodes.0.tokens"),
        (broken(nodes__0__state="lost"), "nodes.0.state"),
        (broken(nodes__0__score="0.9"), "nodes.0.score"),
        (broken(nodes__0__colour="red"), "nodes.0.colour"),
        (broken(nodes__1__id="0"), "node '0' stands there twice"),
        (broken(nodes__1__parent="7"), "node '0.0' comes before its parent '7'"),
        (broken(nodes__3__state="chosen"), "the chosen nodes are no path"),
        (broken(usage__spent=52.4), "do not add up"),
        (broken(budget=52.0), "52.5 spent of a budget of 52"),
        (broken(nodes__0__tokens=6), "other than the 18 tokens kept"),
    ],
)
def test_a_file_that_is_no_tree_is_refused_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(PonderError) as refused:
        validated(text, "somewhere/tree.json")
    message = str(refused.value)
    assert message.startswith("somewhere/tree.json is no search tree: ") and said in message and "\n" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PonderError, match=r"cannot read .*tree\.json"):
        read(tmp_path / "tree.json")


TEXTS = st.text(max_size=30) | st.just(EVIL)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), TEXTS, st.none() | st.floats(-1e9, 1e9)), max_size=15), TEXTS)
def test_whatever_a_model_writes_the_file_reads_back_and_the_page_renders(
    grown: list[tuple[int, str, float | None]], question: str
) -> None:
    nodes: list[Node] = []
    for at, text, score in grown:
        parent = nodes[at % len(nodes)].id if nodes and at % 3 else ""
        nodes.append(Node(id=f"{parent}.{len(nodes)}", parent=parent, text=text, tokens=1, score=score))
    made = tree(tuple(nodes), question=question, answer=None)
    assert validated(json.dumps(made.as_data()), "here") == made
    source = page.render(made)
    assert "<script" not in source and source.count("<details") == source.count("</details>")
