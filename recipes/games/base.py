"""A base that knows the rules of the games: the embedded model, cloned on demonstrations of uneven care. See README.md.

    python recipes/games/base.py --out build/games/base [--games nim,tictactoe,kuhn] [--steps 400]

About a third of the demonstrators reason and move perfectly, the others make any legal move at once; what pays is for
self-play to find out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ponder.api.machine import set_threads
from ponder.api.policies import load_policy
from ponder.api.problems import load_families
from ponder.learning.policy import PolicyTrainer
from ponder.learning.samples import demonstration
from ponder.learning.settings import TrainerSettings
from ponder.losses.cloning import Cloning
from ponder.models.load import save
from ponder.protocols import Demonstrated


def main() -> None:
    options = _options()
    set_threads(options.threads)
    clone(options.out, options.games, options.steps, options.batch, options.rate, options.seed)


def clone(out: Path, games: str, steps: int, batch: int, rate: float, seed: int) -> None:
    """Train and save; a folder that is there is kept."""
    if (out / "config.json").exists():
        return
    policy, families = load_policy("tiny"), load_families(games)
    settings = TrainerSettings(learning_rate=rate, minibatches=1, schedule="linear")
    trainer = PolicyTrainer(policy.model, settings, Cloning(), seed=seed, total_steps=steps)
    for step in range(steps):
        rows = []
        for at in range(step * batch, (step + 1) * batch):
            family = families[at % len(families)]
            assert isinstance(family, Demonstrated), family.name
            problem = family.problem(at // len(families), split="train", seed=seed)
            response = (*policy.codec.encode(family.demonstration(problem, seed)), policy.codec.eos_id)
            rows.append(demonstration(problem.id, policy.propose.prompts.tokens(problem.question), response))
        report = trainer.update(rows)
        if step % 20 == 0 or step == steps - 1:
            print(json.dumps({"step": step, "loss": report.loss}), flush=True)
    save(policy.model, policy.tokenizer, out, weights=trainer.weights())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Clone the embedded model on game demonstrations.")
    parser.add_argument("--out", type=Path, default=Path("build/games/base"))
    parser.add_argument("--games", default="nim,tictactoe,kuhn")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
