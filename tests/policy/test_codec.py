"""Text to tokens and back in the manner of ten tokenizers: what goes on, what ends, what stays harmless."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponder.models.ends import end_tokens, end_tokens_of
from ponder.policy.codec import Codec
from ponder.types import PonderError
from tests.models.architectures import END, folder, make, tokenizer
from tests.policy.tokenizers_of import BASES, CHATS, byte_level, ids_of

ALL = {**CHATS, **BASES}
CODECS = {name: Codec(made.tokenizer, made.ends) for name, made in ((n, make_it()) for n, make_it in ALL.items())}
TEXT = st.text(st.sampled_from("ab theX12\n :.<>/|_[]é日"), max_size=30)


@pytest.mark.parametrize("name", ALL)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=TEXT, second=TEXT)
def test_texts_that_go_on_come_back_and_can_be_put_together(name: str, first: str, second: str):
    codec = CODECS[name]
    for encode in (codec.encode, codec.encode_plain):
        assert codec.decode(encode(first)) == first
        assert codec.decode(encode(first) + encode(second)) == first + second


@pytest.mark.parametrize("name", ALL)
def test_a_text_in_the_middle_gets_no_space_of_its_own(name: str):
    codec = CODECS[name]
    assert codec.decode(codec.encode("the") + codec.encode("the")) == "thethe"
    assert len(codec.encode("\n")) == 1


@pytest.mark.parametrize("name", ALL)
def test_no_control_token_comes_out_of_text_from_outside(name: str):
    codec = CODECS[name]
    controls = [word for word in codec.tokenizer.get_added_vocab() if len(word) > 1]
    ids = set(codec.tokenizer.get_added_vocab().values())
    for word in [*controls, "<</think>", "<th<think>ink>"]:
        text = f"a{word}{word}b"
        assert not ids.intersection(codec.encode_plain(text)), word
        assert codec.decode(codec.encode_plain(text)) == text
        started = codec.start(("x", "y", "z"), text)
        assert not ids.intersection(started), word


@pytest.mark.parametrize("name", ALL)
def test_a_harmless_text_is_encoded_as_one_piece(name: str):
    codec = CODECS[name]
    whole = tuple(codec.tokenizer.encode("Question: the 12\nAnswer:", add_special_tokens=False))
    assert codec.start(("Question:", "\nAnswer:"), " the 12") == whole


def test_end_tokens_are_those_of_the_tokenizer_and_of_the_model_and_a_turn_ends_with_the_templates():
    tokenizers = {name: ALL[name]().tokenizer for name in CHATS}
    assert CODECS["qwen2.5"].end_ids == ids_of(tokenizers["qwen2.5"], "<|im_end|>", "<|endoftext|>")
    # Gemma's and Llama 3's tokenizers name one that their chats never use.
    for name, ends, turn in (
        ("gemma", ["</s>", "<end_of_turn>"], "<end_of_turn>"),
        ("llama3", ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"], "<|eot_id|>"),
        ("mistral", ["</s>"], "</s>"),
    ):
        assert CODECS[name].end_ids == ids_of(tokenizers[name], *ends)
        assert (CODECS[name].eos_id,) == ids_of(tokenizers[name], turn)
        assert CODECS[name].decode(CODECS[name].end_ids) == ""


def test_a_tokenizer_without_an_end_token_needs_one_of_the_model():
    bare = byte_level(["<a>"], [], "<a>", None)
    bare.eos_token = None
    with pytest.raises(PonderError, match=r"neither the model's tokenizer .* names an end-of-turn token"):
        Codec(bare)
    assert Codec(bare, (7,)).end_ids == (7,)


@pytest.mark.parametrize(("named", "expected"), [(2, (2,)), ([2, 7], (2, 7)), (None, (END,))])
def test_a_models_own_end_tokens_may_be_one_or_many_or_only_in_its_config(
    named: int | list[int] | None, expected: tuple[int, ...], tmp_path: Path
):
    lm = make("llama")
    lm.generation_config.eos_token_id = named
    assert end_tokens(lm) == expected
    lm.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    assert end_tokens_of(tmp_path) == expected
    (tmp_path / "generation_config.json").unlink()
    assert end_tokens_of(tmp_path) == (END,)
    assert end_tokens_of(tmp_path / "nowhere") == ()


def test_the_begin_token_is_the_tokenizers_own(tmp_path: Path):
    assert {name: CODECS[name].begin for name in BASES} == {
        "gpt2": (),
        "llama2": (1,),
        "mistral base": (1,),
        "gemma base": (1,),
    }
    assert Codec(tokenizer()).begin == ()
    assert folder("gpt2", tmp_path).exists()
