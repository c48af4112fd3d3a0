"""How each published step verifier reads a question and its steps: the tokens, and the position of each step's score.

qwen_prm       Qwen2.5-Math-PRM (2501.07301): a chat whose answer has `<extra_0>` behind each step; read there
rlhflow        RLHFlow's Llama3.1-8B-PRM (2409.15254): each step is a user's turn, answered by `+` or `-`; read before
skywork        Skywork-o1-Open-PRM: begin token, question, and each step with a line end; read at the line end
math_shepherd  Math-Shepherd (2312.08935): "Step 1: ... ки", a line each; read at the tag `ки`
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from ponder.types import PonderError

Tokens = tuple[int, ...]
Laid = tuple[Tokens, list[int]]
SEPARATOR, TAG = "<extra_0>", "ки"
_SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
_DAY = "26 Jul 2024"  # what Llama 3.1's template falls back to; without it each day would be another prompt


@dataclass(frozen=True)
class Layout:
    """One way to read; `lay` gives the tokens of a question and its steps, and where each step is scored.

    `yes` and `no` are the tokens whose odds are the score, for verifiers without a head of their own.
    """

    about: str
    lay: Callable[[PreTrainedTokenizerBase, str, Sequence[str]], Laid]
    signs: Callable[[PreTrainedTokenizerBase], tuple[int, int]] | None = None


def _encoded(tokenizer: PreTrainedTokenizerBase, text: str, begin: bool = False) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=begin))


def _chat(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], *, asks: bool = False) -> str:
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=asks, date_string=_DAY))


def _qwen(tokenizer: PreTrainedTokenizerBase, question: str, steps: Sequence[str]) -> Laid:
    turns = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _plain(question)}]
    turns.append({"role": "assistant", "content": "".join(_plain(step) + SEPARATOR for step in steps)})
    tokens, mark = _encoded(tokenizer, _chat(tokenizer, turns)), _one(tokenizer, SEPARATOR)
    return tuple(tokens), [i for i, token in enumerate(tokens) if token == mark]


def _rlhflow(tokenizer: PreTrainedTokenizerBase, question: str, steps: Sequence[str]) -> Laid:
    turns: list[dict[str, str]] = []
    tokens: list[int] = []
    places, said = [], ""
    for k, step in enumerate(steps):
        turns.append({"role": "user", "content": f"{question} {step}" if k == 0 else step})
        asked = _chat(tokenizer, turns, asks=True)
        if not asked.startswith(said):
            raise PonderError("the chat template of this verifier rewrites earlier turns, so its steps cannot be read")
        tokens += _encoded(tokenizer, asked[len(said) :])
        places.append(len(tokens) - 1)
        tokens += _encoded(tokenizer, "+")
        turns.append({"role": "assistant", "content": "+"})
        said = asked + "+"
    return tuple(tokens), places


def _skywork(tokenizer: PreTrainedTokenizerBase, question: str, steps: Sequence[str]) -> Laid:
    line_end = _encoded(tokenizer, "\n")[-1:]
    tokens = _encoded(tokenizer, f"{tokenizer.bos_token or ''}{question}\n")
    places = []
    for step in steps:
        tokens += _encoded(tokenizer, step) + line_end
        places.append(len(tokens) - 1)
    return tuple(tokens), places


def _shepherd(tokenizer: PreTrainedTokenizerBase, question: str, steps: Sequence[str]) -> Laid:
    named = [step if step.startswith("Step ") else f"Step {k}: {step}" for k, step in enumerate(steps, 1)]
    lines = [line.replace(TAG, " ") for line in named]
    tokens = _encoded(tokenizer, f"{question.replace(TAG, ' ')} " + "\n".join(f"{x} {TAG}" for x in lines), begin=True)
    mark = _encoded(tokenizer, TAG)[-1]
    return tuple(tokens), [i for i, token in enumerate(tokens) if token == mark]


def _plain(text: str) -> str:
    """Without the separator, which would stand for the end of a step."""
    return text.replace(SEPARATOR, " ")


def _one(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    found = _encoded(tokenizer, word)
    if len(found) != 1:
        raise PonderError(f"{word} is {len(found)} tokens for this verifier's tokenizer and must be one; restore it")
    return found[0]


def _plus_minus(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    return _encoded(tokenizer, "+")[-1], _encoded(tokenizer, "-")[-1]


def _plus_and_minus(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    plus, minus = _encoded(tokenizer, "+ -")[-2:]
    return plus, minus


LAYOUTS: dict[str, Layout] = {
    "qwen_prm": Layout("Qwen2.5-Math-PRM: a head of two classes at <extra_0> behind each step", _qwen),
    "rlhflow": Layout("RLHFlow Llama3.1-8B-PRM: + or - as the answer to each step", _rlhflow, _plus_minus),
    "skywork": Layout("Skywork-o1-Open-PRM: a value head at the line end of each step", _skywork),
    "math_shepherd": Layout("Math-Shepherd: + or - at the tag ки behind each step", _shepherd, _plus_and_minus),
}
