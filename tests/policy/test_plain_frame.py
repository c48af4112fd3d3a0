"""The plain frame: the question alone, all of the response is the answer, and what was cut has none."""

from __future__ import annotations

from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.policy.frames import FRAMES
from ponder.policy.prompts import Prompts
from ponder.thinking import final_answer
from ponder.types import Question, Step, StopReason, Trajectory

SUM = Question("s", "sums", "What is 1 + 2?", "Think step by step and use a box.")


def test_the_prompt_holds_the_question_and_no_instructions() -> None:
    tokenizer = load("tiny").tokenizer
    tokenizer.chat_template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"
    assert Prompts(Codec(tokenizer), frame=FRAMES.parse("plain")).text(SUM) == "[user]What is 1 + 2?[assistant]"
    tokenizer.chat_template = None
    assert Prompts(Codec(tokenizer), frame=FRAMES.parse("plain")).text(SUM) == "Question: What is 1 + 2?\nAnswer: "


def test_the_whole_response_is_the_answer_unless_it_was_cut() -> None:
    frame = FRAMES.parse("plain")

    def answer(stop: StopReason) -> str | None:
        return final_answer(frame.graded(Trajectory(SUM, Step((1,), (0.0,), "1 + 2 = 3", 0, stop))))

    assert answer(StopReason.END) == "1 + 2 = 3"
    assert answer(StopReason.LENGTH) is None
    assert frame.demonstrated(SUM, "1+2\n</think>3") == "1+2\n3" and frame.closing(SUM, "1 + 2") == "\nThe answer is "
