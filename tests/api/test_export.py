"""A trained folder answers in plain transformers as it does in Ponder, asked by what the folder itself says."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ponder.api.policies import Policy, load_policy
from ponder.api.problems import load_families
from ponder.models import trained_on
from ponder.models.load import save
from ponder.policy import export
from ponder.types import Question
from tests.models.families import write

TOKENS = 24
QUESTIONS = ("Compute 3+4*2.", "Compute 12-5.")
needs_vllm = pytest.mark.skipif(os.environ.get("PONDER_TEST_VLLM") != "1", reason="opt-in: PONDER_TEST_VLLM=1")


def exported(folder: Path, family: str, frame: str) -> Path:
    """What `ponder run` leaves in RUN/model, for an untrained model of a chat family asked in this frame."""
    policy = load_policy(str(write(family, folder / "base")), frame=frame)
    prompts = policy.propose.prompts
    [arithmetic] = load_families(["arithmetic"])
    question = arithmetic.problem(0).question
    save(policy.model, export.tokenizer_for_others(prompts), folder / "model")
    told = prompts.frame.model_dump(mode="json")
    trained_on.write(folder / "model", ["arithmetic"], told, export.asked(prompts, [question]))
    return folder / "model"


def asked_by_others(folder: Path, question: str) -> list[dict[str, str]]:
    """The messages that ponder_model.json shows, with the question in its place."""
    shown: list[dict[str, str]] = json.loads((folder / trained_on.FILE).read_text())["asked"]["arithmetic"]["messages"]
    return [{**turn, "content": turn["content"].replace("{question}", question)} for turn in shown]


def greedy(policy: Policy, text: str) -> list[int]:
    [arithmetic] = load_families(["arithmetic"])
    question = Question("q", "arithmetic", text, arithmetic.problem(0).question.instructions)
    asking = policy.propose.greedy()(question, None, 1, until="end", max_tokens=TOKENS, seed=0)
    return [token for step in asyncio.run(asking)[0].path for token in step.tokens]


@pytest.mark.parametrize(("family", "frame"), [("smollm2", "tags"), ("gemma", "chain"), ("deepseek", "native")])
def test_it_answers_the_same_in_plain_transformers(family: str, frame: str, tmp_path: Path):
    folder = exported(tmp_path, family, frame)
    ours = load_policy(str(folder))
    assert ours.propose.frame.kind == frame
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)  # the library's types know no generate
    for text in QUESTIONS:
        prompt = str(
            tokenizer.apply_chat_template(asked_by_others(folder, text), tokenize=False, add_generation_prompt=True)
        )
        ids: Any = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
        ends = list(ours.codec.end_ids)
        told: dict[str, Any] = {"max_new_tokens": TOKENS, "do_sample": False, "eos_token_id": ends}
        made = model.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=ends[0], **told)
        assert made[0, ids.shape[1] :].tolist() == greedy(ours, text)


_IN_VLLM = """
import json, sys
from vllm import LLM, SamplingParams
folder, talks = sys.argv[1], json.loads(sys.argv[2])
llm = LLM(folder, dtype="float32", max_model_len=256, enforce_eager=True)
said = llm.chat(talks, SamplingParams(temperature=0, max_tokens=24), use_tqdm=False)
print("SAID " + json.dumps([list(one.outputs[0].token_ids) for one in said]))
"""


@needs_vllm
def test_it_answers_the_same_in_vllm(tmp_path: Path):
    real = os.environ.get("PONDER_TEST_MODEL", "")
    if not real:
        pytest.skip("vLLM's kernels want a real head size: PONDER_TEST_MODEL=FOLDER")
    policy = load_policy(real, frame="tags")
    [arithmetic] = load_families(["arithmetic"])
    prompts, folder = policy.propose.prompts, tmp_path / "model"
    save(policy.model, export.tokenizer_for_others(prompts), folder)
    asked = export.asked(prompts, [arithmetic.problem(0).question])
    trained_on.write(folder, ["arithmetic"], prompts.frame.model_dump(mode="json"), asked)
    talks = [asked_by_others(folder, text) for text in QUESTIONS]
    command = [sys.executable, "-c", _IN_VLLM, str(folder), json.dumps(talks)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=580, check=True).stdout
    [line] = [line for line in told.splitlines() if line.startswith("SAID ")]
    ends = set(policy.codec.end_ids)
    for text, tokens in zip(QUESTIONS, json.loads(line.removeprefix("SAID ")), strict=True):
        mine = [token for token in greedy(load_policy(str(folder)), text) if token not in ends]
        assert [token for token in tokens if token not in ends] == mine
