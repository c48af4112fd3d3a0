"""Runs in stages, self-correction turn by turn, and the presets that are made of both."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from ponder.algorithms.algorithm import Answer, Answers, Batch
from ponder.algorithms.per_turn import PerTurn
from ponder.config import changed, load, resolved
from ponder.learning.backends.batches import collate
from ponder.losses.additions import completed
from ponder.losses.clipped import Clipped
from ponder.losses.loss import Terms, TokenRows
from ponder.reports.run.turns import sentences
from ponder.rewards.component import Graded, earned
from ponder.rewards.self_correction import SelfCorrection
from ponder.runlog import RunLog
from ponder.selfplay import needs
from ponder.selfplay.config import Run
from ponder.selfplay.presets.methods import METHODS
from ponder.selfplay.stages.plan import of_round, plan
from ponder.selfplay.stages.turns import cells
from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict
from tests.selfplay.test_loop import play, recorded

QUESTION = Question("q", "sums", "1+1?")
PROBLEM = Problem(QUESTION, Key("2"))


def turns(*outcomes: float) -> tuple[Trajectory, Verdict]:
    """An episode of so many turns of two steps each, with an observation between them."""
    leaf: Step | None = None
    for number, _ in enumerate(outcomes):
        if number:
            leaf = Step((9, 9), (0.0, 0.0), "again", 0, StopReason.STEP, parent=leaf, forced=True)
        leaf = Step((1,), (-1.0,), "so\n", 0, StopReason.STEP, parent=leaf)
        leaf = Step((2, 3), (-1.0, -1.0), "2", 0, StopReason.END, parent=leaf)
    assert leaf is not None
    return Trajectory(QUESTION, leaf), Verdict(outcome=outcomes[-1], turns=outcomes)


def graded(*episodes: tuple[Trajectory, Verdict]) -> Graded:
    some, verdicts = tuple(t for t, _ in episodes), tuple(v for _, v in episodes)
    return Graded(Group(PROBLEM, some, verdicts), some, tuple(v.outcome or 0.0 for v in verdicts))


def test_turns_of_steps_and_tokens() -> None:
    one, two = turns(1.0)[0], turns(0.0, 1.0)[0]
    assert (one.turns, one.turn_S) == (1, (0, 0))
    assert (two.turns, two.turn_S) == (2, (0, 0, 1, 1, 1))


def test_the_four_cells_of_the_paper_at_alpha_ten() -> None:
    reward = SelfCorrection()
    pays = reward.pay(graded(turns(0.0, 1.0), turns(1.0, 1.0), turns(1.0, 0.0), turns(0.0, 0.0)))
    assert [pay.steps_S[-1] for pay in pays] == [11.0, 1.0, -10.0, 0.0]
    assert [pay.steps_S[1] for pay in pays] == [0.0, 1.0, 1.0, 0.0]
    stage_one = SelfCorrection(first=0.0, alpha=0.0).pay(graded(turns(1.0, 0.0), turns(0.0, 1.0)))
    assert [pay.steps_S for pay in stage_one] == [(0.0,) * 5, (0.0, 0.0, 0.0, 0.0, 1.0)]


def test_an_environment_without_outcomes_of_turns_is_refused() -> None:
    bare = turns(0.0, 1.0)[0], Verdict(outcome=1.0)
    with pytest.raises(PonderError, match="0 outcomes for the 2 turns"):
        SelfCorrection().pay(graded(bare))
    with pytest.raises(PonderError, match="an environment that checks every turn"):
        needs.check(Run(rewards=(SelfCorrection(),)))
    needs.check(load(Run, None, ["environment.kind=second_look", "rewards=[{kind='self_correction'}]"]))


def credited(*episodes: tuple[Trajectory, Verdict], reward: Any = None) -> list[list[float]]:
    some = earned([reward or SelfCorrection()], graded(*episodes))
    batch = Batch((Answers(PROBLEM, tuple(Answer(one) for one in some)),))
    return [list(credit.advantages_T) for credit in PerTurn().credit(batch).credits_PG[0]]


def test_what_the_second_turn_earns_never_reaches_the_first() -> None:
    """A wrong first answer that is mended earns 11 in the second turn; its first turn is blamed all the same."""
    mended, kept = credited(turns(0.0, 1.0), turns(1.0, 1.0))
    assert mended == [-0.5] * 3 + [5.0] * 5 and kept == [0.5] * 3 + [-5.0] * 5


def test_in_stage_one_the_first_turn_has_no_credit() -> None:
    first = SelfCorrection(first=0.0, alpha=0.0)
    right, wrong = credited(turns(1.0, 1.0), turns(1.0, 0.0), reward=first)
    assert right == [0.0] * 3 + [0.5] * 5 and wrong == [0.0] * 3 + [-0.5] * 5


def test_an_episode_of_one_turn_is_compared_in_that_turn_alone() -> None:
    cut, whole, other = credited(turns(1.0), turns(0.0, 1.0), turns(0.0, 0.0))
    assert cut == pytest.approx([2 / 3] * 3)
    assert whole == pytest.approx([-1 / 3] * 3 + [5.5] * 5) and other == pytest.approx([-1 / 3] * 3 + [-5.5] * 5)
    assert credited(turns(1.0, 1.0)) == [[0.0] * 8]


def test_the_cells_add_up_and_explain_the_change() -> None:
    episodes = [turns(1.0, 1.0), turns(1.0, 0.0), turns(0.0, 1.0), turns(0.0, 1.0), turns(0.0, 0.0), turns(1.0)]
    found = cells([Group(PROBLEM, tuple(t for t, _ in episodes), tuple(v for _, v in episodes))])
    assert found["right_right"] == pytest.approx(2 / 6) and found["wrong_right"] == pytest.approx(2 / 6)
    assert found["last"] - found["first"] == pytest.approx(found["wrong_right"] - found["right_wrong"])
    assert cells([Group(PROBLEM, (turns(1.0)[0],), (Verdict(outcome=1.0),))]) == {}


def test_the_report_shows_the_cells_before_and_after() -> None:
    shares = {"right_right": 0.4, "right_wrong": 0.1, "wrong_right": 0.2, "wrong_wrong": 0.3, "first": 0.5, "last": 0.6}
    said = sentences({"rounds": [{"round": -1, "turns": shares}, {"round": 0, "turns": {**shares, "last": 0.7}}]})
    assert len(said) == 2 and "wrong, right 20" in said[0].replace("\u202f", "") and "70" in said[1]
    assert sentences({"rounds": [{"round": 0, "turns": {}}]}) == []


def test_the_pull_is_stronger_on_the_first_turn() -> None:
    def loss(first: float) -> torch.Tensor:
        rows = TokenRows(
            logprobs_N=torch.tensor([-1.0, -1.0]),
            sampler_N=torch.tensor([-1.0, -1.0]),
            advantages_N=torch.zeros(2),
            row_N=torch.zeros(2, dtype=torch.long),
            rows=1,
            reference_N=torch.tensor([-2.0, -2.0]),
            turn_N=torch.tensor([0.0, 1.0]),
        )
        setting = Clipped(kl_coef=0.1, kl_first_turn=first, kl_estimator="k2")
        return completed(setting, Terms(torch.zeros(2)), rows).loss_N

    assert loss(1.0).tolist() == pytest.approx([0.05, 0.05])
    assert loss(10.0).tolist() == pytest.approx([0.5, 0.05])
    assert callable(collate)  # which fills turn_N; the run below goes through it


STAGED = [
    "rounds=3",
    (
        "stages=[{name='a', rounds=1, set=['loss.kl_coef=0.5']}, {name='b', rounds=2, set=['loss.kind=gspo', "
        "'trainer.learning_rate=0.01', 'sampling.group_size=6']}]"
    ),
]


def test_which_settings_hold_in_which_round() -> None:
    stages = plan(load(Run, None, STAGED))
    assert [(s.name, s.first, s.rounds) for s in stages] == [("a", 0, 1), ("b", 1, 2)]
    assert [of_round(stages, n).name for n in range(4)] == ["a", "b", "b", "b"]
    assert (stages[0].config.loss.kl_coef, stages[1].config.loss.kind) == (0.5, "gspo")
    assert stages[1].config.loss.kl_coef == 0.0  # another kind has its own defaults
    assert stages[1].config.sampling.group_size == 6 and stages[1].steps == 8
    assert plan(Run())[0].rounds == 6 and plan(Run())[0].config == Run()


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ("[{name='a', rounds=2}]", "have 2 rounds together and the run has 6"),
        ("[{name='a', rounds=6, set=['model=x']}]", "stage a changes model, which holds for a whole run"),
        ("[{name='a', rounds=6, set=['sampling.temperature=2.0']}]", r"stage a changes sampling\.temperature"),
        ("[{name='a', rounds=6, set=['loss.no_such=2']}]", r"unknown setting loss\.no_such"),
    ],
)
def test_stages_that_make_no_sense_are_refused_before_anything_is_loaded(stages: str, says: str) -> None:
    with pytest.raises(PonderError, match=says):
        needs.check(load(Run, None, [f"stages={stages}"]))


def test_changed_settings_are_checked_like_new_ones() -> None:
    assert changed(Run(), ["trainer.learning_rate=0.1"]).trainer.learning_rate == 0.1
    assert resolved(Run()) == resolved(changed(Run(), []))


def test_self_correction_in_a_run_learns_turn_by_turn_and_measures_the_cells() -> None:
    def answer(prompt: str, rng: random.Random) -> str:
        number = int(prompt.split("+1?")[0].split()[-1].rsplit(">", 1)[-1].rsplit("\n", 1)[-1] or 0)
        return str(number + 1 if rng.random() < 0.5 else 0)

    made = play(
        script=answer,
        environment={"kind": "second_look"},
        algorithm={"kind": "per_turn"},
        rewards=[{"kind": "self_correction"}],
        sampling={"problems": 6, "group_size": 4, "max_tokens": 90},
    )
    row = made.play(0)
    assert made.played[0][0].trajectories[0].turns == 2
    sample = recorded(made).updates[0][0]
    assert set(sample.turn_T) == {0.0, 1.0} and len(sample.turn_T) == len(sample.response)
    first = {a for a, t, m in zip(sample.advantages_T, sample.turn_T, sample.mask_T, strict=True) if m and t == 0}
    second = {a for a, t, m in zip(sample.advantages_T, sample.turn_T, sample.mask_T, strict=True) if m and t == 1}
    assert len(first) == len(second) == 1
    for found in (row["turns"], {k.removeprefix("turns/"): v for k, v in row["metrics"].items() if "turns/" in k}):
        assert found["last"] - found["first"] == pytest.approx(found["wrong_right"] - found["right_wrong"])
        assert sum(found[name] for name in ("right_right", "right_wrong", "wrong_right", "wrong_wrong")) == 1.0


@pytest.mark.parametrize("name", list(METHODS))
def test_every_preset_is_a_run_that_goes_together(name: str) -> None:
    summary, source, settings = METHODS[name]
    config = load(Run, None, [*settings, "seed=3"])
    needs.check(config)
    assert summary and source and config.seed == 3


def staged_run(tmp_path: Path, name: str, resume: bool = False) -> Any:
    from ponder.api.training.stage import Stage, prepared
    from ponder.problems.registry import parse
    from tests.selfplay.small import SETTINGS, model_folder
    from tests.selfplay.test_health import _grade

    folder = tmp_path / "model"
    if not folder.exists():
        model_folder(folder)
    settings = [*SETTINGS, f'model="{folder}"', "problems=['arithmetic?terms=2']", "keep_policies=false", *STAGED]
    config = load(Run, None, settings)
    start = prepared(config, [parse("arithmetic?terms=2")])
    log = RunLog.open(tmp_path / name, resolved(config), resume=resume)
    return Stage.of(start, log, _grade, lambda *_: None)


def test_a_staged_run_changes_loss_and_rate_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    from ponder.api.training import run as training

    whole = staged_run(tmp_path, "whole")
    rows = training._train(whole)
    assert [row.get("stage_name") for row in rows[1:]] == ["a", "b", "b"]
    assert "loss/kl_reference" in rows[1]["metrics"] and "loss/sequence_ratio" in rows[2]["metrics"]
    assert rows[1]["learning_rate"] != rows[2]["learning_rate"]
    # Five warm-up steps, counted anew: the stage's first update is its first step.
    assert rows[2]["learning_rate"] == pytest.approx(0.01 / 5)

    cut = staged_run(tmp_path, "cut")
    played = cut.play.play

    def dies(round_number: int) -> dict[str, Any]:
        if round_number == 2:
            raise KeyboardInterrupt
        row: dict[str, Any] = played(round_number)
        return row

    cut.play.play = dies
    with pytest.raises(KeyboardInterrupt):
        training._train(cut)
    cut.log.close()
    again = staged_run(tmp_path, "cut", resume=True)
    training._train(again)
    one, other = (dict(s.policy.model.named_parameters()) for s in (whole, again))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert json.loads((again.log.path / "metrics.jsonl").read_text().splitlines()[-1])["stage"] == 1
