"""Frames: which one a model gets, what its prompts are, where its answers stand, and that the embedded model's stay."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ponder.engines.scripted import ScriptedEngine
from ponder.models.ends import end_tokens
from ponder.models.load import load
from ponder.policy import export
from ponder.policy.codec import Codec
from ponder.policy.frames import FRAMES
from ponder.policy.frames.auto import Auto
from ponder.policy.frames.chain import Chain
from ponder.policy.frames.few_shot import Example, FewShot
from ponder.policy.frames.frame import Frame
from ponder.policy.frames.place import place_of
from ponder.policy.frames.thinking import Native, Opened, Tags
from ponder.policy.prompts import Prompts
from ponder.policy.propose import PolicyPropose
from ponder.thinking import last_box
from ponder.types import PonderError, Question, Step, StopReason, Trajectory
from ponder.verifiers.votes import canonical_answer
from tests.policy.tokenizers_of import BASES, CHATS

BOXED = r"Think step by step. After your thinking, give the final answer in \boxed{}."
MATHS = Question("m", "file", "What is 1 + 2?", BOXED)
SUM = Question("s", "arithmetic", "Compute 1+2.", "Answer with the number alone.")
GYM = Question("g", "gym:chain_sum", "1 + 2 =", "Give the answer alone.")
CODE = Question("c", "file", "Write f.", "Give the complete Python code in one ```python block.")
GOLDEN = Path(__file__).parents[1] / "golden" / "embedded_prompts.json"


def codec_of(name: str) -> Codec:
    made = {**CHATS, **BASES}[name]()
    return Codec(made.tokenizer, made.ends)


def said(question: Question, text: str, stop: StopReason = StopReason.END) -> Trajectory:
    return Trajectory(question, Step((), (), text, 0, stop))


@pytest.mark.parametrize("kind", ["auto", "opened", "native"])
def test_the_prompts_of_the_embedded_model_are_token_for_token_what_it_was_trained_on(kind: str):
    loaded = load("tiny")
    codec = Codec(loaded.tokenizer, end_tokens(loaded.model))
    prompts = Prompts(codec, frame=FRAMES.parse({"kind": kind}).chosen(codec.tokenizer))
    golden = json.loads(GOLDEN.read_text())
    assert len(golden) == 8
    for name, expected in golden.items():
        family, _, text = name.partition("|")
        question = Question("x", family, text, expected["instructions"])
        tokens = (*codec.encode("3\n</think>3"), codec.eos_id)
        attempt = Trajectory(question, Step(tokens, (0.0,) * len(tokens), "3\n</think>3", 0, StopReason.END))
        assert list(prompts.tokens(question)) == expected["prompt"]
        assert list(prompts.again(attempt)) == expected["again"]
        assert list(prompts.again(attempt, "wrong sign")) == expected["criticised"]
        assert list(prompts.observation(question, "try again")) == expected["observation"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("qwen3", "native"), *((n, "chain") for n in CHATS if n != "qwen3"), *((n, "few_shot") for n in BASES)],
)
def test_auto_goes_by_the_template_and_says_why(name: str, kind: str):
    codec = codec_of(name)
    assert Auto().chosen(codec.tokenizer).kind == kind
    assert Auto().chosen(codec.tokenizer, Tags()) == Tags()  # what was saved with the model comes first
    assert {"native": "token", "chain": "plain words", "few_shot": "no chat template"}[kind] in Auto().why(
        codec.tokenizer
    )


def test_a_template_that_opens_the_thinking_is_a_thinking_mode_and_is_not_opened_twice():
    codec = codec_of("smollm2")
    codec.tokenizer.chat_template += "{% if add_generation_prompt %}{{ '<think>\\n' }}{% endif %}"
    frame = Auto().chosen(codec.tokenizer)
    assert frame == Native()
    assert Prompts(codec, frame=frame).text(MATHS).count("<think>") == 1


def test_a_switch_of_the_template_is_turned_on():
    codec = codec_of("qwen3")
    codec.tokenizer.chat_template += "{% if enable_thinking %}on{% else %}off{% endif %}"
    assert Prompts(codec, frame=Native()).text(MATHS).endswith("on<think>\n")
    assert Prompts(codec, frame=Opened()).text(MATHS).endswith("off<think>\n")


@pytest.mark.parametrize(("question", "place"), [(MATHS, "box"), (SUM, "box"), (GYM, "tags"), (CODE, "block")])
def test_the_place_of_an_answer_follows_from_the_question(question: Question, place: str):
    assert place_of(question) == place
    assert place_of(Question("q", "", "Why?")) == "box"


def test_a_chain_asks_for_the_place_once():
    assert Chain().system(MATHS) == BOXED
    assert Chain().system(SUM) == r"Answer with the number alone. Put the final answer in \boxed{}."
    assert "between <answer> and </answer>" in Chain().system(GYM)
    assert Chain().system(CODE) == CODE.instructions
    assert Tags().system(SUM).endswith("between <think> and </think>. Then give the answer.")


@pytest.mark.parametrize(
    ("question", "text", "stop", "graded"),
    [
        (SUM, r"1 and 2 make \boxed{3}.", StopReason.END, "<think>\n1 and 2 make \\boxed{3}.\n</think>3"),
        (SUM, r"\boxed{2} no, \boxed{3}", StopReason.LENGTH, "<think>\n\\boxed{2} no, \\boxed{3}\n</think>3"),
        (SUM, "So 3, and", StopReason.LENGTH, "<think>\nSo 3, and"),
        (SUM, r"So \boxed{3", StopReason.LENGTH, "<think>\nSo \\boxed{3"),
        (SUM, "It is 3", StopReason.END, "It is 3"),
        (SUM, "So\nThe answer is **3**.", StopReason.END, "<think>\nSo\nThe answer is **3**.\n</think>3"),
        (SUM, "Final answer: 3 or 4", StopReason.END, "<think>\nFinal answer: 3 or 4\n</think>3 or 4"),
        (SUM, "The answer is 3", StopReason.LENGTH, "<think>\nThe answer is 3"),
        (SUM, "The answer is\nnot here", StopReason.END, "The answer is\nnot here"),
        (GYM, "The answer is 'a b'.", StopReason.END, "<think>\nThe answer is 'a b'.\n</think>a b"),
        (MATHS, "The answer is 3.", StopReason.END, "The answer is 3."),
        (CODE, "The answer is x", StopReason.END, "The answer is x"),
        (GYM, "Sum: <answer>3</answer>", StopReason.END, "<think>\nSum: <answer>3</answer>\n</think>3"),
        (MATHS, r"So \boxed{3}", StopReason.END, r"So \boxed{3}"),
        (MATHS, "so 3", StopReason.CONTEXT, "<think>\nso 3"),
        (CODE, "```python\nx\n```", StopReason.END, "```python\nx\n```"),
        (SUM, "<think>\nh</think>3", StopReason.END, "<think>\nh</think>3"),
    ],
)
def test_what_graders_read_of_a_chain(question: Question, text: str, stop: StopReason, graded: str):
    assert Chain().graded(said(question, text, stop)) == graded


def test_a_box_ends_where_its_brace_does():
    assert last_box(r"\boxed{1} and \boxed{\frac{1}{2}}") == r"\frac{1}{2}"
    assert last_box(r"\boxed{1} and \boxed{2") == "1"
    assert last_box(r"\boxed{}") is None and last_box("none") is None


def test_demonstrations_end_in_the_place_of_the_frame():
    assert Opened().demonstrated(SUM, "1+2\n</think>3") == "1+2\n</think>3"
    assert Chain().demonstrated(SUM, "1+2\n</think>3") == "1+2\n\\boxed{3}"
    assert Chain().graded(said(SUM, Chain().demonstrated(SUM, "1+2\n</think>3"))).endswith("</think>3")


def proposing(frame: Frame, script: str, name: str = "smollm2") -> PolicyPropose:
    codec = codec_of(name)
    engine = ScriptedEngine(codec, lambda prompt, rng: script)
    return PolicyPropose(engine, codec, canonical_answer, frame=frame)


def test_a_cut_chain_is_made_to_answer_in_its_place():
    propose = proposing(Chain(), "3}.")
    [leaf] = asyncio.run(propose(SUM, None, 1, until="answer", max_tokens=60, seed=0))
    trajectory = Trajectory(SUM, leaf)
    assert trajectory.text == "\nFinal answer: \\boxed{3}."
    assert trajectory.steps[0].forced and propose.answer(trajectory) == "3"
    again = asyncio.run(propose(SUM, leaf.parent, 1, until="answer", max_tokens=60, seed=0))
    assert Trajectory(SUM, again[0]).text == trajectory.text  # it is not asked twice


def test_a_chain_has_no_end_of_thinking_to_be_put_off():
    with pytest.raises(PonderError, match="frame chain has no mark"):
        asyncio.run(proposing(Chain(), "x")(SUM, None, 1, until="think", max_tokens=9, seed=0))


@pytest.mark.parametrize("until", ["end", "step"])
def test_a_base_model_ends_where_the_next_question_begins(until: str):
    propose = proposing(FewShot(), " It is \\boxed{3}.\nQuestion: What else?", "llama2")
    prompt = propose.prompts.text(SUM)
    assert prompt.count("Question:") == 3 and prompt.endswith("Question: Compute 1+2.\nAnswer:")
    leaf = None
    while leaf is None or leaf.stop is StopReason.STEP:
        script = " It is \\boxed{3}.\n" if leaf is None or until == "end" else "Question: What else?"
        rest = "Question: What else?" if until == "end" else ""
        propose.engine._script = lambda prompt, rng: script + rest  # type: ignore[attr-defined]  # noqa: B023
        [leaf] = asyncio.run(propose(SUM, leaf, 1, until=until, max_tokens=60, seed=0))  # type: ignore[arg-type]
    trajectory = Trajectory(SUM, leaf)
    assert leaf.stop is StopReason.END and "What else" not in trajectory.text
    assert propose.answer(trajectory) == "3"


def test_examples_of_ones_own_are_settings():
    frame = FRAMES.parse({"kind": "few_shot", "examples": [{"question": "a?", "thinking": "b.", "answer": "c"}]})
    assert isinstance(frame, FewShot) and frame.examples == (Example(question="a?", thinking="b.", answer="c"),)
    assert "Question: a?\nAnswer: b. \\boxed{c}" in frame.plain(SUM, "")
    assert "Question: a?" in frame.plain(CODE, "") and FewShot().plain(CODE, "").count("Question:") == 1


@pytest.mark.parametrize("name", ["smollm2", "qwen3", "gemma", "llama3"])
@pytest.mark.parametrize("frame", [Tags(), Chain(), Native(), Opened()])
def test_others_who_follow_the_exported_folder_ask_the_very_prompt(name: str, frame: Frame):
    prompts = Prompts(codec_of(name), frame=frame)
    tokenizer = export.tokenizer_for_others(prompts)
    told = export.asked(prompts, [SUM])["arithmetic"]
    asked = str(tokenizer.apply_chat_template(told["messages"], tokenize=False, add_generation_prompt=True))
    expected = prompts.text(Question("", "arithmetic", "{question}", SUM.instructions))
    day = "26 Jul 2024"  # a template that writes the date writes today's for others
    assert asked == expected or (name == "llama3" and day in expected)
    assert told["prompt"] == expected
    back = Prompts(Codec(tokenizer, prompts.codec.end_ids), frame=frame)  # asked by Ponder again: opened once
    assert back.tokens(SUM) == prompts.tokens(SUM)
