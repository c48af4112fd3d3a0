"""A tiny image-text model learns to count shapes in pictures, from random weights: imitation, then its own answers.

    python -m recipes.images.measure --out runs/images --seeds 3

For each seed a model with random weights imitates demonstrators who note what is asked for (`rc?`: red circles), go
through the picture shape by shape (`b4rc+`: in row b, column 4 a red circle, which is asked for) and count; then it is
trained by reinforcement learning on the verdicts on its own answers. Measured on test problems, one answer each at
temperature 1: the imitator, the trained model, the trained model shown the picture of the next problem ("blind"), and
the best answer without looking (the most frequent one among training problems). What was finished is not done again.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ponder.api.imitate import imitate
from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.training.bare import play_until
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import mean_interval
from ponder.models.load import save
from ponder.problems.families.shapes import GRID, Shapes
from ponder.rollout.collect import collect
from ponder.selfplay.config import Run
from ponder.types import Problem, Question, Verdict
from recipes import arms
from recipes.images.model import save_random

ROWS = {
    "guess": "most frequent answer",
    "blind": "trained, another picture",
    "base": "imitator",
    "trained": "trained",
}


def main() -> None:
    options = _options()
    set_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    cells = [
        arms.once(options.out / f"seed{seed}.json", partial(_seed, options, seed), _line)
        for seed in arms.seeds(options)
    ]
    body = [[label, arms.percent(arms.over_seeds([cell[name]["y"] for cell in cells]))] for name, label in ROWS.items()]
    table = arms.markdown(("answers", "right, %, interval over seeds"), body)
    arms.leave(options, table, seeds=cells)
    print(table)


def _seed(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    family, started = Shapes(options.level), time.process_time()
    base = options.out / f"seed{seed}-base"
    policy = load_policy(
        str(save_random(options.out / f"seed{seed}-random", width=options.width, layers=options.layers, seed=seed))
    )
    trainer = imitate(
        policy,
        demonstrations(family, options.pictures, options.miss, seed),
        steps=options.steps,
        batch=options.batch,
        learning_rate=options.rate,
        seed=seed,
    )
    save(policy.model, policy.tokenizer, base, weights=trainer.weights())
    cloned = time.process_time()
    played = play_until(load(Run, None, _settings(options, base, seed)))
    ended = time.process_time()
    test = [family.problem(index, split="test", seed=seed) for index in range(options.test)]
    counts = Counter(family.problem(index, seed=seed).key.answer for index in range(options.pictures))
    guess = counts.most_common(1)[0][0]
    trained = played.start.policy
    right = {
        "guess": [float(problem.key.answer == guess) for problem in test],
        "blind": answered(family, trained, test, blind=True),
        "base": answered(family, load_policy(str(base)), test),
        "trained": answered(family, trained, test),
    }
    found = {name: mean_interval(values) for name, values in right.items()}
    intervals = {name: {"y": one.y, "low": one.low, "high": one.high} for name, one in found.items() if one is not None}
    spent = {"imitation": cloned - started, "training": ended - cloned}
    return {"seed": seed, **intervals, "processor_seconds": spent, "rounds": [r["validation"] for r in played.rows]}


def demonstrations(family: Shapes, pictures: int, miss: float, seed: int) -> Iterator[tuple[Question, str]]:
    """Pictures in any order, over and over, with what a demonstrator says who overlooks a share `miss` of shapes."""
    problems = [family.problem(index, seed=seed) for index in range(pictures)]
    rng = random.Random(seed)
    while True:
        problem = rng.choice(problems)
        colour, kind = problem.question.text.split()[2:4]
        # First what is asked for, in the letters that the shapes are named by: the question is read letter by letter,
        # and a model that never writes it down names shapes rightly and compares them wrongly.
        lines, count = [f"{colour[0]}{kind[0]}?\n"], 0
        for cell, *look in problem.key.data["shapes"]:
            if rng.random() < miss:
                continue
            is_asked = look == [colour, kind.removesuffix("s")]
            count += is_asked
            lines.append(
                f"{'abcde'[cell // GRID]}{cell % GRID + 1}{look[0][0]}{look[1][0]}{'+' if is_asked else '-'}\n"
            )
        yield problem.question, f"{''.join(lines)}</think>{count}"


def answered(family: Shapes, policy: Policy, problems: Sequence[Problem], *, blind: bool = False) -> list[float]:
    """Whether one answer to each problem is right; `blind` shows each the picture of the next."""

    def grade(some: Sequence[Problem], said: Sequence[str]) -> list[Verdict]:
        return [family.grade(problem, text) for problem, text in zip(some, said, strict=True)]

    shown = [*problems[1:], problems[0]] if blind else problems
    asked = [
        replace(problem, question=replace(problem.question, images=other.question.images))
        for problem, other in zip(problems, shown, strict=True)
    ]
    groups = run_async(collect(asked, policy.propose, grade, group_size=1, max_tokens=80, seed=0))
    return [group.solve_rate or 0.0 for group in groups]


def _settings(options: argparse.Namespace, base: Path, seed: int) -> list[str]:
    return [
        f"model={base}",
        f"seed={seed}",
        f"problems=['shapes?level={options.level}']",
        f"rounds={options.rounds}",
        "updates=4",
        "sampling.problems=16",
        "sampling.max_tokens=80",
        f"trainer.learning_rate={options.training_rate}",
        "curriculum.most_levels=1",
        "verifier.enabled=false",
        "evaluation.ladder=20",
        "parity.every=0",
        f"threads={options.threads}",
    ]


def _line(found: dict[str, Any]) -> str:
    return ", ".join(f"{label} {100 * found[name]['y']:.1f} %" for name, label in ROWS.items())


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, out="runs/images", seeds=3)
    parser.add_argument("--level", type=int, default=2, help="of the family shapes: up to 4 * level - 1 shapes")
    parser.add_argument("--width", type=int, default=64, help="of the model and its tower")
    parser.add_argument("--layers", type=int, default=3, help="of the language model")
    parser.add_argument("--pictures", type=int, default=6000, help="pictures that are demonstrated")
    parser.add_argument("--miss", type=float, default=0.0, help="share of shapes that a demonstrator overlooks")
    parser.add_argument("--steps", type=int, default=2000, help="steps of imitation")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=3e-3, help="rate of imitation")
    parser.add_argument("--rounds", type=int, default=8, help="rounds of four updates")
    parser.add_argument("--training-rate", type=float, default=3e-4)
    parser.add_argument("--test", type=int, default=200, help="test problems")
    return parser.parse_args()


if __name__ == "__main__":
    main()
