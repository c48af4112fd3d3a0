"""Published step verifiers: recognised, never run as code, and their scores computed again by plain transformers.

The second computation follows what each one's authors publish as its use, with the library's own classes.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM
from typer.testing import CliRunner

import ponder
from ponder.api.policies import Policy, load_policy
from ponder.cli import app
from ponder.types import PonderError, Question, Step, StopReason, Trajectory
from ponder.verifiers.learned.public import folder as public
from tests.verifiers.learned.published import PUBLISHED

QUESTION = Question("q", "", "What is 2 * 3 + 1?")
STEPS = ("First 2 * 3 = 6.", "Then 6 + 1 = 7.", "So it is 7.")
SYSTEM = r"Please reason step by step, and put your final answer within \boxed{}."


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write(tmp_path_factory.mktemp("public") / name) for name, write in PUBLISHED.items()}


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("tiny")


def trajectory(*steps: str) -> Trajectory:
    leaf = None
    for k, text in enumerate(steps):
        stop = StopReason.END if k == len(steps) - 1 else StopReason.STEP
        leaf = Step((5,), (0.0,), text, 0, stop, leaf)
    assert leaf is not None
    return Trajectory(QUESTION, leaf)


@torch.inference_mode()
def qwen_prm(folder: Path) -> list[float]:
    """The model's card: softmax over the two classes at each <extra_0>, class 1."""
    tokenizer, weights = AutoTokenizer.from_pretrained(folder), load_file(folder / "model.safetensors")
    talk = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION.text}]
    talk.append({"role": "assistant", "content": "<extra_0>".join(STEPS) + "<extra_0>"})
    text = str(tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=False))
    ids = tokenizer.encode(text, return_tensors="pt", add_special_tokens=False)
    hidden = _plain(Qwen2ForCausalLM, folder, ids)
    inner = torch.relu(hidden @ weights["score.0.weight"].T + weights["score.0.bias"])
    chances = (inner @ weights["score.2.weight"].T + weights["score.2.bias"]).softmax(-1)
    return chances[ids[0] == tokenizer.convert_tokens_to_ids("<extra_0>"), 1].tolist()


@torch.inference_mode()
def rlhflow(folder: Path) -> list[float]:
    """The authors' script: a conversation that grows by a step and a "+", read two tokens before the last."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), LlamaForCausalLM.from_pretrained(folder)
    signs = [tokenizer.encode(sign)[-1] for sign in "+-"]
    talk: list[dict[str, str]] = []
    found = []
    for k, step in enumerate(STEPS):
        talk.append({"role": "user", "content": f"{QUESTION.text} {step}" if k == 0 else step})
        talk.append({"role": "assistant", "content": "+"})
        text = str(tokenizer.apply_chat_template(talk, tokenize=False, date_string="26 Jul 2024"))
        ids = tokenizer.encode(text, return_tensors="pt", add_special_tokens=False)
        found.append(float(model(ids).logits[0, -3, signs].softmax(-1)[0]))
    return found


@torch.inference_mode()
def skywork(folder: Path) -> list[float]:
    """The authors' script: the sigmoid of the value head at the line end of each step."""
    tokenizer, weights = AutoTokenizer.from_pretrained(folder), load_file(folder / "model.safetensors")
    ids = tokenizer.encode(tokenizer.bos_token + QUESTION.text + "\n")
    line_end, places = tokenizer.encode("\n")[-1], []
    for step in STEPS:
        ids += [*tokenizer.encode(step), line_end]
        places.append(len(ids) - 1)
    hidden = _plain(Qwen2ForCausalLM, folder, torch.tensor([ids]))
    values = hidden @ weights["v_head.summary.weight"].T + weights["v_head.summary.bias"]
    return values[places, 0].sigmoid().tolist()


@torch.inference_mode()
def math_shepherd(folder: Path) -> list[float]:
    """The model's card: softmax over "+" and "-" at each tag."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), MistralForCausalLM.from_pretrained(folder)
    signs, tag = tokenizer.encode("+ -")[-2:], tokenizer.encode("ки")[-1]
    output = "\n".join(f"Step {k}: {step} ки" for k, step in enumerate(STEPS, 1))
    ids = torch.tensor([tokenizer.encode(f"{QUESTION.text} {output}")])
    chances: torch.Tensor = model(ids).logits[0][:, signs].softmax(-1)
    return chances[ids[0] == tag, 0].tolist()


def _plain(kind: Any, folder: Path, ids: torch.Tensor) -> torch.Tensor:
    """Final hidden states [T, hidden] by the library's own class."""
    config = json.loads((folder / "config.json").read_text())
    made = kind(kind.config_class(**{name: v for name, v in config.items() if name != "auto_map"}))
    weights = {n: t for n, t in load_file(folder / "model.safetensors").items() if n.startswith("model.")}
    assert not [n for n in made.load_state_dict(weights, strict=False).missing_keys if n != "lm_head.weight"]
    hidden: torch.Tensor = made.eval().model(ids).last_hidden_state[0]
    return hidden


