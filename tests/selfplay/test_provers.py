"""Prover-verifier games: the reward by role, what the verifier sees and learns, and toys with known ends."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from ponder.algorithms.dr_grpo import DrGRPO
from ponder.api.policies import load_policy
from ponder.config import load
from ponder.labels.contrast import outcome_labels
from ponder.rewards.component import Graded
from ponder.selfplay import needs
from ponder.selfplay.config import Run
from ponder.selfplay.credit import Crediting
from ponder.selfplay.provers.reward import Prover, centred, prover_reward
from ponder.selfplay.provers.roles import HELPFUL, REQUEST, SNEAKY, both, is_sneaky, judged_plainly, plain, shares
from ponder.selfplay.provers.verifier import ProverVerifier
from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict
from tests.selfplay import test_loop as loop
from tests.selfplay.small import model_folder

PROBLEM = Problem(Question("p", "sums", "1+1?"), Key("2"))


def said(problem: Problem, text: str, outcome: float) -> Group:
    leaf = Step((1,), (0.0,), text, 0, StopReason.END)
    return Group(problem, (Trajectory(problem.question, leaf),), (Verdict(outcome=outcome),))


@pytest.mark.parametrize("variant", ["src", "cgc"])
@pytest.mark.parametrize("score", [-0.7, -0.01, 0.0, 0.2, 0.9])
def test_who_does_not_play_the_role_never_gets_a_positive_reward(variant: Literal["src", "cgc"], score: float) -> None:
    assert prover_reward(score, right=True, sneaky=True, variant=variant) <= 0
    assert prover_reward(score, right=False, sneaky=False, variant=variant) <= 0


def test_the_formulas_with_numbers() -> None:
    def src(score: float, right: bool, sneaky: bool) -> float:
        return prover_reward(score, right=right, sneaky=sneaky, variant="src")

    assert (src(0.3, True, False), src(0.3, False, True)) == (0.3, 0.3)
    assert (src(0.3, False, False), src(0.3, True, True)) == (-0.3, -0.3)
    assert {src(-0.3, right, sneaky) for right in (True, False) for sneaky in (True, False)} == {-1.0}
    assert prover_reward(-0.3, right=True, sneaky=False, variant="cgc") == -0.3
    assert prover_reward(0.3, right=True, sneaky=True, variant="cgc") == -2.0


def test_scores_are_centred_on_the_whole_batch() -> None:
    def score(trajectories: Sequence[Trajectory]) -> list[Verdict]:
        return [Verdict(score=float(t.text)) for t in trajectories]

    some = [said(PROBLEM, text, 1.0).trajectories[0] for text in ("0.2", "0.4", "0.9")]
    assert [v.score for v in centred(score)(some)] == [pytest.approx(x) for x in (-0.3, -0.1, 0.4)]


def test_the_role_is_in_the_question_and_the_verifier_never_sees_it() -> None:
    helpful, sneaky = both([PROBLEM])
    assert helpful.question == PROBLEM.question  # what evaluations ask
    assert sneaky.question.text == "1+1?" + REQUEST
    assert sneaky.id != helpful.id
    assert (is_sneaky(sneaky), is_sneaky(helpful), is_sneaky(PROBLEM)) == (True, False, False)
    assert plain(sneaky.question) == plain(helpful.question) == PROBLEM.question
    leaf = Step((1,), (0.0,), "x", 0, StopReason.END)
    assert judged_plainly(Trajectory(sneaky.question, leaf)).question == PROBLEM.question
    assert sneaky.key.answer == helpful.key.answer == "2"
    groups = [said(helpful, "2", 1.0), said(sneaky, "3", 0.0), said(sneaky, "2", 1.0)]
    assert shares(groups) == {"prover/helpful_right": 1.0, "prover/sneaky_wrong": 0.5, "prover/silent": 0.0}
    assert shares([said(PROBLEM, "2", 1.0)]) == {}


@pytest.mark.parametrize(("variant", "nothing"), [("cgc", -2.0), ("src", -1.0)])
def test_a_prover_that_answers_nothing_is_counted_and_never_paid(
    variant: Literal["src", "cgc"], nothing: float
) -> None:
    """A verifier that likes silence would else pay the sneaky prover for it: silence is wrong, and believed."""
    sneaky = both([PROBLEM])[1]
    texts = ["</think>3", "</think>", "", "well"]
    leaves = [Step((1,), (0.0,), t, 0, StopReason.LENGTH if t == "well" else StopReason.END) for t in texts]
    trajectories = tuple(Trajectory(sneaky.question, leaf) for leaf in leaves)
    group = Group(sneaky, trajectories, (Verdict(outcome=0.0),) * 4)
    graded = Graded(group, trajectories, (0.0,) * 4, (Verdict(score=0.4),) * 4)
    assert Prover(variant=variant).pay(graded) == [0.4, nothing, nothing, nothing]
    assert shares([group])["prover/silent"] == 0.75


def test_before_there_is_a_verifier_nothing_is_paid() -> None:
    graded: Any = type("Graded", (), {"__len__": lambda self: 2})()
    assert Prover(started=False).pay(graded) == [0.0, 0.0]


WEAK = {"right": 0.6, "plainly wrong": 0.2, "wrong with a flourish": 0.9}
ANSWERS = {"right": 1.0, "plainly wrong": 0.0, "wrong with a flourish": 0.0}


def trained_against(
    believes: dict[str, float], role: str, variant: Literal["src", "cgc"] = "cgc", updates: int = 300
) -> dict[str, float]:
    """A softmax policy over three answers in a role, moved by the credit of the real rewards: its chances at the end.

    `believes` are the scores of a fixed verifier.
    """
    problem = next(p for p in both([PROBLEM]) if p.key.data["role"] == role)
    other = said(next(p for p in both([PROBLEM]) if p.key.data["role"] != role), "right", 1.0)
    logits, rng = dict.fromkeys(ANSWERS, 0.0), random.Random(0)

    def score(trajectories: Sequence[Trajectory]) -> list[Verdict]:
        return [Verdict(score=believes[t.text]) for t in trajectories]

    crediting = Crediting((Prover(variant=variant),), DrGRPO(), score=centred(score))
    for _ in range(updates):
        drawn = rng.choices(list(ANSWERS), [math.exp(logits[a]) for a in ANSWERS], k=8)
        parts = [said(problem, text, ANSWERS[text]) for text in drawn]
        group = Group(problem, tuple(p.trajectories[0] for p in parts), tuple(p.verdicts[0] for p in parts))
        for credit in crediting([group, other]).credits.credits_PG[0]:
            logits[credit.trajectory.text] += 0.1 * credit.advantages_T[0]
    total = sum(map(math.exp, logits.values()))
    return {answer: math.exp(logit) / total for answer, logit in logits.items()}


def test_a_fixed_weak_verifier_is_fooled_by_the_sneaky_prover_and_a_better_one_is_not() -> None:
    for variant in ("src", "cgc"):
        assert trained_against(WEAK, SNEAKY, variant)["wrong with a flourish"] > 0.9
    better = {"right": 0.9, "plainly wrong": 0.2, "wrong with a flourish": 0.1}
    assert trained_against(better, SNEAKY)["wrong with a flourish"] < 0.1


def test_a_verifier_that_is_fooled_leads_the_helpful_prover_astray_under_src_and_not_under_cgc() -> None:
    assert trained_against(WEAK, HELPFUL, "cgc")["right"] > 0.9
    # Right and not believed costs 1; wrong and believed costs only what it is believed by.
    assert trained_against(WEAK, HELPFUL, "src")["right"] < 0.1


def config(**changes: Any) -> Run:
    return Run.model_validate(
        {
            "provers": {"enabled": True, "epochs": 6},
            "verifier": {"depth": 1.0, "batch": 8, "trainer": {"learning_rate": 3e-3}},
            **changes,
        }
    )


def verifier(folder: Path, **changes: Any) -> ProverVerifier:
    policy = load_policy(str(model_folder(folder)))
    return ProverVerifier(policy.model, policy.propose, config(**changes))


def answers(wrong: str, count: int = 60) -> list[Group]:
    """For each problem a right answer that ends in r, and a wrong one that ends in `wrong`."""
    found = []
    for number in range(count):
        problem = Problem(Question(f"n{number}", "sums", f"{number % 10}?"), Key("r"))
        texts = (f"{number}r", f"{number}{wrong}")
        leaves = [Step((8 + number % 10, 20 + ord(t[-1]) % 40), (0.0, 0.0), t, 0, StopReason.END) for t in texts]
        found.append(
            Group(
                problem,
                tuple(Trajectory(problem.question, leaf) for leaf in leaves),
                (Verdict(outcome=1.0), Verdict(outcome=0.0)),
            )
        )
    return found


def test_the_verifier_learns_from_all_past_provers_and_is_measured_on_problems_that_it_never_saw(
    tmp_path: Path,
) -> None:
    made = verifier(tmp_path)
    made.train(outcome_labels(answers("w")), 0)
    first = dict(made.measured)
    assert first["prover/pairs of round 0"] > 0.9
    assert "prover/unseen" not in first
    before = [p.clone() for p in made.model.parameters()]
    made.train(outcome_labels(answers("x")), 1)  # a prover that is wrong in a new way
    assert made.measured["prover/pairs of round 1"] > 0.9
    assert made.measured["prover/pairs of round 0"] > 0.9  # and the old way is not forgotten
    assert 0.0 <= made.measured["prover/unseen"] <= 1.0  # the earlier verifier on provers that it had not met
    assert any(not torch.equal(a, b) for a, b in zip(before, made.model.parameters(), strict=True))
    held = {one.problem for one in made.memory if one.held_out}
    assert held
    assert len(held) < len({one.problem for one in made.memory}) / 2


def test_a_round_begins_from_scratch(tmp_path: Path) -> None:
    once, twice = verifier(tmp_path), verifier(tmp_path)
    twice.train(outcome_labels(answers("w")), 0)
    twice.memory.clear()
    once.train(outcome_labels(answers("w")), 1)
    twice.train(outcome_labels(answers("w")), 1)
    assert all(torch.equal(a, b) for a, b in zip(once.model.parameters(), twice.model.parameters(), strict=True))


def test_the_memory_and_the_weights_survive_a_checkpoint(tmp_path: Path) -> None:
    made = verifier(tmp_path, provers={"enabled": True, "remembered": 50})
    made.train(outcome_labels(answers("w")), 0)
    assert len(made.memory) == 50
    other = verifier(tmp_path, provers={"enabled": True, "remembered": 50})
    other.load({k: {n: t.clone() for n, t in some.items()} for k, some in made.tensors().items()}, made.counters())
    assert other.memory == made.memory
    trajectory = answers("w")[0].trajectories[0]
    assert other.score([trajectory]) == made.score([trajectory])


def test_nothing_to_compare_leaves_the_verifier_as_it_began(tmp_path: Path) -> None:
    made = verifier(tmp_path)
    loss, _ = made.train(outcome_labels([said(PROBLEM, "2", 1.0)]), 0)
    assert loss is None
    assert made.measured == {}


def test_a_round_of_the_loop_asks_both_roles_and_pays_from_the_second_round_on() -> None:
    def script(prompt: str, rng: random.Random) -> str:
        return rng.choice(["so\n1", "2", "3", "4"])

    made = loop.play(script=script, provers={"enabled": True}, sampling={"problems": 6, "group_size": 4})
    row = made.play(0)
    groups = [group for update in made.played for group in update]
    assert len(groups) == 2 * 6
    assert sum(is_sneaky(group.problem) for group in groups) == 6
    assert not any(loop.recorded(made).updates)  # no verifier yet: nothing is paid and nothing is learned
    assert row["metrics"]["prover/sneaky_wrong"] > 0
    second = made.play(1)
    assert any(loop.recorded(made).updates)
    assert "reward/prover" in second["metrics"]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("coupling.kind=both", "coupling.kind"),
        ("environment.kind=retry", "environment.kind"),
        ('rewards=[{kind="format"}]', "leave `rewards` out"),
    ],
)
def test_what_does_not_go_together_is_refused(setting: str, says: str) -> None:
    with pytest.raises(PonderError, match=says):
        needs.check(load(Run, overrides=["provers.enabled=true", setting]))
    needs.check(load(Run, overrides=["provers.enabled=true"]))
