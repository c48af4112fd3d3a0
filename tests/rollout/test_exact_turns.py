"""What was sampled is what is trained on: token for token, over turns and tools, on the templates of four families.

The engine draws tokens at random, so that most of what it says would be other tokens if it were decoded and encoded
again. Every request and every row for the trainer is then held against what it drew:

    prompt | drawn 1 ... end | read | drawn 2 ... end | read | ...
             learned from              learned from
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponder.environments.environment import EnvironmentSettings
from ponder.learning.samples import rows
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.policy.rewriting import rewriting
from ponder.protocols import Check, Completion, Request
from ponder.rollout.collect import collect
from ponder.tools import Calculator, Toolbox
from ponder.types import Credit, Key, Problem, Question, Sample, Step, StopReason, Trajectory, Verdict
from ponder.verifiers.votes import canonical_answer
from tests.policy.tokenizers_of import CHATS, GEMMA
from tests.policy.tool_templates import FOUR, NATIVE

CODECS = {name: Codec(make().tokenizer, make().ends) for name, make in FOUR.items()}
examples = settings(
    max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
CALLS = ['<tool_call>\n{"name": "calc", "arguments": {"expression": "%d+1"}}\n</tool_call>', "<tool_call>{</tool_call>"]


class Dice:
    """An engine that draws plain tokens at random, sometimes a call in single signs, and ends as it likes."""

    version, context = 3, 100_000

    def __init__(self, codec: Codec, calls: Sequence[str] = (), lengths: tuple[int, int] = (0, 30)) -> None:
        self.codec, self.calls, self.lengths = codec, calls, lengths
        added = set(codec.tokenizer.get_added_vocab().values())
        self.plain = sorted(set(codec.tokenizer.get_vocab().values()) - added)
        self.made: list[tuple[Request, Completion]] = []

    async def generate(self, request: Request) -> Completion:
        rng = random.Random(f"{request.seed}/{len(request.prompt)}")
        tokens = [rng.choice(self.plain) for _ in range(rng.randint(*self.lengths))]
        if self.calls and rng.random() < 0.5:
            call = rng.choice(self.calls).replace("%d", str(rng.randint(0, 99)))
            tokens += [token for sign in call for token in self.codec.encode(sign)]
        tokens.append(rng.choice(self.codec.end_ids))
        cut = len(tokens) > request.max_tokens
        tokens = tokens[: request.max_tokens]
        logprobs = tuple(-1.0 / (2 + token + at) for at, token in enumerate(tokens))
        done = Completion(tuple(tokens), logprobs, StopReason.LENGTH if cut else StopReason.END, 3)
        self.made.append((request, done))
        await asyncio.sleep(0)
        return done

    async def score(self, prompt: object, continuation: object) -> tuple[float, ...]:
        raise AssertionError("not asked for")


class Chatter(EnvironmentSettings):
    """Says what it was given, one text a turn."""

    kind: Literal["chatter"] = "chatter"
    texts: tuple[str, ...] = ()

    @property
    def most_turns(self) -> int:
        return len(self.texts) + 1

    @asynccontextmanager
    async def episode(self, problem: Problem, check: Check, *, seed: int) -> AsyncIterator[Chatter.Talk]:
        yield Chatter.Talk(self.texts)

    class Talk:
        def __init__(self, texts: Sequence[str]) -> None:
            self.left = list(texts)

        async def reply(self, trajectory: Trajectory) -> str | None:
            return self.left.pop(0)

        async def verdict(self, trajectory: Trajectory) -> Verdict:
            return Verdict(outcome=1.0)


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    return [Verdict(outcome=1.0) for _ in responses]


def sampled(
    propose: PolicyPropose, question: Question, texts: Sequence[str], max_tokens: int, seed: int
) -> list[Sample]:
    environment, problem = Chatter(texts=tuple(texts)), Problem(question, Key())
    some = collect([problem], propose, grade, group_size=2, max_tokens=max_tokens, seed=seed, environment=environment)
    (group,) = asyncio.run(some)
    credits = [Credit(t, (1.0,) * len(t)) for t in group.trajectories]
    return rows([credits], propose.prompts.tokens)


def check_exact(engine: Dice, samples: Sequence[Sample]) -> int:
    """Every draw stands in a row where it was drawn, and nothing else is learned from. Returns the draws found."""
    found = 0
    for sample in samples:
        whole, learned = sample.prompt + sample.response, [0.0] * len(sample.response)
        logprobs = [0.0] * len(sample.response)
        for request, done in engine.made:
            at = len(request.prompt)
            if whole[:at] != request.prompt or whole[at : at + len(done.tokens)] != done.tokens:
                continue
            found += 1
            place = slice(at - len(sample.prompt), at - len(sample.prompt) + len(done.tokens))
            learned[place], logprobs[place] = [1.0] * len(done.tokens), list(done.logprobs)
        assert list(sample.mask_T) == learned, "a token that was not drawn here is learned from, or one that was is not"
        assert list(sample.logprobs_T) == logprobs
    assert found >= len(engine.made), "a draw was behind other tokens than those of its row"
    return found


TEXTS = st.lists(
    st.one_of(st.text(max_size=12), st.sampled_from(["", "<|im_end|>", "</think>3", "Again.\n", "<|eot_id|>a"])),
    max_size=3,
)


@pytest.mark.parametrize("name", [*FOUR])
@given(asked=st.text(min_size=1, max_size=12), texts=TEXTS, seed=st.integers(0, 10**6), most=st.integers(1, 400))
@examples
def test_over_turns_the_rows_are_what_the_engine_drew(
    name: str, asked: str, texts: list[str], seed: int, most: int
) -> None:
    engine = Dice(CODECS[name])
    propose = PolicyPropose(engine, CODECS[name], canonical_answer)
    check_exact(engine, sampled(propose, Question("q", "x", asked, "Be brief."), texts, most, seed))


@pytest.mark.parametrize("name", [*NATIVE])
@given(texts=TEXTS, seed=st.integers(0, 10**6))
@examples
def test_over_turns_with_calls_in_the_models_own_format_too(name: str, texts: list[str], seed: int) -> None:
    form = CODECS[name].tool_format
    assert form is not None
    calls = CALLS if form.kind == "hermes" else ['{"name": "calc", "parameters": {"expression": "%d+1"}}']
    engine = Dice(CODECS[name], calls, lengths=(0, 0) if form.kind == "llama" else (0, 20))
    propose = PolicyPropose(engine, CODECS[name], canonical_answer, tools=Toolbox([Calculator()], calls=3))
    samples = sampled(propose, Question("q", "x", "2+2?"), texts, 1500, seed)
    check_exact(engine, samples)
    for sample in samples:  # a turn is one of the environment's: calls make none
        assert max(sample.turn_T) <= len(texts)


class EncodesAgain(PolicyPropose):
    """The mistake: a turn is decoded, and encoded again, before the next one is drawn."""

    def observe(self, question: Question, prefix: Step, text: str) -> Step:
        said = "".join(step.text for step in prefix.path)
        tokens = (*self.codec.encode(said), self.codec.eos_id)
        again = Step(tokens, (0.0,) * len(tokens), said, prefix.version, StopReason.END)
        return super().observe(question, again, text)


@pytest.mark.parametrize("name", [*FOUR])
def test_the_canary_a_turn_that_is_encoded_again_is_caught(name: str) -> None:
    engine = Dice(CODECS[name], lengths=(20, 30))
    propose = EncodesAgain(engine, CODECS[name], canonical_answer)
    samples = sampled(propose, Question("q", "x", "2+2?"), ["Again."], 1000, 0)
    with pytest.raises(AssertionError, match=r"learned from|behind other tokens"):
        check_exact(engine, samples)


def test_a_template_that_rewrites_history_is_noticed() -> None:
    def history(codec: Codec) -> str:
        return rewriting(PolicyPropose(Dice(codec), codec, canonical_answer).prompts).history

    assert {name: history(CODECS[name]) for name in FOUR} == {
        "qwen2.5": "kept",
        "qwen3": "thinking",
        "llama3": "kept",
        "smollm2": "kept",
    }
    gemma = CHATS["gemma"]()
    assert history(Codec(gemma.tokenizer, gemma.ends)) in ("kept", "spacing")
    gemma.tokenizer.chat_template = GEMMA.replace("m.content | trim", "m.content | replace('One', 'Two') | trim")
    assert history(Codec(gemma.tokenizer, gemma.ends)) == "other"


def test_what_the_template_leaves_out_is_said_in_a_sentence() -> None:
    found: Any = rewriting(PolicyPropose(Dice(CODECS["qwen3"]), CODECS["qwen3"], canonical_answer).prompts)
    assert "takes the thinking out" in found.sentence and "keeps the tokens that were sampled" in found.sentence
