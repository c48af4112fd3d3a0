"""A verifier's folder: loads with plain transformers, loads back to the same scores, and refuses what does not fit."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from ponder.models.heads import judging_model
from ponder.types import PonderError
from ponder.verifiers.learned import folder as folders
from ponder.verifiers.learned.folder import FILE, NoHead, OtherStepRule, OtherTokenizer, Spec
from ponder.verifiers.learned.kinds import KINDS
from tests.learning.factory import model, tokenizer

AUTO = {
    "token": AutoModelForTokenClassification,
    "sequence": AutoModelForSequenceClassification,
    "causal": AutoModelForCausalLM,
}


def stored(path, kind="process", **settings):
    form, labels = KINDS[kind].form, KINDS[kind].labels
    it = judging_model(model(1), form, labels=labels, seed=5)
    reference = model(2) if kind == "implicit" else None
    folders.save(path, it, tokenizer(), Spec(kind, "mine", aggregation=KINDS[kind].aggregation, **settings), reference)
    return it


def load(path, tokenizer="mine", step_rule="\n"):
    return folders.load(path, tokenizer=tokenizer, step_rule=step_rule)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_loads_with_plain_transformers_and_back_with_its_spec(kind, tmp_path):
    it = stored(tmp_path, kind, temperature=1.5)
    plain = AUTO[KINDS[kind].form].from_pretrained(tmp_path)
    found = load(tmp_path)
    for other in (plain, found.model):
        for name, value in it.state_dict().items():
            assert torch.equal(other.state_dict()[name], value), name
    assert found.spec == Spec(kind, "mine", aggregation=KINDS[kind].aggregation, temperature=1.5)
    assert (found.reference is not None) == (kind == "implicit")


def test_another_tokenizer_and_another_step_rule_are_named_errors(tmp_path):
    stored(tmp_path)
    with pytest.raises(OtherTokenizer, match="reads tokens of tokenizer mine, this model's is yours"):
        load(tmp_path, tokenizer="yours")
    with pytest.raises(OtherStepRule, match=r"end at '\\n', the policy's end at ' '"):
        load(tmp_path, step_rule=" ")


def test_a_language_model_is_no_process_verifier(tmp_path):
    stored(tmp_path)
    model(1).save_pretrained(tmp_path)
    with pytest.raises(NoHead, match="no weights of a classification head"):
        load(tmp_path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    it = stored(tmp_path)
    with torch.no_grad():
        it.score.weight[0, 0] = float("nan")
    it.save_pretrained(tmp_path)
    with pytest.raises(PonderError, match="not finite; train it again"):
        load(tmp_path)


def test_a_head_of_another_kind_is_refused(tmp_path):
    stored(tmp_path, "value")
    spec = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(spec | {"kind": "process"}))
    with pytest.raises(PonderError, match="has 1 outputs; its kind has 2"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: (path / "config.json").unlink(), "no config.json"),
        (lambda path: (path / FILE).unlink(), f"no {FILE}"),
        (lambda path: (path / FILE).write_text("{"), "cannot be read"),
        (lambda path: (path / FILE).write_text("[]"), "cannot be read"),
        (lambda path: (path / FILE).write_text("{}"), "cannot be read"),
        (lambda path: (path / "model.safetensors").write_bytes(b"no"), "cannot be read as safetensors"),
        (lambda path: (path / "model.safetensors").unlink(), "no weights of a classification head"),
    ],
)
def test_a_damaged_folder_is_one_sentence(damage, sentence, tmp_path):
    stored(tmp_path)
    damage(tmp_path)
    with pytest.raises(PonderError, match=sentence):
        load(tmp_path)


@pytest.mark.parametrize("change", [{"kind": "oracle"}, {"aggregation": "median"}, {"format": 9}])
def test_a_spec_of_another_version_is_refused_with_what_is_known(change, tmp_path):
    stored(tmp_path)
    spec = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(spec | change))
    with pytest.raises(PonderError, match="this version knows kinds outcome"):
        load(tmp_path)


def test_an_implicit_verifier_without_its_reference_is_refused(tmp_path):
    stored(tmp_path, "implicit")
    shutil.rmtree(tmp_path / "reference")
    with pytest.raises(PonderError, match="has no reference/"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tensors: tensors.pop("model.norm.weight"), "the model lacks model.norm.weight"),
        (lambda tensors: tensors.update(more=torch.zeros(2)), "the model has no place for more"),
        (lambda tensors: tensors.update({"score.weight": torch.zeros(7, 3)}), r"of another shape are score.weight"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(change, sentence, tmp_path):
    stored(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PonderError, match=sentence):
        load(tmp_path)
