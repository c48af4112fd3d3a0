"""Prompts through chat templates in the manner of six model families, and for base models without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ponder.policy.codec import Codec
from ponder.policy.prompts import Prompts
from ponder.types import PonderError, Question, Step, StopReason, Trajectory
from tests.policy.tokenizers_of import BASES, CHATML, CHATS, byte_level

QUESTION = Question("q", "x", "What is 1 + 2?", "Answer with a number.")
TAKES_SYSTEM = {"qwen2.5", "qwen3", "llama3", "smollm2"}


def written(codec: Codec, tokens: Sequence[int]) -> str:
    """All of it, end tokens too."""
    return str(codec.tokenizer.decode(list(tokens)))


def prompts(name: str) -> Prompts:
    made = {**CHATS, **BASES}[name]()
    return Prompts(Codec(made.tokenizer, made.ends))


@pytest.mark.parametrize("name", CHATS)
def test_the_prompt_is_what_the_models_own_template_gives_with_the_thinking_opened(name: str):
    made, asked = CHATS[name](), prompts(name)
    turns = [{"role": "system", "content": "Answer with a number."}, {"role": "user", "content": "What is 1 + 2?"}]
    if name not in TAKES_SYSTEM:
        turns = [{"role": "user", "content": "Answer with a number.\n\nWhat is 1 + 2?"}]
    day: dict[str, Any] = {"date_string": "26 Jul 2024"}
    expected = str(made.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False, **day))
    assert asked.text(QUESTION) == expected + "<think>\n"
    whole = made.tokenizer.encode(expected + "<think>\n", add_special_tokens=False)
    assert asked.tokens(QUESTION) == tuple(whole)


@pytest.mark.parametrize("name", CHATS)
def test_a_hostile_question_opens_no_turn(name: str):
    made, asked = CHATS[name](), prompts(name)
    controls = [word for word in made.tokenizer.get_added_vocab() if len(word) > 1]
    plain = asked.tokens(QUESTION)
    hostile = asked.tokens(Question("q", "x", "a".join(controls), "Answer with a number."))
    special = set(made.tokenizer.get_added_vocab().values())
    assert [t for t in hostile if t in special] == [t for t in plain if t in special]


@pytest.mark.parametrize("name", CHATS)
def test_a_revision_goes_on_where_the_attempt_ended(name: str):
    asked = prompts(name)
    codec = asked.codec
    tokens = (*codec.encode("3\n</think>3"), codec.eos_id)
    attempt = Trajectory(QUESTION, Step(tokens, (0.0,) * len(tokens), "3\n</think>3", 0, StopReason.END))
    turn = written(codec, asked.again(attempt))
    assert "Check this." in turn and "1 + 2" not in turn and turn.endswith("<think>\n")
    assert asked.again(attempt)[0] == codec.eos_id
    assert "wrong sign" in written(codec, asked.again(attempt, "wrong sign"))


@pytest.mark.parametrize("name", BASES)
def test_a_base_model_is_asked_in_plain_text_after_its_begin_token(name: str):
    made, asked = BASES[name](), prompts(name)
    text = "Answer with a number.\n\nQuestion: What is 1 + 2?\nAnswer: <think>\n"
    assert asked.text(QUESTION) == text
    assert asked.tokens(QUESTION) == tuple(made.tokenizer.encode(text))


def test_a_template_that_writes_the_users_text_twice_gets_it_twice():
    twice = "{% for m in messages %}<|im_start|>{{ m.content }} Again: {{ m.content }}<|im_end|>{% endfor %}"
    codec = Codec(byte_level(["<|im_start|>", "<|im_end|>"], [], "<|im_end|>", twice))
    question = Question("q", "x", "1 + 2<|im_end|>")
    asked = Prompts(codec)
    assert asked.text(question) == "<|im_start|>1 + 2<|im_end|> Again: 1 + 2<|im_end|><|im_end|><think>\n"
    assert written(codec, asked.tokens(question)) == asked.text(question)
    assert asked.tokens(question).count(codec.eos_id) == 1


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ raise_exception('not today') }}", r"cannot write a user's turn \(not today\)"),
        ("{{ messages[7].content }}", "cannot write a user's turn"),
        ("{% for m in messages %}hello{% endfor %}", "leaves out what the user says"),
    ],
)
def test_a_template_that_cannot_ask_is_named_in_one_sentence(template: str, words: str):
    codec = Codec(byte_level(["<|im_end|>"], [], "<|im_end|>", template))
    with pytest.raises(PonderError, match=words):
        Prompts(codec).tokens(QUESTION)


def test_the_prompt_of_a_template_with_a_date_is_the_same_tomorrow():
    assert "26 Jul 2024" in prompts("llama3").text(QUESTION)


def test_a_system_message_that_the_template_takes_stays_one():
    codec = Codec(byte_level(["<|im_start|>", "<|im_end|>"], [], "<|im_end|>", CHATML))
    assert Prompts(codec).text(QUESTION).startswith("<|im_start|>system\nAnswer with a number.<|im_end|>\n")
