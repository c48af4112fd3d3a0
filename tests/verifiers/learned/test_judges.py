"""Learned judges: scores, exact costs, and that a batch changes neither."""

from __future__ import annotations

import asyncio
import copy
import math
import statistics

import pytest
import torch

from ponder.engines.scripted import ScriptedEngine
from ponder.models.heads import judging_model
from ponder.types import PonderError
from ponder.verifiers.learned.batched import ScoreNotFinite, parts
from ponder.verifiers.learned.generative import Asked, GenerativeVerifier
from ponder.verifiers.learned.implicit import ImplicitVerifier
from ponder.verifiers.learned.kinds import KINDS, kind
from ponder.verifiers.process import ProcessVerifier
from tests.learning.factory import model
from tests.verifiers.learned.toy import ASKED, PARAMETERS, PROMPT, QUESTION, THREE, judge, prompt, trajectory

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


@pytest.mark.parametrize("name", [name for name in EVERY if name not in ("implicit", "generative")])
def test_a_score_costs_prompt_and_response_once_through_the_verifier(name):
    it = judge(name)
    assert it.cost(THREE) == pytest.approx(8 * size(it.model) / PARAMETERS)  # 2 prompt and 6 response tokens
    assert it.bound(QUESTION, 6) == pytest.approx(it.cost(THREE))


def test_an_implicit_score_costs_both_models_and_a_generative_one_its_question():
    implicit, generative = judge("implicit"), judge("generative")
    assert implicit.cost(THREE) == pytest.approx(8 * 2 * size(implicit.model) / PARAMETERS)
    assert generative.cost(THREE) == pytest.approx((8 + 2) * size(generative.model) / PARAMETERS)
    assert generative.bound(QUESTION, 6) == pytest.approx(generative.cost(THREE))


def test_a_shared_trunk_costs_its_head_at_the_positions_that_are_read():
    process, outcome = judge("process", shared=True), judge("outcome", shared=True)
    head = 16 * 2 + 2  # hidden size 16, two labels, a bias
    assert process.cost(THREE) == pytest.approx(3 * head / PARAMETERS)
    assert outcome.cost(THREE) == pytest.approx(16 / PARAMETERS)
    assert process.bound(QUESTION, 6) >= process.cost(THREE)
    generative, implicit = judge("generative", shared=True), judge("implicit", shared=True)
    assert generative.cost(THREE) == pytest.approx(2 * size(generative.model) / PARAMETERS)  # the question alone
    assert implicit.cost(THREE) == pytest.approx(8 * size(implicit.reference) / PARAMETERS)  # the reference alone


@pytest.mark.parametrize("name", EVERY)
def test_shared_and_separate_run_the_same_code_to_the_same_scores(name):
    if name == "implicit":
        pytest.skip("a shared implicit verifier is its own reference before training")
    assert judge(name, shared=True).judge([THREE])[0].score == pytest.approx(judge(name).judge([THREE])[0].score)


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
    ratio, written, asked = it.ratio, len("1 right\n?!"), 2
    before = it.cost(THREE)
    assert before == it.bound(QUESTION, 6) == pytest.approx(ratio * (8 + 3 * 40 + 3 * (8 + 40 + asked)))
    asyncio.run(it(QUESTION, [THREE]))
    assert it.cost(THREE) == pytest.approx(ratio * (8 + 3 * written + 3 * (8 + written + asked)))
    assert it.cost(THREE) <= before


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
    with pytest.raises(PonderError, match="allowed are outcome, outcome_per_token, process"):
        kind("oracle")


def test_batches_keep_within_their_tokens():
    assert parts([3, 1, 2, 9], 6) == [[1, 2], [0], [3]]
    assert parts([], 6) == []


def test_the_process_verifier_reads_the_two_way_head_of_transformers():
    it = ProcessVerifier(judging_model(model(1), "token", labels=2, seed=5), prompt, policy_parameters=PARAMETERS)
    logits = it.model(input_ids=torch.tensor([PROMPT + THREE.tokens])).logits[0].detach()
    expected = torch.softmax(logits, -1)[:, 1][[3, 4, 7]]
    assert it.judge([THREE])[0].step_scores == pytest.approx(expected.tolist(), abs=1e-5)
