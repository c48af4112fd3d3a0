"""The simulation against numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import LlamaConfig
from typer.testing import CliRunner

from ponder.cli import app
from ponder.distributed.capacity.hardware import ACCELERATORS, accelerator, cache_bytes, service_of
from ponder.distributed.capacity.measured import account, of_run, of_runs
from ponder.distributed.capacity.pipeline import Load, Service, Shape
from ponder.distributed.capacity.plan import memory_of, plan_of
from ponder.distributed.capacity.simulate import simulate
from ponder.rollout import store
from ponder.runlog import RunLog
from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict

PLAIN = Service(step=0.01, step_row=0.0, rows=1000, prefill=0.0, dispatch=0.0, grade=0.0, learn=2.0, learn_token=0.0)
LOAD = Load(problems=4, group=2, prompt=0, mean=100, spread=0.0, longest=1000)


def changed(**fields: float) -> Service:
    return Service(**{**vars(PLAIN), **fields})


def test_one_after_the_other_takes_the_sum() -> None:
    found = simulate(PLAIN, LOAD, Shape(engines=1))
    assert found.step == pytest.approx(100 * 0.01 + 2.0)
    assert found.tokens == pytest.approx(800 / 3.0)
    assert found.busy["engines"] == pytest.approx(1 / 3) and found.busiest == "learner"


def test_with_staleness_it_takes_the_longer_of_the_two() -> None:
    assert simulate(PLAIN, LOAD, Shape(1, staleness=1)).step == pytest.approx(2.0)
    assert simulate(changed(learn=0.25), LOAD, Shape(1, staleness=1)).step == pytest.approx(1.0)


def test_a_step_is_shared_by_the_answers_under_way() -> None:
    one, two = (simulate(changed(step=0.0, step_row=0.001, learn=0.0), LOAD, Shape(n)).step for n in (1, 2))
    assert one == pytest.approx(8 * 0.001 * 100) and two == pytest.approx(one / 2)


def test_what_finds_no_row_waits_for_one() -> None:
    assert simulate(changed(rows=4, learn=0.0), LOAD, Shape(1)).step == pytest.approx(2 * 100 * 0.01)


def test_a_round_ends_with_a_rest_in_which_it_is_measured() -> None:
    # Sampling 1 s, learning 2 s, measuring 0.5 s an update, two updates a round.
    alone = simulate(changed(measure=0.5), LOAD, Shape(1, round=2), updates=4, whole=True)
    assert alone.step == pytest.approx(1.0 + 2.0 + 0.5)
    # Ahead by one: 1 + 2 + 2, at once the next batch and no more; measuring 1; then 2 + 2 + 1 and the end.
    ahead = simulate(changed(measure=0.5), LOAD, Shape(1, staleness=1, round=2), updates=4, whole=True)
    assert 4 * ahead.step == pytest.approx((1 + 2 + 2 + 1) + (2 + 2 + 1))
    # Where learning is quick, the rest waits for the batches that are drawn ahead: 1 + 1 + 1, measuring 1, 1 + 0, 1.
    quick = simulate(changed(learn=0.0, measure=0.5), LOAD, Shape(1, staleness=1, round=2), updates=4, whole=True)
    assert 4 * quick.step == pytest.approx((1 + 1 + 1 + 1) + (1 + 0 + 1))


def test_parts_that_share_a_processor_slow_each_other_down() -> None:
    # Ahead by one everything overlaps, which gains nothing on one processor and all on two.
    on = {n: simulate(PLAIN, LOAD, Shape(1, staleness=1, processors=n)).step for n in (1, 2, 0)}
    assert on[1] == pytest.approx(1.0 + 2.0) and on[2] == on[0] == pytest.approx(2.0)
    work = changed(step=0.0, step_row=0.001, learn=0.0)
    shared, apart = (simulate(work, LOAD, Shape(2, processors=n)).step for n in (1, 2))
    assert shared == pytest.approx(0.8) and apart == pytest.approx(0.4)
    # Answers begin 0.1 s after each other, so the engine makes steps for 1.7 s; the driver works for 1.6 s.
    driven = simulate(changed(dispatch=0.2, learn=0.0), LOAD, Shape(1, processors=1)).step
    assert driven == pytest.approx(8 * 0.2 + 1.7)


def test_measured_lengths_are_drawn_and_what_teaches_nothing_costs_the_learner_nothing() -> None:
    known = Load(problems=4, group=2, prompt=0, mean=1, spread=0.0, longest=1000, lengths=(100,), learned=0.5)
    found = simulate(changed(learn=0.0, learn_token=0.001), known, Shape(1))
    assert found.step == pytest.approx(100 * 0.01 + 800 * 0.5 * 0.001)


def test_prompts_graders_and_the_driver_cost_what_they_cost() -> None:
    with_prompt = Load(4, 2, prompt=50, mean=100, spread=0.0, longest=1000)
    assert simulate(changed(prefill=0.001, learn=0.0), with_prompt, Shape(1)).step == pytest.approx(1.0 + 0.05)
    # All eight answers end together: the grader takes them one after the other, two graders half as long.
    assert simulate(changed(grade=0.1, learn=0.0), LOAD, Shape(1, graders=1)).step == pytest.approx(1.0 + 0.8)
    assert simulate(changed(grade=0.1, learn=0.0), LOAD, Shape(1, graders=2)).step == pytest.approx(1.0 + 0.4)
    # Half of the driver's work on each answer is before it, half after it, one answer at a time.
    driven = simulate(changed(dispatch=0.2, learn=0.0), LOAD, Shape(1))
    assert driven.step == pytest.approx(8 * 0.1 + 1.0 + 0.1)


def test_weights_travel_by_doubling() -> None:
    sent = changed(publish=0.5, publish_hop=0.25, load=0.125)
    assert simulate(sent, LOAD, Shape(1)).step == pytest.approx(3.0 + 0.5 + 0.125)
    found = simulate(sent, LOAD, Shape(5))
    assert found.step == pytest.approx(3.0 + 0.5 + 3 * 0.25 + 0.125)
    assert found.busy["network"] == pytest.approx(1.25 / found.step)


def test_long_answers_hold_a_batch_up_and_no_answer_is_longer_than_allowed() -> None:
    even, spread = (simulate(PLAIN, Load(64, 4, 0, 100, s, 400), Shape(1)).step for s in (0.0, 1.0))
    assert even == pytest.approx(3.0) and 4.5 < spread < 6.0 + 1e-9


def test_ten_thousand_engines_are_held_up_by_the_one_driver() -> None:
    load = Load(problems=10_000, group=4, prompt=0, mean=500, spread=0.5, longest=2000)
    found = simulate(changed(dispatch=0.002, learn=1.0), load, Shape(10_000, 100, 1), updates=1)
    assert found.busiest == "driver" and found.step >= 40_000 * 0.002


def test_a_model_on_an_accelerator_by_hand() -> None:
    config = LlamaConfig(
        hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, intermediate_size=14336
    )
    assert cache_bytes(config) == 2 * 2 * 32 * 8 * 128
    found = service_of(config, 8e9, ACCELERATORS["h100"], context=2048, learners=8)
    assert found.step == pytest.approx(16e9 / (3.35e12 * 0.7))  # all weights once a step: 6.8 ms
    assert found.rows == int((72e9 - 16e9) / (131072 * 2048))
    assert found.learn_token > 6 * 7e9 / (8 * 989e12 * 0.4)


def test_what_is_no_accelerator_and_no_time_is_refused() -> None:
    with pytest.raises(PonderError, match="unknown accelerator 'h10'"):
        accelerator("h10")
    with pytest.raises(PonderError, match="must not be negative"):
        changed(grade=-1.0)


def test_memory_by_hand_and_what_does_not_fit_says_what_would() -> None:
    h100 = ACCELERATORS["h100"]
    found = memory_of(8e9, 131072, 100, 1000, h100, learners=4)
    assert (found.engine_weights, found.engine_cache, found.learner) == (16e9, 131072e5, 36e9)
    with pytest.raises(PonderError, match=r"share is 144 GB on each of 1 h100.*give --learners 3"):
        memory_of(8e9, 131072, 100, 1000, h100, learners=1)
    with pytest.raises(PonderError, match=r"70B parameters take 140 GB in bfloat16.*larger accelerator"):
        memory_of(70e9, 1.0, 1, 1, h100, learners=64)


def test_a_plan_names_the_bottleneck_its_cost_and_what_to_add() -> None:
    plan = plan_of(PLAIN, LOAD, Shape(3), learners=1, one=ACCELERATORS["h100"], price=2.0)
    data = plan.as_data()
    assert data["bottleneck"] == "learner" and data["gpus"] == 4 and data["dollars_per_hour"] == 8.0
    assert data["dollars_per_update"] == pytest.approx(8.0 * 3.0 / 3600)
    assert "the learner works 67% of the time; give the learner more GPUs" in plan.advice


def test_the_command_plans_from_a_configuration_alone() -> None:
    said = CliRunner().invoke(app, ["cluster", "plan", "--model", "tiny", "--gpu", "a100", "--engines", "2", "--json"])
    found = json.loads(said.stdout)
    assert said.exit_code == 0 and found["step_seconds"] > 0 and found["gpus"] == 3
    assert found["dollars_per_hour"] == pytest.approx(3 * (0.8 * 3.0) ** 0.5)
    table = CliRunner().invoke(app, ["cluster", "plan", "--model", "tiny", "--mean", "50", "--problems", "4"])
    assert table.exit_code == 0 and "seconds an update" in table.stdout


def test_times_and_load_of_a_run_are_those_of_its_accounts(tmp_path: Path) -> None:
    config = {"updates": 2, "sampling": {"group_size": 2, "max_tokens": 30}}
    question = Question("p", "sums", "1+1?")
    with RunLog.open(tmp_path / "run", config) as log:
        work = {"rollout": {"flops": 1.0, "seconds": 6.0}, "update": {"flops": 1.0, "seconds": 3.0}}
        log.metric(1, round=0, work=work)
        leaves = [Step(tuple(range(n)), (0.0,) * n, "x", 0, StopReason.END) for n in (10, 30)]
        group = Group(
            Problem(question, Key("2")), tuple(Trajectory(question, leaf) for leaf in leaves), (Verdict(1.0),) * 2
        )
        store.write(log.path / "trajectories" / "round-0001.parquet", [[group], [group]])
    service, load = of_run(tmp_path / "run")
    assert (load.problems, load.group, load.mean, load.spread, load.longest) == (1, 2, 20.0, 0.5, 30)
    assert service.step_row == 6.0 / 80 and service.learn_token == 3.0 / 80
    with pytest.raises(PonderError, match=r"no such|not a run folder"):
        of_run(tmp_path / "nothing")


def played(folder: Path, problems: int, *, service: Service) -> Path:
    """A run of two rounds of two updates, one group of two right and one of one right, whose times are those given."""
    config = {"updates": 2, "sampling": {"group_size": 2, "max_tokens": 90}}
    with RunLog.open(folder, config) as log:
        seconds = 0.0
        for number in range(2):
            lengths = [(10 * (n % 3 + 1), 20 * (n % 2 + 2)) for n in range(problems)]
            groups = []
            for n, pair in enumerate(lengths):
                question = Question(f"p{number}-{n}", "sums", "1+1?")
                leaves = [Step(tuple(range(k)), (0.0,) * k, "x", 0, StopReason.END) for k in pair]
                right = (Verdict(1.0), Verdict(float(n % 2)))
                groups.append(Group(Problem(question, Key("2")), tuple(Trajectory(question, s) for s in leaves), right))
            store.write(log.path / "trajectories" / f"round-{number + 1:04d}.parquet", [groups, groups])
            tokens, longest = sum(map(sum, lengths)), max(map(max, lengths))
            learned = sum(sum(pair) for n, pair in enumerate(lengths) if n % 2 == 0)
            drawn = 2 * (service.step * longest + service.step_row * tokens)
            update = 2 * (service.learn + service.learn_token * learned)
            work = {"rollout": {"flops": 1.0, "seconds": drawn}, "update": {"flops": 1.0, "seconds": update}}
            seconds += drawn + update + 2 * 2 * problems * service.dispatch
            log.metric(number + 1, round=number, seconds=seconds, work=work, dead_groups=0.5)
    return folder


def test_runs_of_two_sizes_tell_what_grows_with_a_batch_from_what_does_not(tmp_path: Path) -> None:
    truth = Service(0.002, 0.0005, 99, 0.0, 0.01, 0.0, 0.3, 0.001)
    runs = [played(tmp_path / str(n), n, service=truth) for n in (3, 12)]
    service, load = of_runs(runs)
    for name in ("step", "step_row", "learn", "learn_token"):
        assert getattr(service, name) == pytest.approx(getattr(truth, name)), name
    assert service.dispatch == pytest.approx(truth.dispatch)
    assert (load.problems, load.group, len(load.lengths)) == (12, 2, 4 * 24) and max(load.lengths) == 60
    known = account(runs[1])
    assert known.learned(2) == pytest.approx(load.learned) and known.learned(1) == 0.0
    assert known.updates[0] == (sum(n for n, _, _ in known.groups[:12]), 60, known.updates[0][2])
