"""Monte Carlo tree search with PUCT (AlphaZero's form, arXiv 1712.01815; priors and values as in openr's `tree.py`).

A simulation goes down from the root by `Q + P * sqrt(N_parent) / (1 + N) * (log((N_parent + base + 1) / base) + init)`
to a node that was never visited, judges it, and backs the value up as a mean. A visited node without children is grown
first: `expand` steps are drawn from the policy, with priors P from their sequence log-probabilities. The likeliest of
the new children is judged. A node that is visited often is given more of them (`tree_search`).

The value of a node is the verifier's score of its prefix (`rollouts` 0), the score of an answer drawn from it (1), or
the mean of the two weighted by `rollouts` (AlphaGo's lambda). Rolled-out answers are candidates.

Rules. Values and Q lie in [0, 1]. A child without a visit has the Q of its parent. Equal scores go to the higher prior,
then to the child drawn first. With a constant verifier only the priors guide it, and its answers are plain samples of a
policy that is a little sharper than the real one. All is in `tree_search`: how it ends, and what else it may draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ponder.search.session.session import SearchSession
from ponder.search.session.stepwise import is_full, is_over, length
from ponder.search.tree import Tree, TreeNode, puct
from ponder.search.tree_search import TreeSearch


@dataclass(frozen=True)
class MCTS(TreeSearch):
    """`c_init` is half of AlphaZero's 1.25, since values span 1 here and 2 there; 0 with a large `c_base` is greedy."""

    c_init: float = 0.625
    c_base: float = 19652.0
    rollouts: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.allow("c_init", 0, math.inf)
        self.allow("c_base", 1, math.inf)
        self.allow("rollouts", 0, 1)

    def score(self, child: TreeNode) -> float:
        above = child.parent.visits if child.parent else 0
        return puct(child.mean, child.prior, above, child.visits, init=self.c_init, base=self.c_base)

    def worst(self, session: SearchSession, node: TreeNode) -> float:
        """Growing children if `node` was visited before; then a score and a rolled-out answer, as far as asked for."""
        grows = node.visits > 0
        at = self.grown(session, node) if grows else length(node.branch)
        new = session.unread(node.branch) + at - length(node.branch)
        rolled = self._roll(session, at)
        roll = rolled + self.end(session, at + rolled, rolled) if self.rollouts > 0 else 0.0
        # A leaf without room to go on is made to answer instead, which is charged here too.
        return grows * self.expand * self.cap(session) + session.cost(at, new) + max(roll, self.end(session, at))

    async def visit(self, session: SearchSession, tree: Tree, node: TreeNode) -> bool:
        if node.visits:
            children = await self.expanded(session, node)
            if not children:  # nothing new: the end if there is nothing else, and paid for in any case
                return children is not None and not tree.root.closed
            node = max(children, key=lambda child: child.prior)
        value = await self._value(session, tree, node)
        self.back_up(session, node, value)
        return True

    async def _value(self, session: SearchSession, tree: Tree, node: TreeNode) -> float:
        """The node's value by verifier, roll-out or both. A finished node is its own roll-out."""
        if self.rollouts < 1 or self._is_end(session, node):
            await self.judged(session, tree, [node])
        if self.rollouts == 0 or node.closed or node.branch is None:
            return node.mean if node.value is None else node.value
        tokens = self._roll(session, length(node.branch))
        grown = await session.grow(node.branch, 1, until="end", max_tokens=tokens, name="end")
        closed = await session.close(grown)
        scores = await session.scores(closed)
        tree.add(session.candidates(closed, scores), node)
        rolled = self._or_mean(scores[0] if scores else None, node)
        return rolled if node.value is None else (1 - self.rollouts) * node.value + self.rollouts * rolled

    def _is_end(self, session: SearchSession, node: TreeNode) -> bool:
        return node.branch is not None and (is_over(node.branch) or is_full(session, node.branch))

    def _roll(self, session: SearchSession, at: int) -> int:
        """The most thinking tokens of a roll-out from a prefix of `at` tokens: twice what the pace says is needed."""
        needs = 2 * max(session.pace.step, session.pace.length - at) if session.pace.known else self.thinking
        return max(0, min(self.thinking - at, math.ceil(needs)))
