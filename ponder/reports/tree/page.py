"""One search as one page: the chosen steps, the rivals, the bill, and the whole tree to open and close.

A function of the search's tree.json alone. The page holds no script and asks the network for nothing; branches fold by
<details>, those that the answer came from are open. Scores are numbers on a shade and states are words, so that nothing
is said by colour alone. Everything that a model wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.reports import formatting as say
from ponder.reports.templates import environment
from ponder.reports.tree import plan as tree_plan
from ponder.reports.tree import words
from ponder.reports.tree.data import Node, SearchTree
from ponder.reports.tree.plan import Chosen
from ponder.reports.tree.shape import Branch, shape
from ponder.runlog import files

JSON, PAGE = "tree.json", "tree.html"
MOST = 3000  # steps in the page; the file has all
LONGEST = 2000  # characters of a text
WIDE = 8  # branches of a fork that are shown at once; the others open with a click
INDENTS = 8  # deeper forks are indented by a hair and say their number: a phone is narrow
HAIRS = 48  # the deepest fork that is indented at all


@dataclass(frozen=True, slots=True)
class Row:
    """One step as it is shown. `shade` is 0 (score near 0) to 4 (near 1); `facts` say visits, fate and tokens."""

    text: str
    score: str | None
    shade: int
    facts: str
    state: str
    is_answer: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the flat tree: "open" a branch (`label`: what is in it), its "steps", "others" that fold, "close".

    A branch of one step and no forks is a "leaf"; "hidden" says how many the page leaves out.
    """

    kind: str
    rows: tuple[Row, ...] = ()
    label: str = ""
    row: Row | None = None
    is_open: bool = False
    depth: int = 0


def write(tree: SearchTree, folder: Path) -> tuple[Path, Path]:
    """Write tree.json and tree.html into `folder`; returns their paths. Raises PonderError if the disk refuses one."""
    files.write_json(folder / JSON, tree.as_data())
    files.write_text(folder / PAGE, render(tree))
    return folder / JSON, folder / PAGE


def render(tree: SearchTree) -> str:
    """The page of a tree."""
    return (
        environment()
        .get_template("tree/page.html.j2")
        .render(
            question=_cut(tree.question),
            answer=None if tree.answer is None else _cut(tree.answer),
            no_answer=words.NO_ANSWER,
            remarks=words.remarks(tree),
            bill=words.bill(tree),
            shares=_shares(tree),
            chosen=[_row(node) for node in tree.chosen],
            candidates=[(_cut(c.answer), c.votes, words.score(c.best), c.chosen) for c in words.candidates(tree)],
            parts=list(_parts(shape(tree.nodes, MOST, ranked=True))),
            count=_count(tree.nodes),
            cut=max(0, len(tree.nodes) - MOST),
            made=_made(tree),
            settings=_settings(tree.settings),
            plan=_plan(tree.plan),
            indents=INDENTS,
            hairs=HAIRS,
            is_scored=any(node.shown_score is not None for node in tree.nodes),
        )
    )


def _parts(top: Branch) -> Iterator[Part]:
    """The tree as a flat list of pieces: it may be deeper than a template can recurse."""
    any_chosen = any(fork.steps[0].state == "chosen" for fork in top.forks)
    waiting: list[tuple[Branch | Part, int]] = [(top, 0)]
    while waiting:
        branch, depth = waiting.pop()
        if isinstance(branch, Part):
            yield branch
            continue
        if branch.steps:
            first, *rest = map(_row, branch.steps)
            is_open = first.state == "chosen" or not any_chosen
            folds = bool(rest or branch.forks or branch.hidden)
            yield Part("open" if folds else "leaf", row=first, label=_below(branch), is_open=is_open, depth=depth)
            if rest:
                yield Part("steps", tuple(rest))
            if folds:
                waiting.append((Part("close"), depth))
        if branch.hidden:
            waiting.append((Part("hidden", label=_hidden(branch)), depth))
        others = branch.forks[WIDE:] if len(branch.forks) > WIDE + 1 else []
        if others:
            waiting.append((Part("close"), depth))
            waiting += [(fork, depth + 1) for fork in reversed(others)]
            waiting.append((Part("others", label=f"{len(others)} less promising branches"), depth))
        waiting += [(fork, depth + 1) for fork in reversed(branch.forks[: len(branch.forks) - len(others)])]


