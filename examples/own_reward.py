"""A reward of one's own: pay for answers that are given in few steps, beside being right, and see it in the log."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import ponder
from ponder.rewards.component import Component, Graded
from ponder.runlog import read_metrics


@ponder.register_reward
class FewSteps(Component):
    """1 for one step, 1/2 for two, and so on; nothing for wrong answers."""

    kind: Literal["few_steps"] = "few_steps"
    weight: float = 0.2
    source: ClassVar[str] = "this file"

    def pay(self, graded: Graded) -> Sequence[float]:
        pairs = zip(graded.trajectories_G, graded.outcomes_G, strict=True)
        return [outcome / len(trajectory.steps) for trajectory, outcome in pairs]


with tempfile.TemporaryDirectory() as folder:
    chosen = ['rewards=[{kind="outcome"}, {kind="few_steps", weight=0.5}]']
    run = ponder.train(Path(__file__).with_name("small.toml"), out=f"{folder}/run", settings=chosen)
    row = read_metrics(run.folder)[-1]
    for name in ("reward/outcome", "reward/few_steps"):
        print(f"{name}: {row['metrics'][name]:.3f}")
