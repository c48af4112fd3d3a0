"""What Monte Carlo tree searches share: the loop, growing a node's children, and completing the tree at the end.

The root's own visit is one plain sample: it is a candidate, so that an answer exists from then on, and shows how long
steps and answers are. Then simulations follow one after the other, each from the root down to one leaf, for as long as
one surely fits beside what completing the best open leaf will take. Searches of many problems run side by side, and
the engine batches those; within one search the order is fixed, so that a seed fixes the tree.

Children are a few draws of many possible steps, so a node that is visited often is given more: it has at most
`expand * N ** widen` draws (progressive widening, Coulom 2007; 0 for none). Without it a wrong first batch is final.

Siblings with the same text are one child. When all of the tree is closed the root is widened by further draws; if those
bring no new text, the search ends. Should the verifier fail, plain samples take its place and are voted on.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ponder.search.session.choose import Candidate, best, most_visited, weighted
from ponder.search.session.remainder import with_remainder
from ponder.search.session.session import SearchSession
from ponder.search.session.stepwise import finish, is_full, is_over, length
from ponder.search.session.within_budget import draw
from ponder.search.strategy import Thinking
from ponder.search.tree import Tree, TreeNode, choose_child, priors
from ponder.types import Trajectory


@dataclass(frozen=True)
class TreeSearch(Thinking):
    """`expand` children a node, of at most `step_tokens` each; at most `n_max` finished candidates.

    `choose` is the final choice: the answer with the largest summed score, the best score, or, with "visits", where the
    most visited children lead.
    """

    needs_judge: ClassVar[bool] = True

    n_max: int = 256
    expand: int = 4
    step_tokens: int = 64
    widen: float = 0.5
    choose: Literal["weighted", "best", "visits"] = "weighted"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.among("choose", "weighted", "best", "visits")
        self.allow("widen", 0, 1)

    async def think(self, session: SearchSession) -> list[Candidate]:
        first = await draw(session, 1)
        if self.n_max == 1 or not first:
            return session.candidates(first)
        tree = Tree()
        tree.root.visits = 1
        if self.worst(session, tree.root) + session.owed(first) <= session.remaining:
            tree.found = session.candidates(first, await session.scores(first))
            tree.root.total = self._or_mean(tree.found[0].score, tree.root)
            await self._simulate(session, tree)
        else:
            tree.found = session.candidates(first)
        return await self._completed(session, tree)

    def rule(self, candidates: Sequence[Candidate]) -> Candidate:
        if self.choose == "visits" and any(c.visits for c in candidates):
            return most_visited(candidates)
        return best(candidates) if self.choose == "best" else weighted(candidates)

    async def _simulate(self, session: SearchSession, tree: Tree) -> None:
        while len(tree.found) < self.n_max and session.judge is not None:
            node = self._descend(tree.root)
            if self.worst(session, node) + self._to_complete(session, tree) > session.remaining:
                return
            if not await self.visit(session, tree, node):
                return

    @abstractmethod
    def score(self, child: TreeNode) -> float:
        """What a child is selected by."""

    @abstractmethod
    def worst(self, session: SearchSession, node: TreeNode) -> float:
        """The most that `visit` may cost."""

    @abstractmethod
    async def visit(self, session: SearchSession, tree: Tree, node: TreeNode) -> bool:
        """One simulation that ends at or below `node`, backed up. False ends the search."""

    def wants_more(self, node: TreeNode) -> bool:
        """Whether a node that has children is to be given further ones."""
        return bool(node.draws + self.expand <= self.expand * node.visits**self.widen)

    def _descend(self, root: TreeNode) -> TreeNode:
        """Down from the root by the best open child, to a node without a visit or one that wants children."""
        node = root
        while node.visits and any(not child.closed for child in node.children) and not self.wants_more(node):
            node = choose_child(node, self.score)
        return node

    async def expanded(self, session: SearchSession, node: TreeNode, n: int = 0) -> list[TreeNode] | None:
        """New children of `node` from `n` draws (0: `expand`), one a different text. None: the source has no more."""
        left = min(self.cap(session), self.thinking - length(node.branch))
        leaves = await session.grow(node.branch, n or self.expand, until="step", max_tokens=left, name="step")
        if not leaves:
            return None
        known, fresh = {child.branch.leaf.text for child in node.children if child.branch}, list[Trajectory]()
        for leaf in leaves:
            if leaf.leaf.text not in known:
                known.add(leaf.leaf.text)
                fresh.append(leaf)
        kept = {leaf.leaf for leaf in fresh}
        session.drop([leaf for leaf in leaves if leaf.leaf not in kept])
        shares = priors(fresh) if fresh else []
        children = [TreeNode(leaf, node, prior) for leaf, prior in zip(fresh, shares, strict=True)]
        node.children += children
        node.grown = node.grown or not n
        node.draws += len(leaves)
        node.closed = node.grown and all(child.closed for child in node.children)
        if node.closed:
            node.close_above()
        return children

    async def judged(self, session: SearchSession, tree: Tree, nodes: Sequence[TreeNode]) -> None:
        """Give each node its value. Finished ones join the candidates; those with no room to go on are made to."""
        branches = [node.branch for node in nodes if node.branch is not None]
        for node, branch, score in zip(nodes, branches, await session.scores(branches), strict=True):
            node.value = self._or_mean(score, node)
            if is_over(branch):
                tree.add(session.candidates([branch], [score]), node)
                node.close()
            elif is_full(session, branch):
                tree.add(await finish(session, [branch]), node)
                node.close()

    def cap(self, session: SearchSession) -> int:
        """The most tokens of a step: twice the longest seen, or `step_tokens` if that is less."""
        return min(self.step_tokens, 2 * session.pace.longest) if session.pace.longest else self.step_tokens

    def grown(self, session: SearchSession, node: TreeNode) -> int:
        """The longest that a child of `node` may get."""
        return min(length(node.branch) + self.cap(session), self.thinking)

    def end(self, session: SearchSession, tokens: int, unread: int = 0) -> float:
        """The most that forcing and judging the answer of a trajectory of `tokens` tokens costs."""
        reserve = self.answer_reserve
        return reserve + session.cost(min(tokens + reserve, self.max_tokens), unread + reserve)

    def back_up(self, session: SearchSession, node: TreeNode, value: float) -> None:
        """One visit with `value` to `node` and to all above it."""
        at: TreeNode | None = node
        while at is not None:
            at.visits += 1
            at.total += value
            if session.progress and at.branch is not None:
                session.progress.visited(at.branch.leaf, at.visits)
            at = at.parent

    def _or_mean(self, score: float | None, node: TreeNode) -> float:
        """The score within [0, 1]; where the judge gave none, what is known around the node."""
        return node.mean if score is None else min(max(score, 0.0), 1.0)

    def _to_complete(self, session: SearchSession, tree: Tree) -> float:
        """What completing the best open leaf takes by the pace so far."""
        best = min(self._open(tree), key=_promise, default=None)
        if best is None:
            return 0.0
        done = length(best.branch)
        needs = max(session.pace.step, session.pace.length - done)
        return needs + self.end(session, round(done + needs), session.unread(best.branch) + round(needs))

    def _open(self, tree: Tree) -> list[TreeNode]:
        """Drawn leaves that are not finished."""
        return [n for n in tree.root.walk() if n.branch and not n.children and not n.closed and not is_over(n.branch)]

    async def _completed(self, session: SearchSession, tree: Tree) -> list[Candidate]:
        """What was found, finished leaves that no visit came to, and the best open ones completed."""
        if tree.settled:
            return tree.candidates()
        unseen = [n for n in tree.root.walk() if n.branch and is_over(n.branch) and n.branch.leaf not in tree.source]
        ends = [n.branch for n in unseen[: self.n_max - len(tree.found)] if n.branch is not None]
        pays = session.owed(ends) <= session.remaining
        scores = await session.scores(ends) if pays else [None] * len(ends)
        for node, candidate in zip(unseen, session.candidates(ends, scores), strict=False):
            tree.add([candidate], node)
        leaves = sorted(self._open(tree), key=_promise)[: min(self.expand, self.n_max - len(tree.found))]
        branches = [n.branch for n in leaves if n.branch is not None]
        for node, candidate in zip(leaves, await finish(session, branches), strict=False):
            tree.add([candidate], node)
        tree.found = await with_remainder(session, tree.found, self.n_max)
        return tree.candidates()


def _promise(node: TreeNode) -> tuple[int, float]:
    """The most promising first: most visits, then the higher mean."""
    return -node.visits, -node.mean
