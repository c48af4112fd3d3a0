"""The monitors of a long run: each cause injected and named, and a run that goes back to its last good checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from ponder.api.training import run as training
from ponder.api.training.stage import Stage, prepared
from ponder.learning.checkpoints.checkpoints import Checkpoints
from ponder.learning.core import Core, Diverged
from ponder.learning.settings import OptimizerSettings
from ponder.problems.registry import parse
from ponder.reports.run.alarms import health as sentences
from ponder.runlog import RunLog
from ponder.selfplay.config import Run
from ponder.selfplay.monitors.health import Health, gathered
from ponder.selfplay.monitors.readings import Readings, read, repeats
from ponder.selfplay.monitors.settings import SIGNALS, Monitors
from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict
from tests.selfplay.small import SETTINGS, model_folder

QUIET: dict[str, Any] = {
    "dead_groups": 0.2,
    "entropy": 0.2,
    "kl_mismatch": 0.001,
    "validation": {"mean": 0.6},
    "ladder": {"sums": [0.5] * 400},
    "agreement": {"gap": 0.05, "only_verifier": 0.1},
    "metrics": {},
}


def answered(tokens: Sequence[int] = (1, 2, 3), right: float = 1.0, stop: StopReason = StopReason.END) -> Group:
    question = Question("q", "sums", "1+1?")
    leaf = Step(tuple(tokens), (-1.0,) * len(tokens), "2", 0, stop)
    return Group(Problem(question, Key("2")), (Trajectory(question, leaf),), (Verdict(outcome=right),))


LOOP = answered((1, 2, 3, 4) * 40)
CASES = [
    ({"validation": {"mean": 0.4}}, [answered()], "validation", "fell to 40.0% from 60.0%"),
    ({"entropy": 0.01}, [answered()], "entropy", "collapsed to 0.01 nats"),
    ({"entropy": 0.9}, [answered()], "entropy", "falling apart"),
    ({"kl_mismatch": 0.3}, [answered()], "mismatch", "does not sample from what is trained"),
    ({}, [LOOP], "repetition", "100% of the answers repeat themselves"),
    ({}, [answered(range(100))], "length", "grew to 100 tokens from 3"),
    ({}, [answered(stop=StopReason.LENGTH)], "length", "cut by sampling.max_tokens"),
    ({"dead_groups": 1.0}, [answered(right=0.0)], "live_groups", "too hard or too easy"),
    ({"agreement": {"gap": 0.5, "only_verifier": 0.1}}, [answered()], "drift", "promises more than the solve rate"),
    ({"metrics": {"verifier/gap": -0.4}}, [answered()], "drift", "promises less"),
    ({"agreement": {"gap": 0.1, "only_verifier": 0.4}}, [answered()], "only_verifier", "being fooled"),
]


def healthy() -> Health:
    """A run whose first round was quiet."""
    health = Health(Monitors())
    readings, alarms = health.look(QUIET, [answered()])
    assert alarms == []
    health.keep(readings)
    return health


@pytest.mark.parametrize(("change", "groups", "signal", "says"), CASES)
def test_each_cause_is_named(change: dict[str, Any], groups: list[Group], signal: str, says: str) -> None:
    health = healthy()
    assert health.look(QUIET, [answered()])[1] == []
    _, alarms = health.look({**QUIET, **change}, groups)
    assert signal in [alarm.signal for alarm in alarms]
    assert says in next(alarm.says for alarm in alarms if alarm.signal == signal)
    assert Health(Monitors(enabled=False)).look({**QUIET, **change}, groups)[1] == []


def test_every_signal_has_a_case() -> None:
    assert {case[2] for case in CASES} | {"not_finite", "decline"} == set(SIGNALS)


def test_a_solved_run_and_a_small_ladder_are_no_alarm() -> None:
    health = healthy()
    assert health.look({**QUIET, "dead_groups": 1.0}, [answered(right=1.0)])[1] == []
    # Two shares of eight problems each differ by 0.2 by mere chance: three standard errors are 0.75.
    assert health.look({**QUIET, "validation": {"mean": 0.1}, "ladder": {"sums": [0.1] * 8}}, [answered()])[1] == []


def test_the_readings_by_hand() -> None:
    found = read(QUIET, [answered(), answered((1, 2, 3, 4, 5), right=0.0, stop=StopReason.LENGTH)])
    assert found == Readings(0.6, 400, 0.2, 0.001, 0.0, 4.0, 0.5, 0.8, 0.5, 0.05, 0.1)
    assert read({}, []) == Readings()
    assert not repeats(range(200)) and not repeats([1] * 16) and repeats([1] * 40)


def test_which_alarms_reject_is_a_setting_and_the_state_comes_back() -> None:
    health = Health(Monitors(rollback=("length",), rate_factor=0.25))
    readings, _ = health.look(QUIET, [answered()])
    health.keep(readings)
    _, alarms = health.look({**QUIET, "entropy": 0.001}, [answered(range(100))])
    rejected = health.rejects(alarms)
    assert rejected is not None and rejected.signal == "length"
    health.went_back(7, rejected)
    again = Health(health.settings)
    again.load_state(json.loads(json.dumps(health.state())))
    assert again == health and again.scale == 0.25 and again.attempt == 1


def test_a_smaller_rate_is_a_factor_on_every_further_step() -> None:
    core = Core({"w": torch.nn.Parameter(torch.ones(1))}, OptimizerSettings(learning_rate=0.1, warmup_steps=0))
    core.scale = 0.25
    assert core.learning_rate == pytest.approx(0.025)


def stage(tmp_path: Path, name: str, *more: str) -> Stage:
    """A run that is ready to be trained, without what comes after the training."""
    from ponder.config import load, resolved

    folder = tmp_path / "model"
    if not folder.exists():
        model_folder(folder)
    families = ["arithmetic?terms=2"]
    config = load(Run, None, [*SETTINGS, f'model="{folder}"', f"problems={families}", "keep_policies=false", *more])
    parsed = [parse(name) for name in families]
    start = prepared(config, parsed)
    log = RunLog.open(tmp_path / name, resolved(config))
    return Stage.of(start, log, _grade, lambda *_: None)


def _grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    return [Verdict(outcome=float(len(response) % 2)) for response in responses]


def broken_in(stage: Stage, number: int, times: int, how: str = "weights") -> list[float]:
    """Let the policy fall apart in round `number`, the first `times` times that it is played; the rates it began at."""
    play, rates, left = stage.play.play, [], [times]
    trainer: Any = stage.play.generator.trainer

    def spoiled(round_number: int) -> dict[str, Any]:
        rates.append(trainer.learning_rate)
        row = play(round_number)
        if round_number == number and left[0]:
            left[0] -= 1
            if how == "diverged":
                raise Diverged("5 steps in a row were skipped")
            with torch.no_grad():
                for p in trainer.model.parameters():
                    p += 1.0
            row["kl_mismatch"] = 1.0
        return row

    stage.play.play = spoiled  # type: ignore[method-assign]
    return rates


@pytest.mark.parametrize("how", ["weights", "diverged"])
def test_a_rejected_round_leaves_nothing_but_its_work_and_a_smaller_rate(tmp_path: Path, how: str) -> None:
    run = stage(tmp_path, "run", "trainer.warmup_steps=0")
    rates = broken_in(run, 1, 1, how)
    rows = training._train(run)
    assert rates == pytest.approx([3e-4, 3e-4, 1.5e-4])
    assert [row["round"] for row in rows] == [-1, 0, 1]
    (rejected,) = [e for e in run.log.events() if e["kind"] == "rejected"]
    assert rejected["rejected_round"] == 1 and rejected["signal"] == ("mismatch" if how == "weights" else "not_finite")
    assert all(bool(p.abs().max() < 1.0) for p in run.policy.model.parameters() if p.ndim > 1)
    assert rows[-1]["health"]["rate_scale"] == 0.5
    assert gathered(rows)["rolled_back"][0]["round"] == 1
    # The work of the rejected round stays in the account: three rounds were played and two kept.
    kept = sum(part["flops"] for row in rows[1:] for n, part in row["work"].items() if n in CHARGED)
    assert run.play.ledger.flops > 1.2 * kept
    said = sentences({"health": json.loads(json.dumps(gathered(rows)))})
    assert said[0].startswith("ROLLBACK, round 2 was rejected and drawn anew at 50")
    saved = Checkpoints(run.log.path / "checkpoints").load_latest().saved
    assert saved is not None and saved.state["health"]["scale"] == 0.5 and saved.state["rounds"] == 2


CHARGED = ("rollout", "labelling", "update", "verifier_update")


def test_a_run_that_is_killed_after_going_back_goes_on_as_the_one_that_was_not(tmp_path: Path) -> None:
    whole = stage(tmp_path, "whole")
    broken_in(whole, 1, 1)
    training._train(whole)
    killed = stage(tmp_path, "killed")
    broken_in(killed, 1, 1)
    kept = killed.play.play

    def dies(round_number: int) -> dict[str, Any]:
        if killed.play.health.attempt:
            raise KeyboardInterrupt
        return kept(round_number)

    killed.play.play = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        training._train(killed)
    killed.log.close()
    from ponder.config import resolved

    start = prepared(killed.config, killed.families)
    log = RunLog.open(killed.log.path, resolved(killed.config), resume=True)
    resumed = Stage.of(start, log, _grade, lambda *_: None)
    rows = training._train(resumed)
    assert rows[-1]["health"]["rate_scale"] == 0.5
    one, other = (dict(s.policy.model.named_parameters()) for s in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def scripted(stage: Stage, rates: Sequence[float]) -> None:
    """Validation as it is written: the same rate on each of four problems, in each round that is played."""
    play, left = stage.play.play, list(rates)

    def told(round_number: int) -> dict[str, Any]:
        row = play(round_number)
        rate = left.pop(0)
        return {**row, "validation": {"sums": rate, "mean": rate}, "ladder": {"sums": [rate] * 4}}

    stage.play.play = told  # type: ignore[method-assign]


SLOW = ("rounds=4", "monitors.rounds=1", "monitors.sag=0.1", "verifier.enabled=false", "evaluation.ladder=1")


def weights(run: Stage, folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return {name: t for file in sorted(folder.glob("*.safetensors")) for name, t in load_file(file).items()}


def alike(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_slow_decline_goes_back_to_the_best_policy_and_on_at_a_smaller_rate(tmp_path: Path) -> None:
    run = stage(tmp_path, "run", *SLOW, "trainer.warmup_steps=0", "keep_policies=true")
    scripted(run, (0.4, 0.75, 0.6, 0.75))
    trainer: Any = run.play.generator.trainer
    rates, play = [], run.play.play
    begun: list[dict[str, torch.Tensor]] = []

    def seen(round_number: int) -> dict[str, Any]:
        rates.append(trainer.learning_rate)
        begun.append({name: t.clone() for name, t in trainer.weights().items()})
        return play(round_number)

    run.play.play = seen  # type: ignore[method-assign]
    rows = training._train(run)
    # The third round is a decline by 0.15: it stays in the log, and the fourth begins where the second ended.
    assert [row["round"] for row in rows] == [-1, 0, 1, 2, 3]
    assert rates == pytest.approx([3e-4, 3e-4, 3e-4, 1.5e-4])
    assert [alarm["signal"] for alarm in rows[3]["health"]["alarms"]] == ["decline"]
    (returned,) = [e for e in run.log.events() if e["kind"] == "returned"]
    assert (returned["round"], returned["to"]) == (2, 1)
    assert alike(begun[3], begun[2]) and not alike(begun[3], begun[1])
    assert run.chosen["chosen"] == "last" and run.chosen["round"] == 3
    said = sentences({"health": json.loads(json.dumps(gathered(rows)))})
    assert said[0].startswith("ROLLBACK, round 3 ended a decline, and the run went on from its best policy at 50")
    # What the rounds cost that came to nothing stays in the account.
    played = [sum(part["flops"] for n, part in row["work"].items() if n in CHARGED) for row in rows[1:]]
    assert run.play.ledger.flops == pytest.approx(sum(played))


def test_the_policy_that_is_left_is_the_last_unless_it_ends_in_a_decline(tmp_path: Path) -> None:
    run = stage(tmp_path, "run", *SLOW, "monitors.rollback=[]", "keep_policies=true")
    scripted(run, (0.4, 0.75, 0.7, 0.6))
    training._train(run)
    assert run.chosen == {**run.chosen, "chosen": "best", "round": 1, "best": 1}
    assert "75.0%" in run.chosen["why"] and "60.0%" in run.chosen["why"]
    left = weights(run, run.log.path / "model")
    assert alike(left, weights(run, run.log.path / "policies" / "round-0002"))
    assert not alike(left, weights(run, run.log.path / "policies" / "round-0004"))
    # What is measured is what the trainer holds.
    served = run.play.generator.trainer.weights()
    assert all(torch.equal(left[name], served[name]) for name in left)
    assert [e["after_round"] for e in run.log.events() if e["kind"] == "chosen"] == [1]
    said = sentences({"health": {"rounds": 4, "alarms": [], "rolled_back": []}, "chosen": run.chosen})
    assert said[-1].startswith("The policy of this run is that after round 2: the last rounds ended in a decline")


@pytest.mark.parametrize(("export", "after"), [("last", 3), ("best", 1)])
def test_which_policy_is_left_can_be_set(tmp_path: Path, export: str, after: int) -> None:
    run = stage(tmp_path, "run", *SLOW, "monitors.rollback=[]", f"monitors.export={export}")
    scripted(run, (0.4, 0.75, 0.7, 0.7))
    training._train(run)
    assert (run.chosen["chosen"], run.chosen["round"]) == (export, after)
    kept = [path.name for path in sorted((run.log.path / "checkpoints").glob("*-round-*"))]
    assert (next(name.split("-")[-1] for name in kept) == "2") == (export == "best")


def test_a_run_that_goes_back_too_often_stops_and_says_why(tmp_path: Path) -> None:
    run = stage(tmp_path, "run", "monitors.most_rollbacks=1")
    broken_in(run, 0, 5)
    with pytest.raises(PonderError, match=r"round 1 was rejected: sampler and trainer differ.* went back 1 times"):
        training._train(run)


def test_without_monitors_nothing_is_rejected(tmp_path: Path) -> None:
    run = stage(tmp_path, "run", "monitors.enabled=false")
    broken_in(run, 1, 1)
    rows = training._train(run)
    assert rows[-1]["health"]["rolled_back"] == [] and rows[-1]["health"]["rate_scale"] == 1.0


def test_a_quiet_run_says_so() -> None:
    assert "quiet" in sentences({"health": {"rounds": 3, "alarms": [], "rolled_back": []}})[0]
    assert sentences({}) == []
