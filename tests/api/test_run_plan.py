"""What a run sets by itself for a model, what it is expected to take, and what it says where it cannot fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import LlamaConfig, PreTrainedModel
from typer.testing import CliRunner

import ponder
from ponder.api.train import check_plan, plan_run
from ponder.api.training import defaults
from ponder.api.training.defaults import About, choices, filled
from ponder.api.training.forecast import forecast as forecasts
from ponder.api.training.forecast.forecast import Forecast
from ponder.api.training.forecast.memory import PROCESS, PROMPT, memory, skeleton_of
from ponder.api.training.forecast.prompts import prompt_tokens
from ponder.api.training.forecast.room import Room, cgroup
from ponder.api.training.forecast.work import by_size, with_rows, work
from ponder.cli import app
from ponder.config import changed, checked, load, read_toml, set_in
from ponder.selfplay.config import Run, Sampling
from ponder.selfplay.roles import MUCH
from ponder.types import PonderError
from tests.selfplay.small import SETTINGS, model_folder

SMALL = About("folder", 135e6, "cpu", 25e9)
BARE = {"model": "x", "verifier": {"enabled": False}, "control": {"enabled": False, "rejection": False}}
LEAN = ["engine.share_weights=true", "verifier.enabled=false", "control.rejection=false", "control.enabled=false"]


def values(about: About) -> dict[str, object]:
    return {choice.key: choice.value for choice in choices(about)}


def skeleton(vocab: int = 1000, hidden: int = 64, inner: int = 128, layers: int = 2) -> PreTrainedModel:
    """A Llama without weights; the parameters of the smallest are below."""
    return skeleton_of(
        LlamaConfig(
            vocab_size=vocab,
            hidden_size=hidden,
            intermediate_size=inner,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 16,
            num_key_value_heads=hidden // 32,
            tie_word_embeddings=True,
        )
    )


# Embedding 64,000; a layer: q and o 4,096 each, k and v 2,048 each, gate, up, down 8,192 each, two norms of 64.
PARAMETERS = 64_000 + 2 * (2 * 4096 + 2 * 2048 + 3 * 8192 + 128) + 64


def test_the_embedded_model_keeps_its_defaults(tmp_path: Path) -> None:
    assert choices(About("tiny", 0.6e6, "cpu", 25e9)) == choices(replace(SMALL, parameters=5e6)) == []
    plan = plan_run(out=tmp_path / "run")
    assert plan.chosen == () and plan.config == Run()


def test_size_and_memory_decide_between_full_training_and_adapters() -> None:
    small, large = values(SMALL), values(replace(SMALL, parameters=7e9))
    assert (small["trainer.learning_rate"], small["trainer.lora_rank"]) == (2e-5, 0)
    assert (large["trainer.learning_rate"], large["trainer.lora_rank"]) == (1e-5, 32)
    assert values(replace(SMALL, memory=3e9))["trainer.lora_rank"] == 32  # 2.2 GB of states in 3 GB leaves no room
    assert values(replace(SMALL, files=True))["frame.kind"] == "plain"
    assert "frame.kind" not in {**small, **values(replace(SMALL, files=True, framed=True))}
    assert small["verifier.enabled"] is False and all(choice.because for choice in choices(SMALL))
    # Every key exists and every value is allowed.
    for about in (SMALL, replace(SMALL, parameters=7e9), replace(SMALL, parameters=1.5e9, device="cuda", memory=80e9)):
        checked(Run, filled({}, choices(about))[0])


def test_what_the_user_set_stands() -> None:
    table, used = filled({"trainer": {"learning_rate": 1e-3}, "engine": {"kind": "vllm"}, "rounds": 2}, choices(SMALL))
    assert table["trainer"]["learning_rate"] == 1e-3 and table["rounds"] == 2 and table["engine"] == {"kind": "vllm"}
    assert not {"trainer.learning_rate", "rounds", "engine.share_weights"} & {choice.key for choice in used}
    assert table["trainer"]["warmup_steps"] == 2
    # A configuration from Python counts as set where it was set, defaults that were typed included.
    assert set_in(Run(model="x", sampling=Sampling(temperature=1.0))) == {
        "model": "x",
        "sampling": {"temperature": 1.0},
    }


def test_the_run_folder_holds_the_chosen_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "SMALLEST", 0.0)
    model = model_folder(tmp_path / "base")
    plan = plan_run(ponder.RunConfig(model=str(model), seed=5), out=tmp_path / "run")
    assert plan.config.trainer.learning_rate == 2e-5 and plan.config.seed == 5
    assert {"trainer.learning_rate", "verifier.enabled"} <= {choice.key for choice in plan.chosen}
    assert not (tmp_path / "run").exists()


def test_memory_is_the_sum_of_named_copies() -> None:
    model = skeleton()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS
    run = checked(Run, BARE)
    found = memory(run, model, prompt=20)
    held = found.held["training"]
    assert held["weights"] == held["engine's own weights"] == held["start kept for comparison"] == 4 * PARAMETERS
    assert held["gradients"] == 4 * PARAMETERS and held["moments of the optimizer"] == 8 * PARAMETERS
    assert found.stages["training"] == sum(held.values()) > PROCESS
    assert found.peak == max(found.stages.values()) and found.parts == found.held[found.stage]
    # Keys and values: 2 * 2 layers * 2 heads * 16 numbers of 4 bytes a token, beside 64 of its hidden state for each
    # token that is known; the store of those doubles, so a quarter of it is empty on average.
    answers, s = run.sampling.group_size * run.sampling.problems, run.sampling
    known, rows = answers * s.max_tokens + s.problems * 20, min(256, answers)
    texts = found.held["sampling"]["keys and values"]
    assert texts == pytest.approx((512 + 256) * known * 4 / 3 + 512 * rows * (20 + s.max_tokens))
    assert held["weights laid out for sampling"] == 4 * PARAMETERS  # small ones stay where they are
    # A checkpoint: the policy and the moments; two stay, the best besides, and one is being written.
    assert found.disk["checkpoints"] == 4 * (4 + 8) * PARAMETERS
    shared = memory(changed(run, ["engine.share_weights=true"]), model, prompt=20)
    assert shared.held["training"]["engine's own weights"] == 0
    # Measuring gives the engine weights of its own again, and nothing is left of the optimizer.
    assert shared.stages["measuring"] == found.stages["measuring"]
    assert not {"gradients", "moments of the optimizer"} & set(found.held["measuring"])


def test_of_a_large_model_an_update_takes_what_the_engine_makes_anew() -> None:
    model = skeleton(32_000, 1024, 2816, 4)
    weights = 4 * sum(p.numel() for p in model.parameters())
    found = memory(checked(Run, {**BARE, "engine": {"kind": "local", "share_weights": True}}), model)
    assert found.held["sampling"]["weights laid out for sampling"] == weights > MUCH
    assert found.held["training"]["weights laid out for sampling"] == 0
    assert found.held["training"]["start kept for comparison"] == 0
    assert found.held["measuring"]["start read again"] == weights


def test_a_run_that_cannot_fit_is_refused_with_changes_that_let_it_fit() -> None:
    model = skeleton(32_000, 1024, 2816, 12)
    run = Run(model="x")
    whole = Forecast(run, model, Room(1e12, 1e12, 1e12))
    forecasts.check(whole)
    for share_of_it in (0.97, 0.7, 0.45):
        tight = replace(whole, room=Room(share_of_it * whole.memory.peak, 1e12, 1e12))
        with pytest.raises(PonderError, match="it fits with --set") as refused:
            forecasts.check(tight)
        changes = tuple(str(refused.value).rpartition("it fits with ")[2].removeprefix("--set ").split(" --set "))
        assert tight.with_settings(changes).fits_memory
        for change in changes:  # none of them is there in vain
            fewer = tuple(other for other in changes if other != change)
            assert not tight.with_settings(fewer).fits_memory
    with pytest.raises(PonderError, match="nothing that can be set makes it fit"):
        forecasts.check(replace(whole, room=Room(PROCESS / 2, 1e12, 1e12)))
    with pytest.raises(PonderError, match=r"writes about .* it fits with --set keep_policies=false"):
        forecasts.check(replace(whole, room=Room(1e12, 1e12, 0.9 * whole.memory.written)))


def test_adapters_and_half_precision_take_what_their_sizes_say() -> None:
    model = skeleton()
    run = checked(Run, {**BARE, "trainer": {"lora_rank": 4}})
    # Rank 4 on q, k, v, o (64+64, 64+32, 64+32, 64+64) and gate, up, down (64+128 each), in two layers.
    adapters = 2 * 4 * (128 + 96 + 96 + 128 + 3 * 192)
    held = memory(run, model).held["training"]
    assert held["gradients"] + held["moments of the optimizer"] == 12 * adapters
    assert held["weights"] == 4 * (PARAMETERS + adapters)


def test_time_grows_with_updates_and_falls_with_the_rate() -> None:
    config = skeleton().config
    run = checked(Run, BARE)
    once = work(run, config, 1e9, 1e6)
    twice = work(run.model_copy(update={"updates": 2 * run.updates}), config, 1e9, 1e6)
    assert 1.6 < twice.training / once.training <= 2.0 and twice.measuring == once.measuring
    assert work(run, config, 2e9, 1e6).total == pytest.approx(once.total / 2)
    assert work(run, config, 1e9, 1e6, prompt=200).total > once.total
    assert 0 < with_rows(1) < with_rows(32) < with_rows(1000) < 1
    small, middle, large = (by_size("sampling", size) for size in (0.62e6, 1e7, 135e6))
    assert by_size("sampling", 1e5) == small < middle < large == by_size("sampling", 1e9)
    assert by_size("sampling", 1e9, "cuda") < large  # never measured there


def test_the_time_of_runs_that_were_measured_is_met_within_a_factor() -> None:
    """`recipes/smollm2` as its README has it, on one thread: what three seeds took in training and in measuring."""
    recipe = Path(__file__).parents[2] / "recipes" / "smollm2" / "sums.toml"
    small = ("ladder=12", "pool_problems=16", "pool_samples=6", "unsolved_problems=4", "unsolved_tries=2")
    changes = ["rounds=4", "control.rejection=false", *(f"evaluation.{c}" for c in small), 'problems=["x"]']
    run = load(Run, recipe, [*changes, "evaluation.budgets=[32,64,128]", "model=x"])
    smollm = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    )
    for rate, training, measuring in ((85.8e9, 997, 156), (91.8e9, 615, 114), (91.8e9, 1045, 215)):
        found = work(run, smollm, rate, 134.5e6, prompt=38)
        assert 0.5 < training / found.training < 2.0 and 0.5 < measuring / found.measuring < 2.0


def test_prompts_are_counted_as_they_will_be_asked(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps({"id": i, "problem": f"Add {i} and {i}.", "answer": str(2 * i)}) + "\n" for i in range(40))
    )
    run = checked(Run, {**BARE, "model": str(model_folder(tmp_path / "m")), "problems": [f"jsonl:{rows}"]})
    policy = ponder.load_policy(run.model)
    drawn = ponder.load_problems(run.problems, split="train", limit=8)
    lengths = [len(policy.propose.prompts.tokens(p.question)) for p in drawn]
    assert prompt_tokens(run) == pytest.approx(sum(lengths) / len(lengths), abs=3)
    assert prompt_tokens(run.model_copy(update={"problems": ["jsonl:gone.jsonl"]})) == PROMPT


def test_the_control_group_limits_memory(tmp_path: Path) -> None:
    assert cgroup(tmp_path) == (float("inf"), 0.0)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert cgroup(tmp_path) == (float("inf"), 0.0)
    (tmp_path / "memory.max").write_text("4000\n")
    assert cgroup(tmp_path) == (4000.0, 5.0)


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    shown = CliRunner().invoke(app, ["run", "--dry-run", "--out", str(out), "--set", "threads=1"])
    assert shown.exit_code == 0 and "Expected:" in shown.output and "Memory:" in shown.output
    told = CliRunner().invoke(app, ["run", "--dry-run", "--json", "--out", str(out), "--set", "threads=1"])
    assert json.loads(told.output)["forecast"]["memory"]["peak"] > 0
    assert not out.exists()
    check_plan(plan_run(out=out, settings=["threads=1"]))


def test_a_run_without_a_verifier_and_with_short_answers(tmp_path: Path) -> None:
    """Sixteen tokens were refused by the measuring, after the training."""
    model = model_folder(tmp_path / "base")
    short = ["sampling.max_tokens=16", "rounds=1", "evaluation.budgets=[32, 64]", f"model={model}"]
    made = ponder.train(out=tmp_path / "run", settings=[*SETTINGS, *LEAN, *short])
    assert not (tmp_path / "run" / "verifier").exists() and (tmp_path / "run" / "model").is_dir()
    assert set(made.summary["forecast"]["ratio"]) == {"memory", "disk", "training", "measuring"}
    assert made.summary["forecast"]["actual"]["disk"] > 0 and made.report.is_file()
    assert read_toml(tmp_path / "run" / "config.toml")["verifier"]["enabled"] is False
    with pytest.raises(PonderError, match=r"needs the verifier; set verifier\.enabled=true"):
        plan_run(out=tmp_path / "no", settings=["verifier.enabled=false", 'rewards=["process"]'])
    with pytest.raises(PonderError, match="max_tokens=4"):
        plan_run(out=tmp_path / "no", settings=["sampling.max_tokens=4"])
