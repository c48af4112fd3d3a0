"""`ponder solve`: think about one question and show what was thought, what it cost and what was thrown away."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ponder.commands import assemble
from ponder.commands.verifier import load_judge
from ponder.engines.loop import run as run_async
from ponder.search.budget import Budget
from ponder.search.registry import make, needs_judge
from ponder.types import PonderError, Question, SearchResult

_SHOWN = 12  # candidates in the table


@dataclass(frozen=True)
class Asked:
    """What `ponder solve` was asked."""

    text: str
    model: str
    strategy: str
    budget: float
    verifier: Path | None
    problems: str | None
    seed: int
    temperature: float
    max_tokens: int


def solve(asked: Asked) -> tuple[SearchResult, bool]:
    """Search for an answer; also whether every token of its bill was counted and none estimated.

    `asked.problems` names the family whose instructions and answer form to use.
    """
    if not asked.text.strip():
        raise PonderError('the question is empty; write one, for example: ponder solve "Make 18 from 3, 6, 1."')
    if needs_judge(asked.strategy) and asked.verifier is None:
        raise PonderError(f"strategy {asked.strategy} needs --verifier FOLDER; or use sample or vote")
    source = assemble.source(asked.model, temperature=asked.temperature)
    judge = load_judge(asked.verifier, source.readable()) if asked.verifier else None
    strategy = make(asked.strategy, max_tokens=min(asked.max_tokens, max(64, int(asked.budget))))
    started = time.monotonic()
    search = strategy(question(asked), source.propose, judge, Budget(asked.budget), seed=asked.seed)
    result: SearchResult = run_async(search)
    return result.with_seconds(time.monotonic() - started), bool(source.told()["exact"])


def question(asked: Asked) -> Question:
    """The question, with the instructions of the family it is said (or, for the embedded ones, seen) to be of."""
    spec = asked.problems or next((name for start, name in _STARTS.items() if asked.text.startswith(start)), None)
    if spec is None:
        return Question("asked", "", asked.text)
    example = assemble.families([spec])[0].problem(0).question
    return Question("asked", example.family, asked.text, example.instructions, example.level)


_STARTS = {"Compute ": "arithmetic", "Decode ": "cipher", "Make ": "countdown"}


def as_data(result: SearchResult, exact: bool = True) -> dict[str, Any]:
    """The result as plain data, for --json."""
    return {
        "question": result.question.text,
        "answer": result.answer,
        "steps": [step.text for step in result.trajectory.steps] if result.trajectory else [],
        "usage": {**asdict(result.usage), "spent": result.usage.spent, "exact": exact},
        "candidates": [
            {"text": trajectory.text, "score": score, "tokens": len(trajectory)}
            for trajectory, score in _scored(result)
        ],
    }


def show(result: SearchResult, exact: bool = True) -> RenderableType:
    """The chosen chain of thought, the other candidates, and the bill."""
    parts: list[RenderableType] = []
    if result.trajectory is not None:
        parts.append(Panel(Text(result.trajectory.text.strip()), title="thought", title_align="left", expand=False))
    parts.append(Text(f"Answer: {result.answer or 'none'}", style="bold"))
    if len(result.trajectories) > 1:
        parts.append(_candidates(result))
    parts.append(Text(_bill(result) + ("" if exact else " (tokens partly estimated)"), style="dim"))
    return Group(*parts)


def _scored(result: SearchResult) -> list[tuple[Any, float | None]]:
    scores = result.scores or (None,) * len(result.trajectories)
    return list(zip(result.trajectories, scores, strict=True))


def _candidates(result: SearchResult) -> Table:
    """Answers by the number of candidates that gave them, best first."""
    table = Table(title=f"{len(result.trajectories)} candidates", title_justify="left")
    for column in ("answer", "votes", "best score", "tokens"):
        table.add_column(column, justify="left" if column == "answer" else "right")
    votes: Counter[str] = Counter()
    best: dict[str, float | None] = {}
    tokens: Counter[str] = Counter()
    for trajectory, score in _scored(result):
        answer = trajectory.text.rsplit("</think>", 1)[-1].strip() if "</think>" in trajectory.text else "(none)"
        votes[answer] += 1
        tokens[answer] += len(trajectory)
        if score is not None:
            best[answer] = max(score, best.get(answer) or 0.0)
    for answer, count in votes.most_common(_SHOWN):
        score = best.get(answer)
        table.add_row(answer, str(count), "-" if score is None else f"{score:.2f}", str(tokens[answer]))
    return table


def _bill(result: SearchResult) -> str:
    usage = result.usage
    return (
        f"{usage.spent:.0f} token-equivalents: {usage.kept:.0f} kept, {usage.discarded:.0f} discarded, "
        f"{usage.verifier:.0f} verifier; {usage.calls} calls, {usage.seconds:.1f} s"
    )
