"""A base that never saw a long problem solved: the embedded model, cloned on demonstrators who tire.

    python recipes/beyond/base.py --out build/beyond/base [--changes 8] [--steps 400]

The problems have one to `--changes` changes. After each line a demonstrator may give up, and after four lines all do
(`ponder/problems/families/transforms.py`): every line is right, and no answer to more than four changes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from ponder.api.imitate import imitate
from ponder.api.machine import set_threads
from ponder.api.policies import load_policy
from ponder.models.load import save
from ponder.problems.families.transforms import Transforms
from ponder.types import Question


def main() -> None:
    options = _options()
    set_threads(options.threads)
    if (options.out / "config.json").exists():
        return
    policy = load_policy("tiny")
    trainer = imitate(
        policy,
        demonstrations(options.changes, options.seed),
        steps=options.steps,
        batch=options.batch,
        learning_rate=options.rate,
        seed=options.seed,
        tell=lambda step, steps, loss: print(step, steps, loss, flush=True) if step % 10 == 0 else None,
    )
    save(policy.model, policy.tokenizer, options.out, weights=trainer.weights())


def demonstrations(most: int, seed: int) -> Iterator[tuple[Question, str]]:
    """Problems of one to `most` changes in turn, with what a demonstrator says there."""
    families = [Transforms(changes=number) for number in range(1, most + 1)]
    for at in count():
        family = families[at % len(families)]
        problem = family.problem(at, split="train", seed=seed)
        yield problem.question, family.demonstration(problem, seed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Clone the embedded model on demonstrators who tire.")
    parser.add_argument("--out", type=Path, default=Path("build/beyond/base"))
    parser.add_argument("--changes", type=int, default=8, help="most changes of a demonstrated problem")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
