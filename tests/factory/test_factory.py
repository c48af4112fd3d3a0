"""Chains made to order: where they are cut, what is put together, that each is checked, and who wrote which span."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ponder.api.imitate import Pieces
from ponder.api.imitate import row as imitated_row
from ponder.api.policies import load_policy
from ponder.engines.loop import run as run_async
from ponder.engines.scripted import ScriptedEngine
from ponder.factory import parquet
from ponder.factory.chain import Chain, Kind, Span
from ponder.factory.errors import ByRollouts, ByTruth, ByVerifier, FirstError
from ponder.factory.job import METHODS, Factory, Made, Settings
from ponder.factory.work import TURN, Role
from ponder.labels.rollouts import Rollouts, Source
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.problems.families.arithmetic import Arithmetic
from ponder.types import Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict
from ponder.verifiers.votes import canonical_answer

PROBLEM = Problem(Question("p", "toy", "go?"), Key("yes"))
STEPS = ["one\n", "two\n", "three\n", "four\n"]


@cache
def codec_of() -> Codec:
    return Codec(load("tiny").tokenizer)


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    return [Verdict(outcome=float(r.rpartition("</think>")[2].strip() == "yes")) for r in responses]


def script(prompt: str, rng: random.Random) -> str:
    """Goes on to the end. Where a "bad" line stands in the thinking, the answer is wrong; new ones come by chance."""
    said = prompt.rpartition("<think>\n")[2]
    done = said.count("\n")
    spoiled = "bad" in said
    lines = []
    for at in range(done, 4):
        spoil = not spoiled and at == 2 and rng.random() < 0.5
        spoiled = spoiled or spoil
        lines.append("bad\n" if spoil else STEPS[at])
    return f"{''.join(lines)}</think>{'no' if spoiled else 'yes'}"


def source(say: Any = script, **options: Any) -> Source:
    codec = codec_of()
    propose = PolicyPropose(ScriptedEngine(codec, say, **options), codec, canonical_answer)
    return Source(propose, grade, max_tokens=200, seed=0)


def wrong(*texts: str) -> Trajectory:
    leaf: Step | None = None
    codec = codec_of()
    for at, text in enumerate(texts):
        tokens = codec.encode(text)
        stop = StopReason.END if at == len(texts) - 1 else StopReason.STEP
        leaf = Step(tokens, (0.0,) * len(tokens), text, 0, stop, leaf)
    assert leaf is not None
    return Trajectory(PROBLEM.question, leaf)


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_the_search_finds_the_first_wrong_step_wherever_it_is(at: int) -> None:
    texts = [*STEPS[:at], "bad\n", *STEPS[at + 1 :], "</think>no"]

    def after(prompt: str, rng: random.Random) -> str:
        return "</think>no" if "bad" in prompt else "</think>yes"

    found = run_async(ByRollouts(2)(wrong(*texts), Rollouts(PROBLEM, source(after))))
    assert found == at


def test_the_verifier_names_the_first_step_that_it_doubts_and_may_name_none() -> None:
    class Opinion:
        def __init__(self, *scores: float) -> None:
            self.scores = scores

        async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
            return [Verdict(score=0.0, step_scores=self.scores) for _ in trajectories]

    rollouts, sample = Rollouts(PROBLEM, source()), wrong("one\n", "bad\n", "</think>no")
    judge: Any = Opinion(0.9, 0.2, 0.1)
    assert run_async(ByVerifier(judge)(sample, rollouts)) == 1
    sure: Any = Opinion(0.9, 0.8, 0.7)
    assert run_async(ByVerifier(sure)(sample, rollouts)) is None


def test_the_truth_names_the_first_false_line_of_arithmetic() -> None:
    family = Arithmetic(terms=3)
    problem = next(p for p in (family.problem(i) for i in range(99)) if p.question.text.count("*") == 0)
    value = int(problem.key.answer or "")
    sample = wrong(f"{value - 1}+1\n", f"{value + 5}\n", f"</think>{value + 5}")
    assert run_async(ByTruth()(sample, Rollouts(problem, source()))) == 1
    assert run_async(ByTruth()(sample, Rollouts(PROBLEM, source()))) is None  # a family without this truth


def made(*methods: str, say: Any = script, judge: FirstError | None = None, **settings: Any) -> Made:
    drawn = source(say)
    role = Role("m", drawn.propose)
    factory = Factory(
        drawn,
        judge or ByRollouts(4),
        {"planner": role, "elaborator": role, "critic": role},
        "m",
        grade,
        Settings(methods, samples=8, **settings),
    )
    found: Made = run_async(factory.make([PROBLEM]))
    return found


def test_rejection_keeps_each_right_text_once() -> None:
    found = made("rejection")
    assert [chain.text for chain in found.chains] == ["".join(STEPS) + "</think>yes"]
    (span,) = found.chains[0].spans
    assert span.kind == "right"
    assert span.by == "m"
    assert span.source.startswith("p#")


def test_a_pivot_chain_is_a_wrong_branch_a_turn_and_a_right_sample_from_its_beginning() -> None:
    (chain,) = made("pivots").chains
    assert chain.text == f"one\ntwo\nbad\n{TURN}{''.join(STEPS)}</think>yes"
    assert [span.kind for span in chain.spans] == ["right", "wrong", "turn", "right"]
    first, bad, turn, last = chain.spans
    assert first.source == bad.source != last.source
    assert bad.note == "step 2, first error by rollouts"
    assert turn.by == "factory"
    assert chain.outcome == 1.0


def test_a_correction_takes_back_the_wrong_step_and_a_continuation_leaves_it_out() -> None:
    found = made("corrections", "continuations", draws=8)
    corrected, continued = found.chains
    assert corrected.text == f"one\ntwo\nbad\n{TURN}three\nfour\n</think>yes"
    assert [span.kind for span in corrected.spans] == ["right", "wrong", "turn", "correction"]
    assert continued.text == "one\ntwo\nthree\nfour\n</think>yes"
    assert [span.kind for span in continued.spans] == ["right", "continuation"]


def test_only_samples_with_a_wrong_answer_are_corrected() -> None:
    found = made("corrections", "continuations", "pivots", say=lambda prompt, rng: "one\n</think>yes")
    assert found.chains == []
    assert found.why == {"no sample is wrong": 3}


def test_an_answer_without_a_thought_has_no_branch_to_show() -> None:
    def say(prompt: str, rng: random.Random) -> str:
        return "</think>yes" if rng.random() < 0.5 else "</think>no"

    found = made("pivots", "corrections", say=say)
    assert found.chains == []
    assert found.why["the thinking holds no wrong step"] == 2


def test_what_ground_truth_does_not_accept_is_refused_and_counted() -> None:
    class Fixed:
        name = "fixed"

        async def __call__(self, wrong: Trajectory, rollouts: Rollouts) -> int | None:
            return 3  # behind the real error: the "good" part holds it, so nothing that follows ends right

    found = made("corrections", judge=Fixed())
    assert found.chains == []
    assert found.why["no continuation ends right"] == 1

    class Liar(Source):
        async def grade(self, problem: Problem, leaves: Sequence[Step]) -> list[Verdict]:
            return [Verdict(outcome=1.0) for _ in leaves]

    drawn = source(lambda prompt, rng: "so\n</think>no")
    liar = Liar(drawn.propose, grade, max_tokens=200, seed=0)
    factory = Factory(liar, ByRollouts(2), {}, "m", grade, Settings(("rejection",), samples=2))
    refused: Made = run_async(factory.make([PROBLEM]))
    assert refused.chains == []
    assert refused.refused == {"rejection: wrong": 1}


def roles_script(first_right: bool, critic: str = "The second line.") -> Any:
    def say(prompt: str, rng: random.Random) -> str:
        if "Write a short plan" in prompt:
            return "</think>Count up."
        if "Say in a few lines where" in prompt:
            return f"</think>{critic}"
        if "A critic says" in prompt:
            return "one\nthree\n</think>yes"
        if "Solve it along" in prompt:
            assert "Count up." in prompt
            return "one\n</think>yes" if first_right else "one\ntwo\n</think>no"
        return "</think>yes"

    return say


def test_planner_and_elaborator_make_a_chain_and_a_critic_turns_a_wrong_one() -> None:
    (plain,) = made("roles", say=roles_script(True)).chains
    assert plain.text == "Count up.\none\n</think>yes"
    assert [span.kind for span in plain.spans] == ["plan", "elaboration"]
    (turned,) = made("roles", say=roles_script(False)).chains
    assert turned.text == "Count up.\none\ntwo\nThe second line.\none\nthree\n</think>yes"
    assert [span.kind for span in turned.spans] == ["plan", "wrong", "critique", "elaboration"]


def test_a_role_that_says_nothing_is_counted_and_makes_no_chain() -> None:
    found = made("roles", say=roles_script(False, critic=""))
    assert found.chains == []
    assert found.why == {"the critic said nothing": 1}


def test_tokens_are_counted_and_a_wrong_name_is_answered_with_the_nearest() -> None:
    assert made("rejection", "corrections").tokens > made("rejection").tokens > 0
    with pytest.raises(PonderError, match="pivots"):
        Settings(("pivot",))
    assert set(METHODS) == {"rejection", "pivots", "corrections", "continuations", "roles"}


def test_wrong_steps_of_a_chain_are_read_and_not_imitated(tmp_path: Path) -> None:
    spans: tuple[tuple[Kind, str], ...] = (
        ("right", "a\n"),
        ("wrong", "b\n"),
        ("turn", "Wait.\n"),
        ("correction", "</think>yes"),
    )
    chain = Chain(PROBLEM, "corrections", tuple(Span(kind, text, "m") for kind, text in spans), 1.0)
    parquet.write(tmp_path / "chains.parquet", [chain])
    (row,) = parquet.read(tmp_path / "chains.parquet")
    whole = "a\nb\nWait.\n</think>yes"
    assert parquet.pieces_of(row, errors=False) == (("a\n", True), ("b\n", False), ("Wait.\n</think>yes", True))
    assert parquet.pieces_of(row, errors=True) == ((whole, True),)
    assert parquet.pieces_of({"response": whole}, errors=False) == ((whole, True),)  # a file of another program
    policy = load_policy("tiny")
    masked = imitated_row(policy, parquet.question_of(row), Pieces(parquet.pieces_of(row, errors=False)))
    plain = imitated_row(policy, parquet.question_of(row), whole)
    assert masked.response == plain.response and set(plain.mask_T) == {1.0}
    read = [token for token, mask in zip(masked.response, masked.mask_T, strict=True) if not mask]
    assert policy.codec.decode(read) == "b\n"


def test_chains_are_read_back_from_their_file(tmp_path: Path) -> None:
    chain = Chain(PROBLEM, "pivots", (Span("right", "a\n", "m", "p#1", "n"), Span("right", "</think>yes", "m")), 1.0, 2)
    parquet.write(tmp_path / "chains.parquet", [chain])
    (row,) = parquet.read(tmp_path / "chains.parquet")
    assert row["response"] == "a\n</think>yes"
    assert row["messages"][-1] == {"role": "assistant", "content": "<think>\na\n</think>yes"}
    assert row["spans"][0] == {"kind": "right", "text": "a\n", "by": "m", "source": "p#1", "note": "n"}
    assert (row["method"], row["round"], row["outcome"]) == ("pivots", 2, 1.0)
    assert parquet.question_of(row).text == "go?"
    assert parquet.pieces_of(row, errors=False) == (("a\n</think>yes", True),)
    with pytest.raises(PonderError, match="no such file"):
        parquet.read(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(PonderError, match="not a Parquet file"):
        parquet.read(tmp_path / "bad.parquet")
