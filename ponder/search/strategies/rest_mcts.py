"""The tree search of ReST-MCTS* (arXiv 2406.03816; THUDM/ReST-MCTS, `MCTS/mcts.py`).

UCT on the verifier's value, `V + c * sqrt(2 ln N_parent / N)`, children without a visit first. The node that is reached
is grown by `expand` children, all judged in one call. From the best of them a greedy roll-out goes up to `depth` steps,
one draw and one score each; its highest score m corrects the node, `V <- (1 - a) V + a m`. Back-up: the V of a parent
becomes the mean of its children's, weighted by visits. A finished answer of V >= `stop_at` ends the search, which then
spends less than its budget.

It differs from the source in what is finished: there any node above the threshold ends the search, here only an answer
does, and it is the one returned (`choose` "best"). The steps of a roll-out are nodes of the tree and not thrown away,
and nodes are widened as in `mcts`, without which a wrong first batch of three is final. Degenerates like `mcts`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from ponder.search.session.session import SearchSession
from ponder.search.session.stepwise import is_over, length
from ponder.search.tree import Tree, TreeNode, uct
from ponder.search.tree_search import TreeSearch


@dataclass(frozen=True)
class RestMCTS(TreeSearch):
    """`c` weighs exploration; `alpha` a roll-out of at most `depth` steps; `stop_at` above 1 never stops early."""

    leaves: ClassVar[str] = "rest_mcts ends with the first answer that the verifier is sure of (`stop_at`)"

    expand: int = 3
    c: float = 0.7
    alpha: float = 0.5
    depth: int = 3
    stop_at: float = 0.9
    choose: Literal["weighted", "best", "visits"] = "best"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.allow("c", 0, math.inf)
        self.allow("alpha", 0, 1)

    def score(self, child: TreeNode) -> float:
        return uct(_value(child), child.parent.visits if child.parent else 1, child.visits, c=self.c)

    def worst(self, session: SearchSession, node: TreeNode) -> float:
        cap, at = self.cap(session), length(node.branch)
        deepest = min(at + (2 + self.depth) * cap, self.thinking)
        # Each child or rolled step may have no room to go on, and is then made to answer and judged again.
        steps = self.expand * (1 + (node.visits > 0)) + self.depth
        new = session.unread(node.branch) + cap
        return steps * (cap + session.cost(deepest, new) + self.end(session, deepest))

    async def visit(self, session: SearchSession, tree: Tree, node: TreeNode) -> bool:
        if node.visits:  # it has had the visit that ends in it; now the best of its new children has one
            children = await self._judged_children(session, tree, node)
            going = [child for child in children or () if not child.closed]
            if not going:  # all finished at once, or nothing new, which is the end if nothing else is open
                return self._goes_on(tree) and children is not None and bool(children or not tree.root.closed)
            node = max(going, key=_value)
        if await self._judged_children(session, tree, node) is None:
            return False
        highest = await self._roll_out(session, tree, max(node.children, key=_value))
        node.value = (1 - self.alpha) * _value(node) + self.alpha * highest
        self.back_up(session, node, node.value)
        return self._goes_on(tree)

    async def _judged_children(self, session: SearchSession, tree: Tree, node: TreeNode) -> list[TreeNode] | None:
        children = await self.expanded(session, node)
        await self.judged(session, tree, children or [])
        return children

    def _goes_on(self, tree: Tree) -> bool:
        """Whether no answer is good enough yet."""
        tree.settled = any((c.score or 0.0) >= self.stop_at for c in tree.found if c.answer is not None)
        return not tree.settled

    def back_up(self, session: SearchSession, node: TreeNode, value: float) -> None:
        """One visit to `node` and all above it, whose values become those of their children weighted by visits."""
        super().back_up(session, node, value)
        at = node.parent
        while at is not None:
            counted = [child for child in at.children if child.visits]
            at.value = math.fsum(c.visits * _value(c) for c in counted) / sum(c.visits for c in counted)
            at = at.parent

    async def _roll_out(self, session: SearchSession, tree: Tree, node: TreeNode) -> float:
        """The highest value on a walk of single draws from `node`."""
        highest = _value(node)
        for _ in range(self.depth):
            if node.closed or node.branch is None or is_over(node.branch) or session.judge is None:
                break
            step = await self.expanded(session, node, 1)
            if not step:
                break
            await self.judged(session, tree, step)
            node = step[0]
            highest = max(highest, _value(node))
        return highest


def _value(node: TreeNode) -> float:
    return node.mean if node.value is None else node.value
