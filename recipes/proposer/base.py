"""A base that knows how to propose: the embedded model, cloned on proposals and on answers. See README.md.

    python recipes/proposer/base.py --out build/proposer/base [--steps 120]

Half of the rows are proposals in the form that `source.kind=proposer` asks for, half are the demonstrations that the
embedded model has learned from already, so that it forgets nothing.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from ponder.api.imitate import imitate
from ponder.api.machine import set_threads
from ponder.api.policies import load_policy
from ponder.api.problems import load_families
from ponder.models.load import save
from ponder.protocols import Demonstrated, Levelled
from ponder.selfplay.proposer.forms.form import asked
from ponder.selfplay.proposer.make import forms_of
from ponder.types import Question

FAMILIES = "arithmetic,cipher,countdown"
# Levels of proposals, counted from the family's own.
LEVELS = {"arithmetic": (-3, 4), "cipher": (-2, 2), "countdown": (-1, 1)}


def main() -> None:
    options = _options()
    set_threads(options.threads)
    if (options.out / "config.json").exists():
        return
    policy = load_policy("tiny")
    trainer = imitate(
        policy,
        shown(options.seed),
        steps=options.steps,
        batch=options.batch,
        learning_rate=options.rate,
        seed=options.seed,
        tell=lambda step, steps, loss: print(step, steps, loss, flush=True) if step % 10 == 0 else None,
    )
    save(policy.model, policy.tokenizer, options.out, weights=trainer.weights())


def shown(seed: int) -> Iterator[tuple[Question, str]]:
    """In turn a proposal and an answer, families in turn."""
    forms = forms_of(load_families(FAMILIES))
    rng = random.Random(seed)
    for at in count():
        form = forms[at // 2 % len(forms)]
        family = form.family
        assert isinstance(family, Levelled) and isinstance(family, Demonstrated)
        if at % 2:
            problem = family.problem(at, split="train", seed=seed)
            yield problem.question, family.demonstration(problem, seed)
        else:
            low, high = LEVELS[family.name]
            other = family.at_level(family.level + rng.randint(low, high)).problem(at, split="train", seed=seed)
            yield asked(form, at, seed), f"</think>{other.question.text}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Clone the embedded model on proposals.")
    parser.add_argument("--out", type=Path, default=Path("build/proposer/base"))
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