AGAIN = {"qwen_prm": qwen_prm, "rlhflow": rlhflow, "skywork": skywork, "math_shepherd": math_shepherd}


@pytest.mark.parametrize("name", PUBLISHED)
def test_its_scores_are_what_its_authors_way_of_asking_gives(name: str, folders: dict[str, Path], policy: Policy):
    assert public.recognised(folders[name]) == name
    judge: Any = ponder.load_verifier(folders[name], policy)
    expected = AGAIN[name](folders[name])
    verdicts = [judge.judge([trajectory(*STEPS)])[0], asyncio.run(judge(QUESTION, [trajectory(*STEPS)]))[0]]
    for verdict in verdicts:  # by a whole forward, and by the reader
        assert verdict.step_scores == pytest.approx(expected, abs=2e-5)
        assert verdict.score == min(verdict.step_scores)
    assert max(expected) - min(expected) > 0.01  # the steps are told apart


@pytest.mark.parametrize("name", PUBLISHED)
def test_thinking_tags_and_empty_steps_are_not_read_and_have_the_score_before_them(
    name: str, folders: dict[str, Path], policy: Policy
):
    judge: Any = ponder.load_verifier(folders[name], policy)
    plain = judge.judge([trajectory(*STEPS)])[0].step_scores
    spaced = judge.judge([trajectory("\n", STEPS[0] + "\n", "\n", STEPS[1], "</think>", STEPS[2])])[0].step_scores
    one, two, three = plain
    assert spaced == pytest.approx((one, one, one, two, two, three), abs=1e-6)
    price = judge.price(QUESTION)
    assert price.token > 0 and price.question > 0 and judge.extra(trajectory(*STEPS)) <= 3 * price.step


def test_marks_in_the_words_of_a_step_are_no_ends_of_steps(folders: dict[str, Path], policy: Policy):
    for name, mark in {"qwen_prm": "<extra_0>", "math_shepherd": "ки"}.items():
        judge: Any = ponder.load_verifier(folders[name], policy)
        assert len(judge.judge([trajectory(f"a{mark}b", "c")])[0].step_scores) == 2


def test_a_published_verifier_is_named_where_its_folder_does_not_say(folders: dict[str, Path], tmp_path: Path):
    folder = PUBLISHED["rlhflow"](tmp_path / "plain")
    config = json.loads((folder / "config.json").read_text()) | {"_name_or_path": ""}
    (folder / "config.json").write_text(json.dumps(config))
    assert public.recognised(folder) is None
    policy = load_policy("tiny")
    judge: Any = ponder.load_verifier(f"rlhflow:{folder}", policy)
    assert judge.judge([trajectory(*STEPS)])[0].step_scores == pytest.approx(rlhflow(folder), abs=2e-5)
    with pytest.raises(PonderError, match="rlhflow_prm"):
        ponder.load_verifier(f"rlhflow_prm:{folder}", policy)


def test_a_damaged_one_is_refused_in_a_sentence(folders: dict[str, Path], tmp_path: Path, policy: Policy):
    folder = PUBLISHED["qwen_prm"](tmp_path / "broken")
    tensors = load_file(folder / "model.safetensors")
    save_file({n: t for n, t in tensors.items() if n != "score.2.bias"}, folder / "model.safetensors")
    with pytest.raises(PonderError, match=r"lacks 'score.2.bias', which a qwen_prm verifier has"):
        ponder.load_verifier(folder, policy)
    save_file({n: t for n, t in tensors.items() if "layers.1.mlp" not in n}, folder / "model.safetensors")
    with pytest.raises(PonderError, match=r"do not belong to its config.json: layers.1.mlp"):
        ponder.load_verifier(folder, policy)


def test_solve_takes_the_folder_as_any_other_verifier(folders: dict[str, Path]):
    words = ["solve", "Compute 1+2+3.", "--strategy", "weighted_vote", "--budget", "300", "--json"]
    run = CliRunner().invoke(app, [*words, "--verifier", str(folders["qwen_prm"])])
    assert run.exit_code == 0, run.output
    data = json.loads(run.output.splitlines()[-1])
    assert data["score"] is not None and 0 <= data["score"] <= 1
    assert data["usage"]["verifier"] > 0
