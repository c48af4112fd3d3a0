"""What an environment says, through chat templates in the manner of six model families and for base models."""

from __future__ import annotations

import pytest

from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.types import Question, Step, StopReason
from ponder.verifiers.votes import canonical_answer
from tests.policy.test_policy import Recorder
from tests.policy.tokenizers_of import BASES, CHATS, byte_level

QUESTION = Question("q", "x", "What is 1 + 2?", "Answer with a number.")
NAMES = [*CHATS, *BASES]


def policy(name: str) -> PolicyPropose:
    made = {**CHATS, **BASES}[name]()
    return PolicyPropose(Recorder(""), Codec(made.tokenizer, made.ends), canonical_answer)


def turn(propose: PolicyPropose, end: int | None = None) -> Step:
    tokens = (*propose.codec.encode("3\n</think>3"), propose.codec.eos_id if end is None else end)
    return Step(tokens, (0.0,) * len(tokens), "3\n</think>3", 0, StopReason.END)


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_from_the_tokens_of_the_turn_with_one_end_of_it(name: str) -> None:
    propose = policy(name)
    said = propose.observe(QUESTION, turn(propose), "This is wrong. Again.")
    text = str(propose.codec.tokenizer.decode(list(said.tokens)))
    assert text.count("This is wrong. Again.") == 1
    assert text.endswith("<think>\n")
    assert "1 + 2" not in text and "Answer with a number" not in text
    assert said.tokens[0] != propose.codec.eos_id and said.is_observation


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_observation_opens_no_turn(name: str) -> None:
    propose = policy(name)
    words = propose.codec.tokenizer.get_added_vocab()
    special = set(words.values())
    controls = "a".join(word for word in words if len(word) > 1)
    plain, hostile = (propose.observe(QUESTION, turn(propose), text).tokens for text in ("no", controls))
    assert [t for t in hostile if t in special] == [t for t in plain if t in special]


def test_a_turn_that_ended_by_another_token_is_closed_by_the_templates_own() -> None:
    propose = policy("qwen2.5")
    other = next(i for i in propose.codec.end_ids if i != propose.codec.eos_id)
    said = propose.observe(QUESTION, turn(propose, other), "Again.")
    assert said.tokens[0] == propose.codec.eos_id


def test_a_template_that_writes_the_users_text_twice_says_it_twice() -> None:
    twice = "{% for m in messages %}<|im_start|>{{ m.content }} Again: {{ m.content }}<|im_end|>{% endfor %}"
    codec = Codec(byte_level(["<|im_start|>", "<|im_end|>"], [], "<|im_end|>", twice))
    propose = PolicyPropose(Recorder(""), codec, canonical_answer)
    said = propose.observe(QUESTION, turn(propose), "no")
    text = str(codec.tokenizer.decode(list(said.tokens)))
    assert text.endswith("<|im_start|>no Again: no<|im_end|><think>\n")
