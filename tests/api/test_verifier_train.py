"""`ponder verifier train` from a label file, and the judge that comes out of its folder."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from ponder.api.policies import load_policy
from ponder.api.verifiers import cases as judged
from ponder.api.verifiers import training
from ponder.api.verifiers.loading import load_verifier
from ponder.api.verifiers.request import Request
from ponder.cli import app
from ponder.labels import parquet
from ponder.labels.rows import LabelRow, fingerprint
from ponder.models.heads import step_verifier
from ponder.models.load import save
from ponder.search.session.verifier_cost import VerifierCost
from ponder.types import PonderError, StepLabel, Verdict
from ponder.verifiers.learned.folder import OtherTokenizer, read_spec


@pytest.fixture(scope="module")
def tiny():
    return load_policy("tiny")


@pytest.fixture(scope="module")
def labels(tiny, tmp_path_factory):
    """Chains of two steps; the answer is right or wrong."""
    rows = []
    for i in range(40):
        good = i % 2 == 0
        steps = ("3+4\n", f"</think>{7 if good else 8}")
        tokens = tuple(tiny.codec.encode(step) for step in steps)
        rows.append(
            LabelRow(
                id=f"p{i // 4}",
                family="arithmetic",
                question="Compute 3+4.",
                instructions="",
                steps=steps,
                tokens=tokens,
                label_steps=(0, 1),
                labels=(0.5, float(good)),
                rollouts=(4, 1),
                outcome=float(good),
                first_error=-1 if good else 1,
                tokenizer=fingerprint(tiny.tokenizer.get_vocab()),
                step_rule="\n",
            )
        )
    path = tmp_path_factory.mktemp("labels") / "labels.parquet"
    parquet.write(path, rows)
    return path


def train(labels, out, **settings):
    return training.train(Request(out=out, labels=labels, batch=4, **settings), lambda *_: None)


def cost(judge, case):
    return VerifierCost(judge, case.trajectory.question).cost([case.trajectory])


@pytest.mark.parametrize("kind", ["process", "outcome", "implicit", "generative"])
def test_a_trained_verifier_comes_back_as_a_judge_with_its_temperature(kind, labels, tiny, tmp_path):
    report = train(labels, tmp_path, kind=kind)
    assert report["trained_on"] == 36 and report["held_out"] == 4 and report["skipped"] == 0
    spec = read_spec(tmp_path)
    assert spec.kind == kind and spec.temperature == report["temperature"]
    case = judged.read_labels(labels, "\n", spec.tokenizer)[0]
    judge = load_verifier(tmp_path, tiny)
    verdict = asyncio.run(judge(case.trajectory.question, [case.trajectory]))[0]
    assert verdict.score is not None and cost(judge, case) > 0


def test_a_shared_trunk_moves_the_policy_and_is_cheap_only_for_that_policy(labels, tiny, tmp_path):
    train(labels, tmp_path, kind="process", trunk="shared")
    case = judged.read_labels(labels, "\n", read_spec(tmp_path).tokenizer)[0]
    moved = load_policy(str(tmp_path / "policy"))
    cheap: Any = load_verifier(tmp_path, moved)
    full = load_verifier(tmp_path, tiny)  # another trunk: all of it must be run
    assert cost(cheap, case) < 0.01 * cost(full, case)
    asked = case.trajectory.question, [case.trajectory]
    by_engine, by_itself = asyncio.run(cheap(*asked))[0], cheap.judge([case.trajectory])[0]
    assert by_engine.score == pytest.approx(by_itself.score, abs=1e-4)


def test_half_of_the_layers_are_half_as_dear_to_train_and_to_ask(labels, tiny, tmp_path):
    whole, half = (train(labels, tmp_path / str(d), kind="value", depth=d) for d in (1.0, 0.5))
    case = judged.read_labels(labels, "\n", read_spec(tmp_path / "0.5").tokenizer)[0]
    costs = [cost(load_verifier(tmp_path / str(d), tiny), case) for d in (1.0, 0.5)]
    assert half["work"] / whole["work"] == pytest.approx(costs[1] / costs[0], rel=0.03)
    assert 0.5 < costs[1] / costs[0] < 0.6  # the embedding stays


def test_a_frozen_trunk_trains_a_head_alone_and_leaves_the_policy_as_it_is(labels, tiny, tmp_path):
    report = train(labels, tmp_path, kind="process", trunk="frozen")
    case = judged.read_labels(labels, "\n", read_spec(tmp_path).tokenizer)[0]
    head = 2 * 128 + 2  # hidden size 128, two labels, a bias
    judge = load_verifier(tmp_path, tiny)
    assert cost(judge, case) == pytest.approx(2 * head / sum(p.numel() for p in tiny.model.parameters()))
    row = judged.row(case, tiny.propose.prompts.tokens)  # all are equally long
    assert report["work"] == report["trained_on"] * len(row.tokens)  # a forward pass each and nothing more


def test_critiques_are_trained_written_and_kept_on_the_verdict(labels, tiny, tmp_path):
    train(labels, tmp_path, kind="generative", critiques=1, epochs=12, learning_rate=2e-3)
    case = judged.read_labels(labels, "\n", read_spec(tmp_path).tokenizer)[0]
    judge = load_verifier(tmp_path, tiny)
    verdict = asyncio.run(judge(case.trajectory.question, [case.trajectory]))[0]
    assert verdict.score is not None and verdict.detail.startswith("1 right\n2 ")


def test_a_verifier_learns_from_those_of_its_own_critiques_that_agree(labels, tmp_path, monkeypatch):
    async def says_all_is_well(judge, cases):
        return [Verdict(score=0.5, detail="1 right\n2 right\n") for _ in cases]

    kept = []
    real = training.own_critiques

    def spy(*some):
        kept.append(real(*some))
        return kept[-1]

    monkeypatch.setattr(training, "judge_cases", says_all_is_well)
    monkeypatch.setattr(training, "own_critiques", spy)
    report = train(labels, tmp_path, kind="generative", critiques=1, own_critiques=True)
    assert len(kept[0]) == 18 and {case.outcome for case, _ in kept[0]} == {1.0}  # half of 36 are right
    assert report["steps"] == 5  # the last fit: 18 examples in batches of 4


def test_only_critiques_that_agree_with_every_label_may_be_learned_from(labels):
    case = judged.read_labels(labels, "\n", parquet.read(labels)[0].tokenizer)[1]  # labels 0.5 and 0
    assert judged.verdicts_of(case) == [True, False]
    assert judged.kept(case, "1 right\n2 wrong\n")
    assert not judged.kept(case, "1 wrong\n") and not judged.kept(case, "1 right\n2 right\n")
    partly = replace(case, labels=(StepLabel(1, 0.0, 4),))
    assert judged.verdicts_of(partly) is None and not judged.kept(partly, "1 right\n2 wrong\n")


def test_the_step_verifier_that_a_run_leaves_is_still_a_judge(labels, tiny, tmp_path):
    save(step_verifier(tiny.model, 0), tiny.tokenizer, tmp_path)
    case = judged.read_labels(labels, "\n", fingerprint(tiny.tokenizer.get_vocab()))[0]
    verdict = asyncio.run(load_verifier(tmp_path, tiny)(case.trajectory.question, [case.trajectory]))[0]
    assert verdict.step_scores is not None and len(verdict.step_scores) == 2


def test_a_verifier_of_another_tokenizer_is_refused(labels, tiny, tmp_path):
    train(labels, tmp_path, kind="process")
    path = tmp_path / "ponder_verifier.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer": "another"}))
    with pytest.raises(OtherTokenizer):
        load_verifier(tmp_path, tiny)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kind": "oracle"}, "unknown kind of verifier 'oracle'"),
        ({"kind": "process", "trunk": "borrowed"}, "allowed are separate, shared, frozen"),
        ({"kind": "generative", "trunk": "frozen"}, "trains a head alone"),
        ({"kind": "outcome", "aggregation": "min"}, "for kinds that score steps"),
        ({"kind": "process", "aggregation": "median"}, "allowed are last"),
        ({"kind": "process", "critiques": 1}, "is for kind generative"),
        ({"kind": "generative", "own_critiques": True}, "needs --critiques"),
        ({"kind": "value", "hard": True}, "is for kind process"),
        ({"kind": "process", "trunk": "frozen", "depth": 0.5}, "has none to cut"),
        ({"kind": "generative", "depth": 0.5}, "has none to cut"),
        ({"kind": "process", "depth": 0.0}, "a share of 0 of the layers"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, sentence, labels, tmp_path):
    with pytest.raises(PonderError, match=sentence):
        train(labels, tmp_path, **settings)


def test_the_command_prints_json(labels, tmp_path):
    done = CliRunner().invoke(
        app, ["verifier", "train", "--labels", str(labels), "--kind", "outcome", "--out", str(tmp_path), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["kind"] == "outcome"
