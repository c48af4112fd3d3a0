"""Learned judges: scores, exact costs, and that a batch changes neither."""

from __future__ import annotations

import asyncio
import copy
import math
import statistics
from typing import Any

import pytest
import torch

from ponder.engines.local.engine import LocalEngine
from ponder.engines.local.prefix.reader import TrunkReader
from ponder.engines.scripted import ScriptedEngine
from ponder.models.heads import hidden_states, judging_model
from ponder.search.session.verifier_cost import VerifierCost
from ponder.types import PonderError, Step, StopReason, Trajectory
from ponder.verifiers.learned.common.batched import ScoreNotFinite, parts
from ponder.verifiers.learned.generative.judge import Asked, GenerativeVerifier
from ponder.verifiers.learned.implicit.judge import ImplicitVerifier
from ponder.verifiers.learned.kinds import KINDS, kind
from ponder.verifiers.learned.process.judge import ProcessVerifier
from tests.learning.factory import model
from tests.verifiers.learned.toy import ASKED, PARAMETERS, PROMPT, QUESTION, THREE, Endless, judge, prompt, trajectory

EVERY = list(KINDS)
OTHERS = [trajectory((9,)), trajectory((4, 4), (4,)), trajectory((11,) * 9, (3,))]


def size(it: torch.nn.Module) -> int:
    return sum(p.numel() for p in it.parameters())


@pytest.mark.parametrize("name", EVERY)
def test_scores_lie_between_0_and_1_and_steps_have_one_each(name):
    verdict = judge(name).judge([THREE])[0]
    assert verdict.score is not None and 0 <= verdict.score <= 1
    assert verdict.outcome is None and verdict.failure is None
    scores_steps = KINDS[name].aggregation is not None
    assert (verdict.step_scores is not None) == scores_steps
    if verdict.step_scores is not None:
        assert len(verdict.step_scores) == 3 and verdict.score == verdict.step_scores[-1]


