"""Small things that the learning tests share: groups with given outcomes, tiny models, rows of random tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from ponder.learning.policy import PolicyTrainer
from ponder.learning.settings import TrainerSettings
from ponder.losses.loss import Loss
from ponder.types import Group, Key, Problem, Question, Sample, Step, StopReason, Trajectory, Verdict

VOCABULARY = 32
QUESTION = Question(id="q", family="toy", text="?")


def trajectory(length: int = 3, forced: int = 0) -> Trajectory:
    """`length` free tokens in a step, then `forced` forced ones."""
    leaf = Step(tuple(range(1, length + 1)), (-0.5,) * length, "a\n", 7, StopReason.STEP)
    if forced:
        leaf = Step((9,) * forced, (0.0,) * forced, "b", 0, StopReason.END, parent=leaf, forced=True)
    return Trajectory(QUESTION, leaf)


def group(outcomes: Sequence[float | None], lengths: Sequence[int] | None = None) -> Group:
    """One trajectory an outcome; None is a verdict that failed."""
    trajectories = tuple(trajectory(length) for length in lengths or [3] * len(outcomes))
    verdicts = tuple(Verdict(failure="timeout") if o is None else Verdict(outcome=o) for o in outcomes)
    return Group(Problem(QUESTION, Key()), trajectories, verdicts)


def model(seed: int = 0, layers: int = 2, tied: bool = False) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=tied,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        initializer_range=0.3,  # far from uniform, so that no test passes by symmetry
    )
    lm = LlamaForCausalLM(config)
    lm.eval()
    return lm


def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {"<pad>": 0, "<eos>": 1, **{chr(97 + i): i + 2 for i in range(VOCABULARY - 2)}}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<eos>"))
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token="<eos>")


def samples(count: int, seed: int = 0, longest: int = 12) -> list[Sample]:
    """Rows of random tokens with unequal prompts and responses, a forced token here and there."""
    rng = random.Random(seed)
    rows = []
    for index in range(count):
        n = rng.randint(1, longest)
        tokens = [rng.randrange(2, VOCABULARY) for _ in range(n + rng.randint(1, 6))]
        rows.append(
            Sample(
                id=f"s{index}",
                prompt=tuple(tokens[n:]),
                response=tuple(tokens[:n]),
                advantages_T=(rng.gauss(0, 1),) * n,
                mask_T=(1.0, *(float(rng.random() < 0.8) for _ in range(n - 1))),
                logprobs_T=tuple(rng.uniform(-4, -2) for _ in range(n)),
            )
        )
    return rows


def trainer(lm: PreTrainedModel | None = None, loss: Loss | None = None, **options: Any) -> PolicyTrainer:
    """A trainer of a tiny model at a large constant rate; `options` are settings of the trainer or facts of the run."""
    settings = {"learning_rate": 1e-2, "warmup_steps": 0, "max_grad_norm": 1e9}
    facts = {name: options.pop(name) for name in ("temperature", "longest", "total_steps", "seed") if name in options}
    return PolicyTrainer(lm or model(), TrainerSettings(**{**settings, **options}), loss, **facts)
