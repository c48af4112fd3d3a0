"""An advantage of one's own: only answers better than the group's median count, and bad ones are left alone."""

import tempfile
from pathlib import Path
from statistics import median
from typing import ClassVar, Literal

import ponder
from ponder.algorithms.algorithm import Algorithm, Batch, Credits, each_group
from ponder.algorithms.group_relative import on_tokens
from ponder.runlog import read_metrics


@ponder.register_algorithm
class AboveMedian(Algorithm):
    """Reward above the group's median, times a strength; 0 below it."""

    kind: Literal["above_median"] = "above_median"
    strength: float = 1.0
    source: ClassVar[str] = "this file"

    def credit(self, batch: Batch) -> Credits:
        advantages = []
        for group in batch.groups_P:
            middle = median(group.rewards_G) if group.rewards_G else 0.0
            gains = [self.strength * max(0.0, answer.reward - middle) for answer in group.answers_G]
            pairs = zip(group.answers_G, gains, strict=True)
            advantages.append([on_tokens(answer.trajectory, gain) for answer, gain in pairs])
        paid = sum(gain > 0 for group in advantages for tokens in group for gain in tokens[:1])
        return Credits(each_group(batch, advantages), {"answers_paid": float(paid)})


with tempfile.TemporaryDirectory() as folder:
    chosen = ["algorithm.kind=above_median", "algorithm.strength=2.0"]
    run = ponder.train(Path(__file__).with_name("small.toml"), out=f"{folder}/run", settings=chosen)
    print("answers paid:", read_metrics(run.folder)[-1]["metrics"]["answers_paid"])
