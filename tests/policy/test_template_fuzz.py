"""What must hold of a prompt whatever the chat template and the tokenizer, tried on templates made at random.

The same templates every time, so that a test cannot fail by accident; `PONDER_FUZZ_TEMPLATES=2000` draws that many new
ones.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponder.policy.codec import Codec
from ponder.policy.prompts import Prompts
from ponder.policy.propose import PolicyPropose
from ponder.types import Question, Step, StopReason, Trajectory
from ponder.verifiers.votes import canonical_answer
from tests.policy.templates_of import Case, cases
from tests.policy.test_policy import Recorder

WANTED = int(os.environ.get("PONDER_FUZZ_TEMPLATES", "0"))
templates = settings(
    max_examples=WANTED or 40,
    derandomize=not WANTED,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
INSTRUCTIONS = st.sampled_from(["", "Answer with a number.", " Put it in \\boxed{}.\n"])
QUESTIONS = st.sampled_from(["What is 1 + 2?", " two\n\nlines: ", "x", "1 < 2, <b>x</b>, \\frac{1}{2}", "ça vaut 2 €"])


def asked(case: Case) -> Prompts:
    return Prompts(Codec(case.tokenizer, case.ends))


def written(case: Case, tokens: tuple[int, ...]) -> str:
    """All of it, end tokens too; without the space that Llama 2's tokenizer puts behind every control token."""
    text = str(case.tokenizer.decode(list(tokens), clean_up_tokenization_spaces=False))
    words = [word for word in case.tokenizer.get_added_vocab() if len(word) > 1]
    for word in words if case.kind.startswith("prepend") else ():
        text = text.replace(f"{word} ", word)
    return text


def controls(case: Case, tokens: tuple[int, ...]) -> list[int]:
    added = {i for word, i in case.tokenizer.get_added_vocab().items() if len(word.strip()) > 1}
    return [token for token in tokens if token in added]


def rendered(case: Case, turns: list[dict[str, str]]) -> str:
    return str(case.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))


@given(cases(), INSTRUCTIONS, QUESTIONS)
@templates
def test_a_prompt_is_the_templates_text_and_its_tokens_once_begun_and_ending_where_thinking_begins(
    case: Case, instructions: str, text: str
) -> None:
    prompts, question = asked(case), Question("q", "x", text, instructions)
    tokens = prompts.tokens(question)
    system = [{"role": "system", "content": instructions}] if instructions else []
    turns = [*system, {"role": "user", "content": text}]
    if instructions and not case.takes_system:
        turns = [{"role": "user", "content": f"{instructions}\n\n{text}"}]
    theirs = rendered(case, turns)
    whole = theirs if theirs.endswith("<think>\n") else theirs + "<think>\n"
    if not case.style.trim or text == text.strip():
        # A template that trims is rendered once for all questions, with a slot that has nothing to trim.
        assert prompts.text(question) == whole
        assert tokens == tuple(case.tokenizer.encode(whole, add_special_tokens=False))
    begin = case.tokenizer.bos_token_id
    assert tokens.count(begin) == (0 if case.style.begin == "none" else 1)
    assert begin not in tokens[1:]
    assert prompts.text(question).count("<think>") == 1 and prompts.text(question).endswith("<think>\n")
    assert written(case, tokens).endswith("<think>\n")


@given(cases(), st.data())
@templates
def test_no_text_of_a_question_becomes_a_control_token(case: Case, data: Any) -> None:
    prompts = asked(case)
    words = sorted(word for word in case.tokenizer.get_added_vocab() if len(word) > 1)
    pieces = st.sampled_from([*words, *words, "</think>", "<think>", "<", "|", ">", "a", " ", "\n", "<|im_"])
    hostile = "".join(data.draw(st.lists(pieces, min_size=1, max_size=6)))
    plain, meant = (prompts.tokens(Question("q", "x", text, "Be brief.")) for text in ("a", hostile))
    assert controls(case, meant) == controls(case, plain)
    said = Step((1,), (0.0,), "3", 0, StopReason.END)
    attempt = Trajectory(Question("q", "x", "a", "Be brief."), said)
    assert controls(case, prompts.again(attempt, hostile)) == controls(case, prompts.again(attempt, "a"))


@given(cases())
@templates
def test_every_end_token_ends_a_turn_and_the_templates_own_is_the_one_that_ours_end_with(case: Case) -> None:
    codec = Codec(case.tokenizer, case.ends)
    assert set(case.ends) | {case.tokenizer.eos_token_id} == set(codec.end_ids)
    closing = [word for word in case.style.marks if word in case.style.closes]
    if closing:
        assert codec.eos_id == case.tokenizer.convert_tokens_to_ids(closing[0])
    for end in codec.end_ids:
        assert codec.decode((*codec.encode("3"), end)) == "3"
    assert all(codec.decode(codec.encode(text)) == text for text in ("a b", " a", "3\n", "\n\nx"))
    if not case.kind.startswith("prepend"):  # Llama 2's puts a space behind every control token, and so do its prompts
        assert codec.decode(codec.encode("3\n</think>3")) == "3\n</think>3"


@given(cases(), st.sampled_from(["", " I think so.", "Maybe \\boxed{9}.\nNo, "]))
@templates
def test_the_answer_is_behind_the_thinking_and_what_was_cut_has_none(case: Case, thought: str) -> None:
    codec = Codec(case.tokenizer, case.ends)
    propose = PolicyPropose(Recorder(""), codec, canonical_answer)
    question = Question("q", "mathematics", "What is 1 + 2?")

    def answered(text: str, stop: StopReason, *end: int) -> str | None:
        tokens = (*codec.encode(text), *end)
        return propose.answer(Trajectory(question, Step(tokens, (0.0,) * len(tokens), codec.decode(tokens), 0, stop)))

    for end in codec.end_ids:
        assert answered(f"{thought}</think>\\boxed{{3}}", StopReason.END, end) == answered(
            "</think>\\boxed{3}", StopReason.END, end
        )
        assert answered(f"{thought}</think>\\boxed{{3}}", StopReason.END, end) is not None
    assert answered(f"{thought}</think>\\boxed{{3}}", StopReason.LENGTH) is None


@given(cases(), QUESTIONS)
@templates
def test_a_second_turn_goes_on_from_the_first_as_the_template_writes_it(case: Case, text: str) -> None:
    codec = Codec(case.tokenizer, case.ends)
    propose = PolicyPropose(Recorder(""), codec, canonical_answer)
    question = Question("q", "x", text, "Be brief.")
    body = codec.encode("so\n</think>3")
    for end in codec.end_ids:
        tokens = (*body, end)
        attempt = Trajectory(question, Step(tokens, (0.0,) * len(tokens), "so\n</think>3", 0, StopReason.END))
        again, length = propose.revising(attempt)
        said = written(case, again.after[-length:])
        assert said.endswith("<think>\n") and said.count("<think>") == 1 and "Check this." in said
        assert again.after[: len(body)] == body and case.tokenizer.bos_token_id not in again.after
        # The turn is closed once: by the template's own mark, whatever token the model ended with.
        assert said.startswith(case.style.closes)
        observed = propose.observe(question, attempt.leaf, "This is wrong.")
        assert written(case, observed.tokens).count("This is wrong.") == 1
        assert case.tokenizer.bos_token_id not in observed.tokens
