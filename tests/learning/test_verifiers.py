"""Objectives of learned verifiers: numbers worked out by hand, invariants, and each learns a toy it must."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from ponder.learning.judged_rows import Example, JudgedRow
from ponder.learning.settings import JudgeTraining
from ponder.learning.verifier_learner import VerifierLearner, micro_batches
from ponder.models.heads import head, judging_model, padded, token_logprobs
from ponder.types import PonderError
from ponder.verifiers.learned.common.pairs import contrasts
from ponder.verifiers.learned.kinds import KINDS, make
from ponder.verifiers.learned.process.objective import Process
from ponder.verifiers.learned.unified.objective import Unified
from tests.learning.factory import model

QUESTION = (30, 31)
YES, NO = 28, 29


def row(*, steps=((5, 6), (7,)), labels=(), outcome=None, problem="p", prompt=(2, 3), critique=()):
    tokens, ends = prompt, []
    for step in steps:
        tokens += step
        ends.append(len(tokens) - 1)
    return JudgedRow(problem, tokens, len(prompt), tuple(ends), labels, outcome, critique)


def objective(kind, policy):
    if kind == "implicit":
        return make(kind, reference=copy.deepcopy(policy), beta=1.0)
    if kind == "generative":
        return make(kind, question=QUESTION, yes=YES, no=NO)
    return make(kind)


def trained(kind, rows, *, epochs=12, rate=1e-2):
    policy = model(1)
    goal = objective(kind, policy)
    judge = judging_model(policy, goal.form, labels=goal.labels, seed=3)
    learner = VerifierLearner(judge, goal, JudgeTraining(learning_rate=rate, warmup_steps=1), batch=8)
    report = learner.fit(rows, torch.Generator().manual_seed(0), epochs=epochs)
    return policy, judge, goal, report


def loss_of(goal, judge, rows):
    examples = goal.examples(rows)
    with torch.no_grad():
        return float(goal.loss(judge, examples))


def untaught(kind):
    """An objective and a model whose head says 0 everywhere."""
    policy = model(1)
    goal = objective(kind, policy)
    judge = judging_model(policy, goal.form, labels=goal.labels, seed=3)
    if goal.form != "causal":
        with torch.no_grad():
            for parameter in head(judge).parameters():
                parameter.zero_()
    return goal, judge


def test_hard_labels_are_never_below_soft_ones_and_equal_for_a_deterministic_completer():
    soft = row(labels=(0.25, 0.0))
    assert Process().examples([soft])[0].targets == (0.25, 0.0)
    assert Process(hard=True).examples([soft])[0].targets == (1.0, 0.0)
    certain = row(labels=(1.0, 0.0))
    assert Process().examples([certain]) == Process(hard=True).examples([certain])


def test_a_row_without_step_labels_is_trained_on_at_its_end_with_its_outcome():
    assert Process().examples([row(outcome=1.0)]) == [Example(((2, 3, 5, 6, 7),), ((4,),), (1.0,))]
    assert Process().examples([row()]) == []


def test_outcome_per_token_repeats_the_outcome_at_every_response_token():
    assert make("outcome_per_token").examples([row(outcome=0.0)])[0].at == ((2, 3, 4),)
    assert make("outcome").examples([row(outcome=0.0)])[0].at == ((4,),)


@pytest.mark.parametrize("kind", ["pairwise", "preference"])
def test_a_pair_at_equal_scores_costs_log_two(kind):
    goal, judge = untaught(kind)
    rows = [
        row(steps=((5,), (6,)), labels=(1.0, 1.0), outcome=1.0),
        row(steps=((7,), (8,)), labels=(0.0, 0.0), outcome=0.0),
    ]
    examples = goal.examples(rows)
    assert loss_of(goal, judge, rows) == pytest.approx(len(examples) * math.log(2), rel=1e-5)


@pytest.mark.parametrize(("kind", "expected"), [("outcome", math.log(2)), ("process", 2 * math.log(2)), ("value", 0.5)])
def test_a_head_that_says_nothing_costs_what_a_coin_costs(kind, expected):
    """Cross entropy log 2 a target; squared error 1/4 a target."""
    goal, judge = untaught(kind)
    assert loss_of(goal, judge, [row(labels=(1.0, 0.0), outcome=0.0)]) == pytest.approx(expected, rel=1e-5)


def test_pairs_are_made_of_siblings_and_of_ends_only():
    a = row(steps=((5,), (6,), (9,)), labels=(1.0, 0.75, 1.0))
    b = row(steps=((5,), (7,), (9,)), labels=(1.0, 0.25, 0.0))
    examples = make("pairwise").examples([a, b])
    # The first steps are one and the same prefix; the second ones are siblings; the ends are compared as wholes.
    assert [(e.at, e.targets) for e in examples] == [(((3,), (3,)), (0.75,)), (((4,), (4,)), (1.0,))]
    assert make("pairwise", soft=False).examples([a, b])[0].targets == (1.0,)
    other = row(steps=((7,), (9,)), labels=(0.0, 0.0), problem="another")
    assert make("pairwise").examples([row(labels=(1.0, 1.0)), other]) == []


def test_contrasts_pair_the_best_with_the_worst():
    assert contrasts([(1.0, 0), (0.0, 1), (0.5, 2), (0.25, 3)]) == [(0, 1), (2, 3)]
    assert contrasts([(1.0, 0), (1.0, 1)]) == contrasts([(1.0, 0)]) == contrasts([]) == []


def test_preferences_need_a_right_and_a_wrong_answer_to_one_problem():
    right, wrong = row(outcome=1.0), row(steps=((9,),), outcome=0.0)
    assert len(make("preference").examples([right, wrong, wrong])) == 1
    assert make("preference").examples([right, right]) == []


def test_an_implicit_reward_equal_to_its_reference_is_zero_and_costs_log_two():
    policy = model(1)
    goal = make("implicit", reference=copy.deepcopy(policy), beta=0.05)
    assert loss_of(goal, policy, [row(outcome=1.0), row(outcome=0.0)]) == pytest.approx(2 * math.log(2), rel=1e-6)


def test_the_implicit_loss_is_that_of_beta_times_the_sequence_log_ratio():
    policy, other = model(1), model(2)
    example = row(outcome=1.0)
    ids = padded([example.tokens], torch.device("cpu"))
    at_B, at_T = torch.zeros(3, dtype=torch.long), torch.tensor([2, 3, 4])
    with torch.no_grad():
        ratio = float((token_logprobs(other, ids, at_B, at_T) - token_logprobs(policy, ids, at_B, at_T)).sum())
    goal = make("implicit", reference=policy, beta=0.05)
    assert loss_of(goal, other, [example]) == pytest.approx(math.log(1 + math.exp(-0.05 * ratio)), rel=1e-5)


def test_a_generative_example_asks_the_question_and_clones_right_solutions_only():
    goal = make("generative", question=QUESTION, yes=YES, no=NO, clone=0.5)
    right, wrong = goal.examples([row(outcome=1.0), row(outcome=0.0)])
    assert right.rows == ((2, 3, 5, 6, 7, 30, 31, YES),)
    assert right.at == ((2, 3, 4, 7),) and right.targets == pytest.approx((0.5 / 3,) * 3 + (1.0,))
    assert wrong.rows[0][-1] == NO and wrong.at == ((7,),) and wrong.targets == (1.0,)
    assert right.counted == wrong.counted == 1


def test_a_critique_is_learned_before_the_verdict():
    example = make("generative", question=QUESTION, yes=YES, no=NO).examples([row(outcome=0.0, critique=(10, 11))])[0]
    assert example.rows == ((2, 3, 5, 6, 7, 10, 11, 30, 31, NO),)
    assert example.at == ((5, 6, 9),) and example.targets == (0.5, 0.5, 1.0)


def toy(count=24):
    """Right if and only if the second step is token 8."""
    rows = []
    for i in range(count):
        good = i % 2 == 0
        steps = ((4 + i % 5,), (8,) if good else (9,))
        rows.append(row(steps=steps, labels=(0.5, float(good)), outcome=float(good), problem=f"p{i // 6}"))
    return rows


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_learns_to_tell_right_from_wrong(kind):
    _, judge, goal, _ = trained(kind, toy())
    before = loss_of(goal, judging_model(model(1), goal.form, labels=goal.labels, seed=3), toy())
    assert loss_of(goal, judge, toy()) < 0.75 * before


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_same_seed_trains_the_same_weights(kind):
    first, second = trained(kind, toy(), epochs=2)[1], trained(kind, toy(), epochs=2)[1]
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", ["process", "preference", "implicit", "generative"])
def test_the_cut_into_micro_batches_does_not_change_the_step(kind):
    found = []
    for micro in (8, 4096):
        policy = model(1)
        goal = objective(kind, policy)
        judge = judging_model(policy, goal.form, labels=goal.labels, seed=3)
        learner = VerifierLearner(judge, goal, JudgeTraining(learning_rate=1e-3, warmup_steps=1, micro_tokens=micro))
        learner.fit(toy(), torch.Generator().manual_seed(0))
        found.append([p.detach() for p in judge.parameters()])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_the_reported_loss_is_a_mean_over_targets():
    goal, judge = untaught("process")
    report = VerifierLearner(judge, goal, JudgeTraining(learning_rate=1e-12), batch=7).fit(
        toy(), torch.Generator().manual_seed(0)
    )
    assert report.loss == pytest.approx(math.log(2), rel=1e-4)


def test_training_ends_when_its_work_is_done():
    policy = model(1)
    judge = judging_model(policy, "token", labels=2)
    rows = toy()  # 4 tokens each, 8 rows a batch, 3 token-equivalents a token: 96 a step
    learner = VerifierLearner(judge, Process(), batch=8)
    report = learner.fit(rows, torch.Generator().manual_seed(0), epochs=None, most_work=250)
    assert (report.steps, report.work) == (3, 288)
    with pytest.raises(ValueError, match="needs an end"):
        learner.fit(rows, torch.Generator(), epochs=None)


def test_a_step_that_is_not_finite_is_skipped_and_counted():
    judge = judging_model(model(1), "token", labels=2)
    with torch.no_grad():
        next(head(judge).parameters()).fill_(math.inf)
    report = VerifierLearner(judge, Process(), batch=8).fit(toy(), torch.Generator().manual_seed(0))
    assert (report.steps, report.skipped, report.loss) == (3, 3, None)


def test_nothing_to_learn_is_said_in_one_sentence():
    learner = VerifierLearner(judging_model(model(1), "sequence"), make("preference"))
    with pytest.raises(PonderError, match="nothing to learn: 1 rows hold no example for preference"):
        learner.fit([row(outcome=1.0)], torch.Generator())


def test_one_switch_shares_the_trunk_and_training_the_judge_moves_the_policy():
    policy = model(1)
    before = copy.deepcopy(policy.state_dict())
    shared = judging_model(policy, "token", labels=2, shared=True)
    assert shared.base_model is policy.base_model
    learner = VerifierLearner(
        shared, Unified(Process(), policy), JudgeTraining(warmup_steps=1), extra=list(policy.lm_head.parameters())
    )
    learner.fit(toy(), torch.Generator().manual_seed(0))
    moved = {name for name, value in policy.state_dict().items() if not torch.equal(value, before[name])}
    assert "model.layers.0.mlp.up_proj.weight" in moved and "lm_head.weight" in moved
    separate = judging_model(policy, "token", labels=2)
    assert separate.base_model is not policy.base_model


def test_cloning_keeps_a_shared_policy_likelier_to_give_right_solutions():
    def logprob_of_right(clone):
        policy = model(1)
        shared = judging_model(policy, "token", labels=2, shared=True)
        goal = Unified(Process(), policy, clone)
        learner = VerifierLearner(
            shared, goal, JudgeTraining(learning_rate=3e-3, warmup_steps=1), extra=list(policy.lm_head.parameters())
        )
        learner.fit(toy(), torch.Generator().manual_seed(0), epochs=10)
        ids = padded([r.tokens for r in toy() if r.outcome], torch.device("cpu"))
        at_B = torch.arange(len(ids))
        with torch.no_grad():
            return float(token_logprobs(policy, ids, at_B, torch.full_like(at_B, 3)).mean())

    assert logprob_of_right(1.0) > logprob_of_right(0.0) + 0.5


def test_micro_batches_keep_pairs_together():
    pair = Example(((1, 2, 3), (1, 2)), ((2,), (1,)), (1.0,))
    assert micro_batches([pair, pair, pair], 12) == [[pair, pair], [pair]]
    assert micro_batches([pair], 1) == [[pair]]


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"tokens": (1, 2, 3), "start": 1, "ends": (1,)}, "last step must end with the last of 3 tokens"),
        ({"tokens": (1, 2, 3), "start": 1, "ends": (1, 1, 2)}, "step 1 is empty"),
        ({"tokens": (1, 2, 3), "start": 1, "ends": (0, 2)}, "step 0 is empty"),
        ({"tokens": (1, 2, 3), "start": 1, "ends": ()}, "last step must end"),
        ({"tokens": (1, 2, 3), "start": 1, "ends": (2,), "labels": (1.0, 0.0)}, "2 labels for 1 steps"),
        ({"tokens": (1, 2, 3), "start": 1, "ends": (2,), "labels": (math.nan,)}, "nan is no label"),
        ({"tokens": (1, 2, 3), "start": 1, "ends": (2,), "outcome": 2.0}, "2.0 is no label"),
    ],
)
def test_a_row_that_cannot_be_learned_from_is_refused(bad, sentence):
    with pytest.raises(PonderError, match=sentence):
        JudgedRow("p", **bad)


@pytest.mark.parametrize("micro", [8, 4096])
def test_the_cloning_term_has_its_own_mean_and_its_whole_weight(micro):
    """A new head says 0: 3 targets of log 2. Two right solutions; mean of their mean token cross entropies, a third."""
    policy = model(1)
    shared = judging_model(policy, "token", labels=2, shared=True)
    with torch.no_grad():
        for parameter in head(shared).parameters():
            parameter.zero_()
    rows = [
        row(labels=(1.0, 0.5), outcome=1.0),
        row(steps=((5,), (6,), (7,), (8,)), labels=(None, None, None, 0.0), outcome=1.0),
    ]
    cloned = []
    for it in rows:
        ids = padded([it.tokens], torch.device("cpu"))
        at_T = torch.arange(it.start, len(it.tokens))
        with torch.no_grad():
            cloned.append(-float(token_logprobs(policy, ids, torch.zeros_like(at_T), at_T).mean()))
    learner = VerifierLearner(
        shared, Unified(Process(), policy), JudgeTraining(learning_rate=1e-30, micro_tokens=micro)
    )
    report = learner.fit(rows, torch.Generator().manual_seed(0))
    assert sum(cloned) / 2 > 1  # a solution costs nats, so a lost weight would be seen
    assert report.loss == pytest.approx(math.log(2) + sum(cloned) / 2 / 3, rel=1e-5)


def test_without_right_solutions_a_unified_objective_is_the_objective_itself():
    policy, rows = model(1), [row(labels=(1.0, 0.0), outcome=0.0)]
    assert Unified(Process(), policy).examples(rows) == Process().examples(rows)
    assert Unified(Process(), policy).examples([row(outcome=None)]) == []
