"""A base that knows the rules of the games: the embedded model, cloned on demonstrations of uneven care. See README.md.

    python recipes/games/base.py --out build/games/base [--games nim,tictactoe,kuhn] [--steps 400]

About a third of the demonstrators reason and move perfectly, the others make any legal move at once; what pays is for
self-play to find out. `--also` names families that the model knows already: a fifth of the rows are of them, so that
they are not forgotten (`recipes/transfer`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from ponder.api.imitate import imitate
from ponder.api.machine import set_threads
from ponder.api.policies import load_policy
from ponder.api.problems import load_families
from ponder.models.load import save
from ponder.protocols import Demonstrated
from ponder.types import Question

ALSO = 5


def main() -> None:
    options = _options()
    set_threads(options.threads)
    if (options.out / "config.json").exists():
        return
    policy = load_policy("tiny")
    trainer = imitate(
        policy,
        demonstrations(options.games, options.also, options.seed),
        steps=options.steps,
        batch=options.batch,
        learning_rate=options.rate,
        seed=options.seed,
        tell=lambda step, steps, loss: print(step, steps, loss, flush=True) if step % 10 == 0 else None,
    )
    save(policy.model, policy.tokenizer, options.out, weights=trainer.weights())


def demonstrations(games: str, also: str, seed: int) -> Iterator[tuple[Question, str]]:
    """Positions of the games in turn, with what a demonstrator says there; every fifth row is of `also`, if any."""
    families, known = load_families(games), load_families(also) if also else []
    for at in count():
        some = known if known and at % ALSO == 0 else families
        turn = at // ALSO if some is known else at
        family = some[turn % len(some)]
        assert isinstance(family, Demonstrated), family.name
        problem = family.problem(at, split="train", seed=seed)
        yield problem.question, family.demonstration(problem, seed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Clone the embedded model on game demonstrations.")
    parser.add_argument("--out", type=Path, default=Path("build/games/base"))
    parser.add_argument("--games", default="nim,tictactoe,kuhn")
    parser.add_argument("--also", default="", help="families to keep, for example arithmetic,cipher,countdown")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
