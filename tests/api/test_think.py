"""`ponder.think`: what it answers, what it checks without a key, and what it says should not be believed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import ponder
from ponder.api.thinking.answers import marked_answer
from ponder.api.thinking.checks import trained_families
from ponder.engines.scripted import Script, ScriptedEngine
from ponder.models.load import load
from ponder.protocols import Completion, Price, Request
from ponder.runlog import RunLog
from ponder.types import PonderError, Question, Trajectory, Verdict

MAKE = "Make 18 from 3, 6, 1."
WRONG, RIGHT = "think</think>3+6+1", "think</think>3*6*1"


@pytest.fixture(scope="module")
def codec() -> ponder.Codec:
    return ponder.Codec(load("tiny").tokenizer)


def source(codec: ponder.Codec, script: Script, **more: Any) -> ponder.Source:
    return ponder.source_from_engine("scripted", ScriptedEngine(codec, script, **more), codec)


class Flat:
    """A judge that gives every response the same score."""

    def __init__(self, score: float) -> None:
        self.score = score

    def price(self, question: Question) -> Price:
        return Price()

    def extra(self, trajectory: Trajectory) -> float:
        return 0.0

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        return [Verdict(score=self.score) for _ in trajectories]


def test_a_candidate_that_is_right_by_the_question_itself_wins_over_the_choice(codec: ponder.Codec) -> None:
    thought = ponder.think(MAKE, source(codec, {"": [(WRONG, 0.8), (RIGHT, 0.2)]}), budget=600, max_tokens=64)
    answers = [t.text for t in thought.result.trajectories]
    assert answers.count(WRONG) > answers.count(RIGHT) > 0  # the vote alone would choose the wrong one
    assert thought.answer == "1*3*6" and thought.checked is True
    assert thought.warnings[0].startswith("the strategy chose 1+3+6, which is wrong by the question itself")
    usage = thought.result.usage
    assert usage.kept == len(thought.result.trajectory or ()) and usage.spent == sum(
        map(len, thought.result.trajectories)
    )
    assert "".join(node.text for node in thought.tree.chosen) == RIGHT
    assert thought.tree.answer == "3*6*1"  # as it was written; votes count the class 1*3*6


def test_where_nothing_is_right_that_is_said(codec: ponder.Codec) -> None:
    thought = ponder.think(MAKE, source(codec, {"": [(WRONG, 1.0)]}), budget=200, max_tokens=64)
    assert thought.answer == "1+3+6" and thought.checked is False
    assert "this answer is wrong, and no candidate was right" in thought.warnings[0]


def test_self_check_is_a_verifier_here_as_in_eval(codec: ponder.Codec) -> None:
    some = source(codec, {"": [(WRONG, 0.8), (RIGHT, 0.2)]})
    thought = ponder.think(MAKE, some, strategy="best_of_n", verifier="self-check", budget=600, max_tokens=64)
    assert thought.answer == "1*3*6" and thought.score == 1.0 and thought.warnings == ()
    with pytest.raises(PonderError, match="cannot be checked without its key"):
        ponder.think("Compute 1+1.", some, strategy="best_of_n", verifier="self-check")


def test_an_answer_that_its_verifier_does_not_believe_is_a_warning(codec: ponder.Codec) -> None:
    some = source(codec, {"": [("t</think>2", 0.5), ("t</think>3", 0.5)]})
    for score, said in ((0.04, ("the verifier gives this answer 0.04 of 1: it does not believe it",)), (0.4, ())):
        thought = ponder.think(
            "Compute 1+1.", some, strategy="best_of_n", verifier=Flat(score), budget=200, max_tokens=64
        )
        assert thought.score == score and thought.warnings == said


def test_a_question_outside_what_the_model_was_trained_on_is_a_warning() -> None:
    thought = ponder.think("What is the capital of France?", "tiny", strategy="sample", budget=100, max_tokens=64)
    assert any("tiny was trained on arithmetic, cipher, countdown alone" in said for said in thought.warnings)
    inside = ponder.think("Compute 1+1.", "tiny", strategy="sample", budget=100, max_tokens=64)
    assert inside.warnings == () and inside.answer == "2"


def test_a_model_folder_without_a_word_of_its_own_is_known_by_its_run(tmp_path: Path) -> None:
    with RunLog.open(tmp_path, {"problems": ["countdown", "arithmetic?terms=3"]}):
        (tmp_path / "model").mkdir()
    assert trained_families(str(tmp_path / "model")) == ("countdown", "arithmetic")
    assert trained_families(str(tmp_path)) is None


def test_a_transcript_is_no_answer_to_a_question_of_a_family() -> None:
    asked, free = Question("1", "countdown", MAKE), Question("2", "", "Why?")
    transcript = "3+6=9,9+1=10\n3*6=18"
    assert marked_answer(asked, transcript) is None and marked_answer(free, transcript) == "3+6=9,9+1=10 3*6=18"
    assert marked_answer(asked, f"{transcript}</think>3*6*1") == "1*3*6" and marked_answer(asked, "1*3*6") == "1*3*6"


def test_no_strategy_shows_its_transcript_as_the_answer(codec: ponder.Codec) -> None:
    some = source(codec, {"": [("3+6=9\n9+1=10\n", 1.0)]})
    thought = ponder.think(MAKE, some, strategy="vote", budget=200, max_tokens=64)
    assert thought.answer is None and thought.text.startswith("3+6=9")
    assert thought.checked is None and thought.warnings == ()  # no answer is not a wrong one


def test_a_folder_with_another_search_is_refused_or_overwritten(codec: ponder.Codec, tmp_path: Path) -> None:
    some = source(codec, {"": [(RIGHT, 1.0)]})
    ponder.think(MAKE, some, budget=100, max_tokens=64, out=tmp_path)
    with pytest.raises(PonderError, match="holds the tree of another search; name another folder or add --overwrite"):
        ponder.think(MAKE, some, budget=100, max_tokens=64, out=tmp_path)
    ponder.think(MAKE, some, budget=100, max_tokens=64, out=tmp_path, overwrite=True)


def test_it_works_where_an_event_loop_runs_already_as_in_a_notebook(codec: ponder.Codec) -> None:
    async def cell() -> ponder.Thought:
        return ponder.think(MAKE, source(codec, {"": [(RIGHT, 1.0)]}), budget=100, max_tokens=64)

    assert asyncio.run(cell()).answer == "1*3*6"


class Interrupting(ScriptedEngine):
    """Serves three calls; at the fourth somebody presses Ctrl-C while it and the others still run."""

    async def generate(self, request: Request) -> Completion:
        if len(self.calls) < 3:
            return await super().generate(request)
        if len(self.calls) == 3:
            self.calls.append(request)
            await asyncio.sleep(0.2)  # so that the three have ended
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(30)
        raise AssertionError("nobody stopped")


def test_ctrl_c_within_one_large_draw_keeps_what_has_ended(codec: ponder.Codec) -> None:
    engine = Interrupting(codec, {"": [(RIGHT, 1.0)]})
    some = ponder.source_from_engine("scripted", engine, codec)
    thought = ponder.think(MAKE, some, strategy="vote", budget=200_000, max_tokens=64)
    assert thought.interrupted and thought.answer == "1*3*6" and len(thought.result.trajectories) == 3
    usage = thought.result.usage
    each = len(thought.result.trajectories[0])
    assert (usage.kept, usage.discarded) == (each, 2 * each) and usage.unsettled > 0
    assert "stopped by Ctrl-C with the best answer so far" in (thought.result.degraded or "")


def test_a_deadline_within_one_draw_keeps_what_has_ended(codec: ponder.Codec) -> None:
    some = source(codec, {"": [(RIGHT, 1.0)]}, faults={2: "hang"})
    thought = ponder.think(MAKE, some, strategy="vote", budget=64 * 4, max_tokens=64, seconds=0.5)
    assert not thought.interrupted and thought.answer == "1*3*6" and len(thought.result.trajectories) == 3
    assert thought.result.usage.unsettled == 64 - 32  # one draw of at most max_tokens less answer_reserve
