"""What the terminal and the page both say of a search: steps as text, candidates by answer, the bill, remarks."""

from __future__ import annotations

from dataclasses import dataclass

from ponder.printable import printable
from ponder.reports import formatting as say
from ponder.reports.tree import plan as tree_plan
from ponder.reports.tree.data import Node, SearchTree
from ponder.thinking import THINK_CLOSE

UNSCORED = "–"
NO_ANSWER = "none: nothing that ends was finished"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer among the candidates of the final choice: how many gave it, the best score, their last step's ids."""

    answer: str
    votes: int
    best: float | None
    chosen: bool


def step_text(node: Node) -> str:
    """What a step says, without the mark that closes the thinking."""
    shown = clean(node.text.replace(THINK_CLOSE, "")).strip()
    if shown:
        return shown
    return "(ends its thinking)" if THINK_CLOSE in node.text else "(empty)"


def is_answer(node: Node) -> bool:
    """Whether the step holds the answer and no longer thinks."""
    return THINK_CLOSE in node.text or node.answer is not None


def score(value: float | None) -> str:
    """0.91, or a dash for what was not scored."""
    return UNSCORED if value is None else say.plain(value)


def clean(text: str) -> str:
    """The text with nothing in it that a terminal or a page obeys."""
    return printable(text)


def candidates(tree: SearchTree) -> list[Candidate]:
    """The answers of the final choice, the most frequent first."""
    found: dict[str, list[Node]] = {}
    for node in tree.nodes:
        if node.answer is not None:
            found.setdefault(node.answer, []).append(node)
    rows = []
    for answer, nodes in found.items():
        scores = [node.score for node in nodes if node.score is not None]
        best = max(scores, default=None)
        rows.append(Candidate(clean(answer), len(nodes), best, any(node.state == "chosen" for node in nodes)))
    return sorted(rows, key=lambda row: -row.votes)


def bill(tree: SearchTree) -> str:
    """What was spent and on what; the three parts add up."""
    usage = tree.usage
    parts = f"{amount(usage.kept)} kept + {amount(usage.discarded)} discarded + {amount(usage.verifier)} verifier"
    estimated = "" if usage.exact else " (tokens partly estimated)"
    return (
        f"{parts} = {amount(usage.spent)} of {amount(tree.budget)} token-equivalents spent, {amount(left(tree))} left; "
        f"{usage.calls} calls, {say.duration(usage.seconds)}{estimated}"
    )


def strategy(tree: SearchTree) -> str:
    """The strategy; for the planner also what it chose, as soon as it has."""
    chosen = tree.plan
    return tree.strategy if chosen is None or chosen.why == "looking" else f"{tree.strategy}: {tree_plan.name(chosen)}"


def left(tree: SearchTree) -> float:
    """What of the budget was not spent."""
    return max(0.0, tree.budget - tree.usage.spent)


def amount(value: float) -> str:
    """Token-equivalents: whole, or with one digit where a verifier cost a fraction."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def remarks(tree: SearchTree) -> list[str]:
    """What did not go as one may have expected, in sentences."""
    said = [tree.degraded] if tree.degraded else []
    if tree.usage.unsettled:
        said.append(f"calls that were cancelled may have cost up to {amount(tree.usage.unsettled)} more")
    # A check that costs nothing leaves no bill; its scores tell that it was asked.
    asked = tree.usage.verifier or any(node.shown_score is not None for node in tree.nodes)
    if tree.verifier is not None and not asked and not tree.degraded:
        said.append(f"strategy {tree.strategy} did not ask the verifier")
    return [f"{sentence[0].upper()}{sentence[1:]}." for sentence in map(clean, said)]
