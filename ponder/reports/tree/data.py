r"""The file of one search, `tree.json`: what was asked, what was spent, and every step that was drawn.

    {"version": 1, "question": "Make 18 from 3, 6, 1.", "strategy": "mcts", "settings": {"expand": 4, ...},
     "model": "tiny", "verifier": "runs/demo/verifier", "seed": 0, "budget": 2048.0, "seconds": 30.0,
     "usage": {"kept": 31, "discarded": 900, "verifier": 700, "spent": 1631, "unsettled": 0, "calls": 80,
               "seconds": 2.1, "exact": true},
     "answer": "(6*3)*1", "degraded": null, "plan": null,
     "nodes": [{"id": "0", "parent": "", "text": "6*3=18\n", "tokens": 7, "score": 0.9, "step_score": 0.9, "visits": 12,
                "state": "chosen", "forced": false, "end": false, "answer": null}, ...]}

Costs are in token-equivalents: `kept + discarded + verifier == spent`, and `spent + unsettled` is at most `budget`.
`seconds` is the deadline that was set (null: none), `usage.seconds` what it took. `degraded` says what did not go as
asked. `exact` is false where an engine estimated tokens. `plan` is what strategy auto chose and why (`tree_plan`); it
is null for every other strategy.

A node is one step below its `parent` ("" is the question); parents come first. `score` is what the verifier said of the
path that ends here, and what the search chose by; `step_score` is what it said of this step by itself; null is not
scored. `state` is "chosen" on the path of the answer, "discarded" if it was paid for and is no part of the answer, and
"kept" in a tree that was taken while the search ran, for what had not been dropped. The tokens of the chosen nodes sum
to `usage.kept`. `forced` steps are words that the policy was made to say. `end` is a step at which the model ended or
was cut; `answer` is the answer of a candidate for the final choice that ends here.

A reader refuses a file of another version. Left out: token ids and log-probabilities, which a trajectory store keeps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from ponder.config import Strict
from ponder.reports.tree.plan import Chosen
from ponder.types import PonderError

VERSION = 1
ROOT = ""
State = Literal["kept", "discarded", "chosen"]
_CLOSE = 1e-6  # costs of judges are fractions


class Node(Strict):
    """One step of the tree; see above."""

    id: str = Field(min_length=1)
    parent: str
    text: str
    tokens: int = Field(ge=0)
    score: float | None = Field(default=None, allow_inf_nan=False)
    step_score: float | None = Field(default=None, allow_inf_nan=False)
    visits: int = Field(default=0, ge=0)
    state: State = "kept"
    forced: bool = False
    end: bool = False
    answer: str | None = None

    @property
    def shown_score(self) -> float | None:
        """The score to show: of the path if there is one, else of the step alone."""
        return self.step_score if self.score is None else self.score


class Bill(Strict):
    """What the search cost, in token-equivalents; see above."""

    kept: float = Field(ge=0, allow_inf_nan=False)
    discarded: float = Field(ge=0, allow_inf_nan=False)
    verifier: float = Field(ge=0, allow_inf_nan=False)
    spent: float = Field(ge=0, allow_inf_nan=False)
    unsettled: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    calls: int = Field(ge=0)
    seconds: float = Field(ge=0, allow_inf_nan=False)
    exact: bool = True


class SearchTree(Strict):
    """One search; see above. `validated` and `read` give trees whose sums and parents are right."""

    version: int = VERSION
    question: str
    strategy: str
    settings: dict[str, Any]
    model: str
    verifier: str | None
    seed: int
    budget: float = Field(gt=0, allow_inf_nan=False)
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    usage: Bill
    answer: str | None
    degraded: str | None = None
    plan: Chosen | None = None
    nodes: tuple[Node, ...]

    @property
    def chosen(self) -> tuple[Node, ...]:
        """The steps of the answer, first to last."""
        return tuple(node for node in self.nodes if node.state == "chosen")

    def as_data(self) -> dict[str, Any]:
        """The tree in JSON's own types."""
        return self.model_dump(mode="json")


def read(path: Path) -> SearchTree:
    """The tree in the file `path`. Raises PonderError if there is none, or if it is broken or of another version."""
    try:
        return validated(path.read_bytes(), str(path))
    except OSError as error:
        raise PonderError(
            f"cannot read {path} ({error.strerror}); name the tree.json of a `ponder solve --out`"
        ) from None


def validated(text: str | bytes, where: str) -> SearchTree:
    """The tree that the JSON `text` holds. `where` names it in the PonderError that a broken one raises."""
    try:
        tree = SearchTree.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise PonderError(
            f"{where} is no search tree: {place}: {first['msg']}; make it again with ponder solve"
        ) from None
    for wrong in _wrongs(tree):
        raise PonderError(f"{where} is no search tree: {wrong}; make it again with ponder solve")
    return tree


def _wrongs(tree: SearchTree) -> list[str]:
    """What is wrong with a tree whose fields are each of the right kind."""
    wrongs, seen, usage = list[str](), {ROOT}, tree.usage
    if tree.version != VERSION:
        return [f"version {tree.version}, and this Ponder reads version {VERSION}"]
    for node in tree.nodes:
        if node.id in seen:
            wrongs.append(f"node {node.id!r} stands there twice")
        if node.parent not in seen:
            wrongs.append(f"node {node.id!r} comes before its parent {node.parent!r}")
        seen.add(node.id)
    if any(
        after.parent != before for before, after in zip(["", *(n.id for n in tree.chosen)], tree.chosen, strict=False)
    ):
        wrongs.append("the chosen nodes are no path from the question")
    if abs(usage.kept + usage.discarded + usage.verifier - usage.spent) > _CLOSE:
        wrongs.append("kept, discarded and verifier do not add up to spent")
    if usage.spent + usage.unsettled > tree.budget + _CLOSE:
        wrongs.append(f"{usage.spent + usage.unsettled:g} spent of a budget of {tree.budget:g}")
    if sum(node.tokens for node in tree.chosen) != usage.kept:
        wrongs.append(f"the chosen nodes have other than the {usage.kept:g} tokens kept")
    return wrongs