def _below(branch: Branch) -> str:
    """What a closed branch holds: "5 more steps, 3 forks"."""
    steps = len(branch.steps) - 1
    said = [f"{steps} more {'step' if steps == 1 else 'steps'}"] if steps else []
    forks = len(branch.forks) + branch.hidden
    return ", ".join(said + ([f"then {forks} {'way' if forks == 1 else 'ways'} on"] if forks else []))


def _hidden(branch: Branch) -> str:
    best = "" if branch.hidden_best is None else f", best score {words.score(branch.hidden_best)}"
    return f"{branch.hidden} less promising branches with {branch.hidden_steps} steps are in {JSON} only{best}."


def _row(node: Node) -> Row:
    value = node.shown_score
    # The shade follows the score as it is shown, so that equal numbers look alike.
    shade = 0 if value is None else min(4, int(5 * min(1.0, max(0.0, round(value, 2)))))
    text = _cut(words.step_text(node))
    score = None if value is None else words.score(value)
    return Row(text, score, shade, _facts(node), node.state, words.is_answer(node))


def _facts(node: Node) -> str:
    facts: list[str] = [node.state]
    if node.visits:
        facts.append(f"{node.visits} {'visit' if node.visits == 1 else 'visits'}")
    facts.append(f"{node.tokens} {'token' if node.tokens == 1 else 'tokens'}")
    facts += ["said by force"] * node.forced + ["candidate"] * (node.answer is not None)
    facts += ["cut, no answer"] * (node.end and node.answer is None)
    return " · ".join(facts)


def _shares(tree: SearchTree) -> list[tuple[str, str, float, str]]:
    """The budget in parts: name, amount, percent of the budget, and what the part is."""
    usage = tree.usage
    parts = (
        ("kept", usage.kept, "tokens of the answer"),
        ("discarded", usage.discarded, "all other tokens that were drawn"),
        ("verifier", usage.verifier, "what judging cost"),
        ("left", words.left(tree), "not spent"),
    )
    return [(name, words.amount(value), round(100 * value / tree.budget, 3), why) for name, value, why in parts]


def _made(tree: SearchTree) -> list[tuple[str, str]]:
    return [
        ("Strategy", say.human(words.strategy(tree))),
        ("Model", words.clean(tree.model)),
        ("Verifier", "none" if tree.verifier is None else words.clean(tree.verifier)),
        ("Budget", f"{words.amount(tree.budget)} token-equivalents"),
        ("Deadline", "none" if tree.seconds is None else say.duration(tree.seconds)),
        ("Seed", str(tree.seed)),
    ]


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(say.human(name), _cut(str(value))) for name, value in settings.items()]


def _plan(chosen: Chosen | None) -> dict[str, Any] | None:
    """What the planner chose: in a word, in sentences, and with which settings."""
    if chosen is None:
        return None
    return {
        "name": tree_plan.name(chosen),
        "sentences": [words.clean(sentence) for sentence in tree_plan.sentences(chosen)],
        "settings": _settings(chosen.settings),
    }


def _count(nodes: Sequence[Node]) -> str:
    """The tree in numbers."""
    discarded = sum(node.state == "discarded" for node in nodes)
    finished = sum(node.answer is not None for node in nodes)
    drawn = "1 step was drawn" if len(nodes) == 1 else f"{len(nodes):,} steps were drawn"
    ended = "1 answer was finished" if finished == 1 else f"{finished:,} answers were finished"
    return f"{drawn}, {discarded:,} of them discarded; {ended}."


def _cut(value: Any) -> str:
    """Long text is cut, and says so."""
    text = words.clean(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text) - LONGEST:,} more characters)"