@pytest.mark.parametrize("name", EVERY)
def test_a_batch_gives_what_each_alone_gives_in_order(name):
    it = judge(name)
    together = it.judge([THREE, *OTHERS])
    for t, verdict in zip([THREE, *OTHERS], together, strict=True):
        assert it.judge([t])[0].score == pytest.approx(verdict.score, abs=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_searches_that_wait_together_share_a_batch(name):
    it = judge(name)

    async def ask():
        return await asyncio.gather(it(QUESTION, [THREE]), it(QUESTION, OTHERS))

    first, rest = asyncio.run(ask())
    assert [v.score for v in (*first, *rest)] == pytest.approx([v.score for v in it.judge([THREE, *OTHERS])], abs=1e-5)
    assert asyncio.run(it(QUESTION, [THREE]))[0].score == pytest.approx(first[0].score, abs=1e-5)  # another loop


def price(it, *judgements):
    """What each call of a search costs, in the policy's tokens times its parameters."""
    reading = VerifierCost(it, QUESTION)
    return [PARAMETERS * reading.take(trajectories) for trajectories in judgements]


@pytest.mark.parametrize("name", [name for name in EVERY if name not in ("implicit", "generative")])
def test_every_token_is_read_once_a_search_and_by_a_judge_without_memory_each_time(name):
    it, forgetful = judge(name), judge(name, reads=False)
    deeper = Trajectory(QUESTION, Step((11, 12), (0.0, 0.0), "!", 0, StopReason.END, THREE.leaf))
    # 2 prompt and 6 response tokens, then 2 new ones, then none; OTHERS have 1, 3 and 10 tokens.
    new = [8, 2, 0, 14]
    assert price(it, [THREE], [deeper], [THREE], OTHERS) == pytest.approx([n * size(it.model) for n in new])
    whole = [8, 10, 8, 14 + 3 * 2]
    assert price(forgetful, [THREE], [deeper], [THREE], OTHERS) == pytest.approx([n * size(it.model) for n in whole])
    assert forgetful.price(QUESTION).rereads and not it.price(QUESTION).rereads


def test_an_implicit_score_costs_both_models_and_a_generative_one_its_question_each_time():
    implicit, generative = judge("implicit"), judge("generative")
    assert price(implicit, [THREE], [THREE]) == pytest.approx([8 * 2 * size(implicit.model), 0])
    assert price(generative, [THREE], [THREE]) == pytest.approx([n * size(generative.model) for n in (8 + 2, 2)])
    assert VerifierCost(generative, QUESTION).most(6, 6) == pytest.approx(
        (6 + 2) * generative.ratio
    )  # without the question


def test_a_shared_trunk_costs_its_head_at_the_positions_that_are_read():
    process, outcome = judge("process", shared=True), judge("outcome", shared=True)
    head = 16 * 2 + 2  # hidden size 16, two labels, a bias
    assert price(process, [THREE], [THREE]) == pytest.approx([3 * head, 3 * head])
    assert price(outcome, [THREE]) == pytest.approx([16])
    assert PARAMETERS * VerifierCost(process, QUESTION).most(6, 6) == pytest.approx(6 * head)  # at most a step a token
    generative, implicit = judge("generative", shared=True), judge("implicit", shared=True)
    assert price(generative, [THREE], [THREE]) == pytest.approx([2 * size(generative.model)] * 2)  # the question alone
    assert price(implicit, [THREE], [THREE]) == pytest.approx([8 * size(implicit.reference), 0])  # the reference alone


def test_an_empty_step_is_no_position_more_for_the_head():
    cut = Trajectory(QUESTION, Step((), (), "", 0, StopReason.LENGTH, THREE.leaf))
    it = judge("process", shared=True)
    assert it.extra(cut) == it.extra(THREE)


@pytest.mark.parametrize("name", EVERY)
def test_shared_and_separate_run_the_same_code_to_the_same_scores(name):
    if name == "implicit":
        pytest.skip("a shared implicit verifier is its own reference before training")
    shared, separate = judge(name, shared=True), judge(name)
    assert shared.judge([THREE])[0].score == pytest.approx(separate.judge([THREE])[0].score)
    assert asyncio.run(shared(QUESTION, [THREE]))[0].score == pytest.approx(separate.judge([THREE])[0].score, abs=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_what_is_read_with_a_memory_scores_as_the_whole_forward_does(name):
    it, plain = judge(name), judge(name, reads=False)
    prefixes = [Trajectory(QUESTION, step) for step in THREE.steps]

    async def ask():
        one_by_one = [(await it(QUESTION, [t]))[0] for t in prefixes]
        return [*one_by_one, *(await it(QUESTION, [THREE, *OTHERS]))]

    expected = plain.judge([*prefixes, THREE, *OTHERS])
    for got, want in zip(asyncio.run(ask()), expected, strict=True):
        assert got.score == pytest.approx(want.score, abs=1e-4)
        assert got.step_scores == pytest.approx(want.step_scores, abs=1e-4)
    # Prompt 2, the three steps 6, others 1 + 3 + 10; a generative one puts its question of 2 behind each of 7 rows, but
    # that behind the whole of THREE was there already.
    assert it.tokens_scored == 2 + 6 + 14 + (6 * 2 if name == "generative" else 0)
    assert plain.tokens_scored == sum(2 + len(t) + 2 * (name == "generative") for t in [*prefixes, THREE, *OTHERS])


def test_another_event_loop_starts_with_no_text_and_a_small_memory_costs_work_alone():
    it = judge("process")
    for _ in range(2):
        asyncio.run(it(QUESTION, [THREE]))
    assert it.tokens_scored == 2 * 8
    large, small = TrunkReader(it.model), TrunkReader(it.model, cache_bytes=1)  # the least: two texts of 1024 tokens
    long = [trajectory(*[(5 + k % 20, 6 + i) for k in range(200)]) for i in range(12)]

    async def ask():
        return [(await it(QUESTION, [t]))[0].score for t in [*long, *long]]

    expected = [v.score for v in it.judge([*long, *long])]
    for it.reader in (large, small):
        assert asyncio.run(ask()) == pytest.approx(expected, abs=1e-4)
    assert large.computed < small.computed and small.bytes < large.bytes / 2


def test_a_text_longer_than_any_before_is_read_all_the_same():
    reader = TrunkReader(model(1))
    reader.states([(5,) * 10], [[9]])
    (got,) = reader.states([(5, 6) * 600], [[0, 1199]])
    want = hidden_states(reader._model, torch.tensor([(5, 6) * 600]))[0, [0, 1199]]
    assert torch.allclose(got, want.detach(), atol=1e-4) and reader.computed == 10 + 1200


def test_a_shared_trunk_is_read_from_the_engine_and_nowhere_else():
    with pytest.raises(ValueError, match="hand in a reader"):
        ProcessVerifier(judging_model(model(1), "token", labels=2), prompt, policy_parameters=1, shared=True)
    it = judge("process", shared=True)
    asyncio.run(it(QUESTION, [THREE]))
    assert it.tokens_scored == 0 and it.reader._engine.work.tokens == 8


@pytest.mark.parametrize("name", EVERY)
def test_temperature_moves_scores_towards_the_middle_and_keeps_their_order(name):
    cold, hot = judge(name).judge([THREE, *OTHERS]), judge(name, temperature=4.0).judge([THREE, *OTHERS])
    for a, b in zip(cold, hot, strict=True):
        assert math.log(b.score / (1 - b.score)) == pytest.approx(math.log(a.score / (1 - a.score)) / 4, abs=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_a_score_that_is_not_finite_is_a_named_error_for_all_who_wait(name):
    it = judge(name)
    with torch.no_grad():
        next(it.model.parameters()).fill_(math.nan)
    with pytest.raises(ScoreNotFinite, match="not finite; its weights are damaged"):
        asyncio.run(it(QUESTION, [THREE]))


def test_an_implicit_verifier_equal_to_its_reference_says_one_half():
    policy = model(1)
    it = ImplicitVerifier(policy, copy.deepcopy(policy), prompt, policy_parameters=PARAMETERS)
    assert it.judge([THREE])[0].step_scores == (0.5, 0.5, 0.5)
    assert it.token_rewards([PROMPT + THREE.tokens], [THREE]) == [(0.0,) * 6]


def test_implicit_token_rewards_add_up_to_the_score():
    it = judge("implicit", beta=0.3)
    rewards = it.token_rewards([PROMPT + THREE.tokens], [THREE])[0]
    scores = it.judge([THREE])[0].step_scores
    sums = [sum(rewards[:n]) for n in (2, 3, 6)]  # the steps end after 2, 3 and 6 tokens
    assert scores == pytest.approx([1 / (1 + math.exp(-s)) for s in sums], abs=1e-6)


def test_an_outcome_checkpoint_is_what_transformers_itself_computes():
    it = judge("outcome")
    logit = it.model(input_ids=torch.tensor([PROMPT + THREE.tokens])).logits[0, 0]
    assert it.judge([THREE])[0].score == pytest.approx(float(torch.sigmoid(logit.detach())), abs=1e-5)


class Letters:
    """One token a character; what the scripted engine writes with."""

    eos_id = 1
    end_ids = (1,)

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple("\n ?!12rightwon".index(c) + 2 for c in text)

    def decode(self, tokens):
        return "".join("\n ?!12rightwon"[t - 2] if t >= 2 else "" for t in tokens)


def critic(script, critiques, *, shared=False, tokens=40):
    letters = Letters()
    engine = ScriptedEngine(letters, script)
    asked = Asked(letters.encode("?!"), "?!", 28, 29)
    it = GenerativeVerifier(
        model(1),
        prompt,
        asked,
        policy_parameters=PARAMETERS,
        shared=shared,
        engine=engine,
        decode=letters.decode,
        critiques=critiques,
        critique_tokens=tokens,
    )
    return it, engine


def test_a_critique_is_kept_on_the_verdict_and_names_the_first_wrong_step():
    it, _ = critic(lambda prompt, rng: "1 right\n2 wrong\n?!", 2)
    verdict = asyncio.run(it(QUESTION, [THREE]))[0]
    assert verdict.detail == "1 right\n2 wrong\n"
    assert verdict.step_scores == (1.0, 0.0, 0.0)


def test_critiques_cost_what_was_written_once_it_is_known_and_at_most_that_before():
    it, _ = critic(lambda prompt, rng: "1 right\n?!", 3)
    written, asked = len("1 right\n?!"), 2
    # The engine that writes shows no states, so the model reads the trajectory with each critique behind it anew.
    (before,) = price(it, [THREE])
    assert before == pytest.approx(size(it.model) * (8 + 3 * 40 + 3 * (8 + 40 + asked)))
    assert before == pytest.approx(PARAMETERS * VerifierCost(it, QUESTION).most(6, 6))
    asyncio.run(it(QUESTION, [THREE]))
    (after,) = price(it, [THREE])
    assert after == pytest.approx(size(it.model) * (8 + 3 * written + 3 * (8 + written + asked)))
    assert after <= before


def test_an_engine_that_wrote_a_critique_shows_what_it_read():
    engine = LocalEngine(model(1), Endless())
    settings: Any = {"engine": engine, "decode": Endless().decode, "critiques": 2, "critique_tokens": 5}
    it = GenerativeVerifier(model(1), prompt, ASKED, policy_parameters=PARAMETERS, **settings)
    # 2 prompt and 6 response tokens once; two critiques of 5 with the question of 2 behind each.
    assert price(it, [THREE], [THREE]) == pytest.approx([size(it.model) * n for n in (8 + 2 * 7, 2 * 7)])
    score = asyncio.run(it(QUESTION, [THREE]))[0].score
    apart = GenerativeVerifier(model(1), prompt, ASKED, policy_parameters=PARAMETERS, **settings)
    apart.reader = None  # the same by the model's own forward
    assert score == pytest.approx(asyncio.run(apart(QUESTION, [THREE]))[0].score, abs=1e-4)
    # Two judgements, each of its 8 tokens once and at most 5 + 2 a critique; the second by the model's own forward.
    assert engine.work.tokens <= 2 * (8 + 2 * 7) and it.tokens_scored == 0
    assert 2 * (8 + 2) <= apart.tokens_scored <= 2 * (8 + 5 + 2)


def test_one_critique_is_one_probability_and_several_are_their_mean():
    texts = ["1 right\n?!", "1 wrong\n?!"]
    alone = [asyncio.run(critic(lambda p, r, text=text: text, 1)[0](QUESTION, [THREE]))[0].score for text in texts]
    turns = iter(texts)
    both = asyncio.run(critic(lambda p, r: next(turns), 2)[0](QUESTION, [THREE]))[0].score
    turned = iter(texts[::-1])
    other = asyncio.run(critic(lambda p, r: next(turned), 2)[0](QUESTION, [THREE]))[0].score
    assert both == pytest.approx(sum(alone) / 2, abs=1e-6)
    assert other == pytest.approx(both, abs=1e-6)  # the order of critiques does not matter


def test_the_mean_of_probabilities_is_not_the_vote_of_verdicts():
    chances = [0.51, 0.51, 0.01]
    assert statistics.mean(chances) == pytest.approx(0.343, abs=1e-3)
    assert statistics.mean(c > 0.5 for c in chances) == pytest.approx(2 / 3)


def test_a_critique_that_was_cut_off_is_judged_all_the_same():
    it, _ = critic(lambda prompt, rng: "1 right\n" * 20, 1, tokens=5)
    verdict = asyncio.run(it(QUESTION, [THREE]))[0]
    assert verdict.score is not None and verdict.step_scores is None and verdict.detail == "1 rig"


def test_the_same_seed_writes_the_same_critiques():
    def script(prompt, rng):
        return rng.choice(["1 right\n?!", "1 wrong\n?!", "2 right\n?!"])

    found = [asyncio.run(critic(script, 4)[0](QUESTION, [THREE]))[0] for _ in range(2)]
    assert found[0] == found[1]


def test_critiques_need_an_engine_and_an_await():
    with pytest.raises(PonderError, match="need an engine"):
        GenerativeVerifier(model(1), prompt, ASKED, policy_parameters=1, critiques=1)
    with pytest.raises(PonderError, match="must be awaited"):
        critic(lambda p, r: "", 1)[0].judge([THREE])


def test_verdicts_that_begin_alike_are_refused():
    with pytest.raises(PonderError, match="begin with the same token"):
        Asked.of(Letters().encode, "?", "right", "rig")


def test_an_unknown_kind_is_answered_with_the_known_ones():
    with pytest.raises(PonderError, match="Allowed are: outcome, outcome_per_token, process"):
        kind("oracle")


def test_batches_keep_within_their_tokens():
    assert parts([3, 1, 2, 9], 6) == [[1, 2], [0], [3]]
    assert parts([], 6) == []


def test_the_process_verifier_reads_the_two_way_head_of_transformers():
    it = ProcessVerifier(judging_model(model(1), "token", labels=2, seed=5), prompt, policy_parameters=PARAMETERS)
    logits = it.model(input_ids=torch.tensor([PROMPT + THREE.tokens])).logits[0].detach()
    expected = torch.softmax(logits, -1)[:, 1][[3, 4, 7]]
    assert it.judge([THREE])[0].step_scores == pytest.approx(expected.tolist(), abs=1e-5)
