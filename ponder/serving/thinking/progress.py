"""The progress of a search for those who watch it: a sentence, the answers so far, and what changed in the tree.

Looking is done on the thinking loop between two of its turns; a look that took long is followed by nine times as long
without one, so that it costs a search at most a tenth of its time.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from ponder.api.thinking.recorder import SearchRecorder
from ponder.reports.tree import words
from ponder.reports.tree.data import Node, SearchTree
from ponder.serving.thinking.running import Progress, Running

EVERY = 0.25  # seconds between two looks
_ANSWERS = 8
_LONGEST = 80


class Watcher:
    """Tells `running` how its search stands, again and again until it is closed."""

    def __init__(self, recorder: SearchRecorder, running: Running) -> None:
        self._recorder, self._running = recorder, running
        self._seen: dict[str, Node] = {}
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def close(self) -> None:
        """Look a last time and stop."""
        self._task.cancel()
        with suppress(Exception):
            self._look()

    async def _watch(self) -> None:
        while True:
            started = time.monotonic()
            self._look()
            await asyncio.sleep(max(EVERY, 9 * (time.monotonic() - started)))

    def _look(self) -> None:
        tree = self._recorder.tree()
        changed = [node for node in tree.nodes if self._seen.get(node.id) != node]
        self._seen |= {node.id: node for node in changed}
        nodes = tuple(node.model_dump(mode="json") for node in changed)
        self._running.tell(Progress(sentence(tree), tree.usage.spent, tree.budget, answers(tree), nodes))


def answers(tree: SearchTree) -> tuple[tuple[str, int, float | None], ...]:
    """The answers that were finished so far, with their votes and best scores."""
    found = words.candidates(tree)[:_ANSWERS]
    return tuple((_short(each.answer), each.votes, each.best) for each in found)


def sentence(tree: SearchTree) -> str:
    """What was tried, what the verifier thought and what was dropped, in one line."""
    dropped = sum(node.state == "discarded" for node in tree.nodes)
    drawn = "1 step drawn" if len(tree.nodes) == 1 else f"{len(tree.nodes)} steps drawn"
    said = [drawn + (f", {dropped} dropped" if dropped else "")]
    for text, votes, best in answers(tree)[:3]:
        scored = "" if best is None else f", score {words.score(best)}"
        said.append(f"answer {text} ({votes} {'vote' if votes == 1 else 'votes'}{scored})")
    said.append(f"{words.amount(tree.usage.spent)} of {words.amount(tree.budget)} spent")
    return "; ".join(said)


def counts_only(tree_sentence: str) -> str:
    """The sentence without any answer, for those who may see nothing of the thinking."""
    parts = [part for part in tree_sentence.split("; ") if not part.startswith("answer ")]
    return "; ".join(parts)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
