"""Hand-made search trees."""

from __future__ import annotations

from typing import Any

from ponder.reports.tree.data import Bill, Node, SearchTree

# Two ways to 18: the first forks after one step, the second is a long run without a fork.
NODES = (
    Node(id="0", parent="", text="6*3=18\n", tokens=5, score=0.9, visits=3, state="chosen"),
    Node(id="0.0", parent="0", text="18*1=18\n", tokens=6, score=0.95, step_score=0.8, visits=2, state="chosen"),
    Node(
        id="0.0.0", parent="0.0", text="</think>(6*3)*1", tokens=7, score=0.97, state="chosen", end=True,
        answer="(6*3)*1",
    ),
    Node(id="0.1", parent="0", text="18-1=17\n", tokens=6, score=0.1, visits=1, state="discarded"),
    Node(id="1", parent="", text="6+3=9\n", tokens=5, score=0.2, visits=1, state="discarded"),
    *(
        Node(id="1" + ".0" * n, parent="1" + ".0" * (n - 1), text=f"step {n}\n", tokens=2, state="discarded")
        for n in range(1, 6)
    ),
    Node(id="1" + ".0" * 6, parent="1" + ".0" * 5, text="</think>9", tokens=3, state="discarded", end=True, answer="9"),
)  # fmt: skip


def tree(nodes: tuple[Node, ...] = NODES, **more: Any) -> SearchTree:
    kept = float(sum(node.tokens for node in nodes if node.state == "chosen"))
    discarded = float(sum(node.tokens for node in nodes if node.state != "chosen"))
    known: dict[str, Any] = {
        "question": "Make 18 from 3, 6, 1.",
        "strategy": "mcts",
        "settings": {"max_tokens": 400, "expand": 4},
        "model": "tiny",
        "verifier": "runs/demo/verifier",
        "seed": 0,
        "budget": 100.0,
        "usage": Bill(
            kept=kept, discarded=discarded, verifier=10.5, spent=kept + discarded + 10.5, calls=12, seconds=1.5
        ),
        "answer": "(6*3)*1",
    }
    return SearchTree(**{**known, "nodes": nodes, **more})
