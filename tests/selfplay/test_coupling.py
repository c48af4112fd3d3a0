"""The verifier's score reaches the policy's reward, and what the policy finds reaches the verifier; one switch each."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ponder.labels.labelled import Labelled
from ponder.models.heads import head
from ponder.problems.registry import parse as family
from ponder.rewards.outcome import Outcome
from ponder.rewards.process import Process
from ponder.rewards.random import Random
from ponder.selfplay import needs
from ponder.selfplay.config import Run
from ponder.selfplay.coupling.agreement import agreement
from ponder.selfplay.coupling.labels import lessons
from ponder.selfplay.coupling.reward import coupled, of_round
from ponder.selfplay.coupling.settings import Coupling
from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict
from tests.selfplay.test_loop import play, recorded


def test_the_switch_says_what_is_paid() -> None:
    rewards = (Outcome(), Random(weight=0.1))
    assert coupled(rewards, Coupling()) == rewards
    both = coupled(rewards, Coupling(kind="both", weight=0.5, shape="minimum"))
    assert both == (*rewards, Process(shape="minimum", weight=0.5))
    assert coupled(rewards, Coupling(kind="process")) == (Random(weight=0.1), Process(shape="difference", weight=0.3))


def test_the_score_counts_only_after_the_rounds_that_the_verifier_has_to_learn() -> None:
    rewards, coupling = (Outcome(),), Coupling(kind="process", after=2)
    assert [len(of_round(rewards, coupling, n)) for n in range(4)] == [1, 1, 1, 1]
    assert [isinstance(of_round(rewards, coupling, n)[0], Process) for n in range(4)] == [False, False, True, True]


def test_being_coupled_twice_is_refused_before_anything_is_loaded() -> None:
    config = Run(rewards=(Outcome(), Process()), coupling=Coupling(kind="both"))
    with pytest.raises(PonderError, match="`rewards` names it too"):
        needs.check(config)
    with pytest.raises(PonderError, match=r"trainer\.lora_rank=0"):
        needs.check(Run.model_validate({"coupling": {"weights": "unified"}, "trainer": {"lora_rank": 4}}))


def test_in_a_run_the_score_is_asked_for_and_paid_from_its_round_on() -> None:
    made = play(coupling={"kind": "both", "after": 1})
    first, second = made.play(0), made.play(1)
    assert "reward/process" not in first["metrics"] and "reward_scoring" not in first["work"]
    assert second["metrics"]["reward/process"] != 0.0
    assert second["work"]["reward_scoring"]["flops"] == sum(len(g.judged) for gs in made.played for g in gs)
    assert {"verifier/only_verifier", "verifier/only_truth", "verifier/gap"} <= set(second["metrics"])
    assert first["agreement"]["n"] == 4  # two answers to each of two validation problems, in every run


def test_with_the_verifier_alone_the_outcome_pays_nothing() -> None:
    made = play(coupling={"kind": "process", "after": 0})
    row = made.play(0)
    assert set(row["metrics"]) >= {"reward/process"} and "reward/outcome" not in row["metrics"]
    assert recorded(made).updates[0]


def tree() -> Group:
    """Two answers that share a first step, one right and one wrong."""
    question = Question("q", "sums", "1+1?")
    shared = Step((1,), (-1.0,), "so\n", 0, StopReason.STEP)
    ends = [Step((i,), (-1.0,), text, 0, StopReason.END, parent=shared) for i, text in ((2, "2"), (3, "3"))]
    some = tuple(Trajectory(question, end) for end in ends)
    return Group(Problem(question, Key("2")), some, (Verdict(outcome=1.0), Verdict(outcome=0.0)))


def test_labels_come_from_where_the_setting_says() -> None:
    group = tree()
    asked: list[int] = []

    def rolled(groups: Any) -> list[Labelled]:
        asked.append(len(groups))
        return []

    found = lessons([group], "tree", rolled)
    assert asked == []
    assert [[label.value for label in item.labels] for item in found] == [[0.5, 1.0], [0.5, 0.0]]
    outcomes = lessons([group], "outcomes", rolled)
    assert asked == [] and [[(k.step, k.value) for k in item.labels] for item in outcomes] == [[(1, 1.0)], [(1, 0.0)]]
    assert len(lessons([group], "rollouts", rolled)) == 2 and asked == [1]


def test_agreement_by_hand() -> None:
    verdicts = [Verdict(score=s) for s in (0.9, 0.8, 0.2, 0.1)]
    found = agreement(verdicts, [1.0, 0.0, 1.0, 0.0])
    assert (found.n, found.only_verifier, found.only_truth) == (4, 0.25, 0.25)
    assert found.gap == pytest.approx(0.0) and found.auc == pytest.approx(0.75)
    fooled = agreement([Verdict(score=0.9)] * 3, [0.0, 0.0, 1.0])
    assert fooled.only_verifier == pytest.approx(2 / 3) and fooled.gap == pytest.approx(0.9 - 1 / 3)
    assert agreement([Verdict()], [1.0]).n == 0


def unified(tmp_path: Any) -> Any:
    from ponder.api.training.stage import prepared
    from tests.selfplay.small import model_folder

    config = Run.model_validate(
        {
            "model": str(model_folder(tmp_path / "model")),
            "problems": ["arithmetic?terms=2"],
            "coupling": {"weights": "unified", "learning_rate": 1e-2},
            "trainer": {"warmup_steps": 0},
            "verifier": {"epochs": 2},
        }
    )
    return prepared(config, [family("arithmetic?terms=2")])


def labelled(start: Any, text: str, outcome: float) -> Labelled:
    from ponder.labels.contrast import outcome_labels

    problem = start.families[0].problem(0, split="train", seed=0)
    tokens = start.policy.codec.encode(text)
    leaf = Step(tuple(tokens), (-1.0,) * len(tokens), text, 0, StopReason.END)
    group = Group(problem, (Trajectory(problem.question, leaf),), (Verdict(outcome=outcome),))
    return outcome_labels([group])[0]


def test_with_unified_weights_the_verifiers_step_moves_the_policy_and_its_own_head(tmp_path: Any) -> None:
    start = unified(tmp_path)
    verifier, model = start.verifier, start.policy.model
    assert verifier.model.base_model is model.base_model
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    head_before = [p.detach().clone() for p in head(verifier.model).parameters()]
    right, wrong = labelled(start, "1 + 1 = 2", 1.0), labelled(start, "1 + 1 = 7", 0.0)
    loss, flops = verifier.train([right, wrong], 0)
    assert loss is not None and flops > 0
    moved = [name for name, p in model.named_parameters() if not torch.equal(p, before[name])]
    assert any("layers" in name for name in moved) and any("lm_head" in name for name in moved)
    assert not all(torch.equal(a, b) for a, b in zip(head_before, head(verifier.model).parameters(), strict=True))
    for _ in range(15):
        verifier.train([right, wrong], 1)
    good, bad = verifier.score([right.trajectory, wrong.trajectory])
    assert good.score > 0.5 > bad.score


def test_a_unified_verifier_goes_on_from_its_checkpoint_bit_for_bit(tmp_path: Any) -> None:
    first, second = unified(tmp_path / "a"), unified(tmp_path / "b")
    lesson = [labelled(first, "1 + 1 = 2", 1.0), labelled(first, "1 + 1 = 7", 0.0)]
    first.verifier.train(lesson, 0)
    policy, tensors, counters = (
        first.generator.trainer.state(),
        {name: {k: t.clone() for k, t in group.items()} for name, group in first.verifier.tensors().items()},
        first.verifier.counters(),
    )
    second.generator.trainer.load_state(policy)
    second.verifier.load(tensors, counters)
    for start in (first, second):
        start.verifier.train(lesson, 1)
    one, other = (dict(start.policy.model.named_parameters()) for start in (first, second))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert first.verifier.score([lesson[0].trajectory]) == second.verifier.score([lesson[0].trajectory])


def test_in_bfloat16_policy_and_verifier_move_the_same_masters(tmp_path: Any) -> None:
    from transformers import AutoModelForCausalLM

    from ponder.learning.core import Core
    from ponder.learning.settings import OptimizerSettings
    from tests.selfplay.small import model_folder

    model = AutoModelForCausalLM.from_pretrained(model_folder(tmp_path / "m"), dtype=torch.bfloat16)
    named = dict(model.named_parameters())
    one = Core(named, OptimizerSettings())
    other = Core(named, OptimizerSettings(), masters={id(p): one.masters[n] for n, p in named.items()})
    assert all(one.masters[name] is other.masters[name] for name in named)
    assert all(Core(named, OptimizerSettings()).masters[name] is not one.masters[name] for name in named)
