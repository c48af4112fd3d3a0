"""What can be said of an answer without its key: a check by the question itself, and warnings in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ponder.api.problems import load_families
from ponder.evaluation import self_check
from ponder.models import trained_on
from ponder.runlog import read_config
from ponder.search.strategy import Thinking
from ponder.types import PonderError, Question, SearchResult, Trajectory, Usage

SHARE_LEFT = 0.1  # of a budget, below which nothing is said of what was not spent
LOW = 0.1  # a verifier's score of the chosen answer below which it is said


def checked_first(result: SearchResult, answers: Sequence[str | None]) -> tuple[SearchResult, bool | None, str | None]:
    """The result, with a candidate that the question itself shows to be right in place of a choice that is not.

    `answers` are those of `result.trajectories`. Returned with it: whether its answer is right (None: this question
    cannot be checked without its key, or there is no answer), and a sentence if another candidate took the place of
    the strategy's choice. What was spent stays the same.
    """
    if result.trajectory is None or (right := self_check.checked(result.question, result.trajectory.text)) is None:
        return result, None, None
    if right:
        return result, True, None
    for trajectory, answer in zip(result.trajectories, answers, strict=True):
        if self_check.checked(result.question, trajectory.text):
            note = (
                f"the strategy chose {result.answer}, which is wrong by the question itself; {answer} is right and was "
                "taken instead"
            )
            return _choosing(result, trajectory, answer), True, note
    return result, None if result.answer is None else False, None


def _choosing(result: SearchResult, trajectory: Trajectory, answer: str | None) -> SearchResult:
    usage, kept = result.usage, float(len(trajectory))
    usage = replace(usage, kept=kept, discarded=usage.kept + usage.discarded - kept)
    return replace(result, answer=answer, trajectory=trajectory, usage=usage)


def chosen_score(result: SearchResult) -> float | None:
    """The verifier's score of the answer; None if it gave none."""
    pairs = zip(result.trajectories, result.scores, strict=False)
    return next((score for trajectory, score in pairs if trajectory is result.trajectory), None)


def unspent(usage: Usage, limit: float, strategy: Thinking) -> str | None:
    """A sentence on what was left of the budget `limit`, and why; None if it is less than a tenth."""
    left = limit - usage.spent
    if left < SHARE_LEFT * limit:
        return None
    # An answer and its verdict cost less than three times the longest answer: with more left it was the number.
    most = getattr(strategy, "n_max", None) if left > 3 * strategy.max_tokens else None
    why = f"at most {most} answers are drawn for one question (n_max)" if most else strategy.leaves
    return f"{left:,.0f} of {limit:,.0f} token-equivalents were left: {why}"


def warnings(question: Question, model: str, score: float | None, right: bool | None) -> list[str]:
    """What a reader should know before believing the answer."""
    found = []
    if right is False:
        found.append("checked against the question: this answer is wrong, and no candidate was right")
    if score is not None and score < LOW and not right:
        found.append(f"the verifier gives this answer {score:.2f} of 1: it does not believe it")
    known = trained_families(model)
    if known is not None and question.family not in known:
        kind = f"is of {question.family}" if question.family else "looks like none of them"
        found.append(
            f"{model} was trained on {', '.join(known)} alone, and this question {kind}; the answer may be nonsense"
        )
    return found


def trained_families(model: str) -> tuple[str, ...] | None:
    """The families that a model folder was trained on: as it says itself, or as its run folder says; None: unknown."""
    known = trained_on.read(model)
    run = Path(model).resolve().parent
    if known is not None or not (run / "config.toml").is_file():
        return known
    try:
        return tuple(family.name for family in load_families(list(read_config(run).get("problems", ()))))
    except PonderError:  # not a run folder, or its file of problems is gone: then nothing is known
        return None
