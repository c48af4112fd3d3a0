"""Does reading what fails pay? One turn against three at equal token-equivalents. See README.md.

    python recipes/repair/measure.py --out runs/repair [--seeds 3] [--quick]
    python recipes/repair/measure.py --out runs/repair_smollm2 --model models/smollm2 --problems "code?level=1"

Without `--model` a base is cloned from the embedded model on formulas from examples, and trained twice with the same
settings and the same work: on one turn, and in the environment `repair`. Each policy is then asked held-out problems in
three ways. What is finished is not done again. Written: `results.json`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import fmean
from typing import Any

from ponder.api.imitate import imitate
from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import ground_truth, load_families
from ponder.api.training.bare import play_until
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.environments import Repair
from ponder.environments.repair import FAILED, shown
from ponder.evaluation.intervals import mean_interval
from ponder.models.load import save
from ponder.problems.families.formula import Formula, careful, hasty
from ponder.protocols import Family, Grade, Propose, grade_responses
from ponder.rollout.collect import collect
from ponder.runlog import environment
from ponder.runlog.files import write_json
from ponder.selfplay.config import Run
from ponder.thinking import reading_of
from ponder.types import Problem, Question, Trajectory

SPEC = "formula?level=3"
MENDS = 0.6  # the share of demonstrators who work carefully once a test has failed


def main() -> None:
    options = _options()
    set_threads(options.threads)
    rows = [_seed(options, seed) for seed in range(options.seeds)] if not options.model else [_asked(options)]
    facts = {"revision": environment.revision(), "machine": environment.machine("cpu")}
    write_json(options.out / "results.json", {"rows": rows, **facts})
    print(table(rows))


def demonstrations(seed: int) -> Iterator[tuple[Question, str | Sequence[str]]]:
    """Formulas found at once, and such as fail the second example and are mended or not in a second turn."""
    family = Formula(3)
    for at in count():
        problem = family.problem(at, split="train", seed=seed)
        rng = random.Random(f"repair/{seed}/{at}")
        first = family.demonstration(problem, seed)
        failed = family.grade(shown(problem, 3), first)
        if failed.outcome == 1.0:
            yield problem.question, first
            continue
        second = careful(problem) if rng.random() < MENDS else hasty(problem)
        yield problem.question, (first, FAILED.format(why=failed.detail), second)


def _seed(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    done = options.out / f"seed{seed}.json"
    if done.exists():
        found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return found
    base = options.out / f"seed{seed}-base"
    if not (base / "config.json").exists():
        policy = load_policy("tiny")
        trainer = imitate(policy, demonstrations(seed), steps=options.steps, batch=64, learning_rate=1e-3, seed=seed)
        save(policy.model, policy.tokenizer, base, weights=trainer.weights())
    families = load_families([SPEC])
    row: dict[str, Any] = {"seed": seed, "base": measured(load_policy(str(base)).propose, families, options, seed)}
    work = 0.0
    for turns in (3, 1):  # three turns first: the other arm gets as much work as they took
        played = play_until(load(Run, None, settings(options, base, seed, turns)), flops=work or float("inf"))
        work = work or played.flops
        row[f"trained on {turns}"] = measured(played.start.generator.propose, families, options, seed)
        row[f"flops {turns}"] = played.flops
        print(f"seed {seed}, trained on {turns}: {row[f'trained on {turns}']}", flush=True)
    write_json(done, row)
    return row


def settings(options: argparse.Namespace, base: Path, seed: int, turns: int) -> list[str]:
    acts = ["environment.kind=repair", "environment.turns=3"] if turns > 1 else []
    return [
        f"model={base}",
        f"seed={seed}",
        f'problems=["{SPEC}"]',
        *acts,
        f"rounds={options.rounds if turns > 1 else 40 * options.rounds}",  # one turn: the work ends it, not the rounds
        "updates=4",
        "sampling.problems=24",
        f"sampling.max_tokens={options.budget if turns > 1 else options.most}",
        "verifier.enabled=false",
        "curriculum.most_levels=1",
        "evaluation.ladder=10",
    ]


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """A given model on given problems, without training."""
    policy: Policy = load_policy(options.model)
    return {"model": options.model, "base": measured(policy.propose, load_families([options.problems]), options, 0)}


def measured(propose: Propose, families: list[Family], options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Accuracy and tokens a problem of one turn, of three, and of independent tries within the same tokens.

    A try counts if it passes the visible tests, as an environment would stop there; else the last one does.
    """
    problems = [family.problem(i, split="test", seed=seed) for family in families for i in range(options.count)]
    with ground_truth(families) as truth:

        def drawn(size: int, most: int, acts: Repair | None = None) -> list[list[tuple[Trajectory, float]]]:
            some = collect(
                problems, propose, truth.grade, group_size=size, max_tokens=most, seed=seed, environment=acts
            )
            return [list(group.judged) for group in run_async(some)]

        one, three = drawn(1, options.most), drawn(1, options.budget, Repair(turns=3))
        many = drawn(options.tries, options.most)
        tries = [
            _first_that_passes(problem, some, truth.grade, propose, options.budget)
            for problem, some in zip(problems, many, strict=True)
        ]
    return {
        "one turn": _summary([(right, len(t)) for some in one for t, right in some]),
        "three turns": _summary([(right, len(t)) for some in three for t, right in some]),
        "tries": _summary(tries),
        "turns": fmean([t.turns for some in three for t, _ in some]),
    }


def _first_that_passes(
    problem: Problem, some: Sequence[tuple[Trajectory, float]], grade: Grade, propose: Propose, budget: int
) -> tuple[float, int]:
    """The outcome of the first try that passes the visible tests, and the tokens of all tries up to it."""
    read, spent, outcome = reading_of(propose), 0, 0.0
    for trajectory, right in some:
        if spent + len(trajectory) > budget:
            break
        spent, outcome = spent + len(trajectory), right
        (seen,) = grade_responses(grade, [shown(problem, 3)], [read(trajectory)], [trajectory.finished])
        if seen.outcome == 1.0:
            break
    return outcome, spent


def _summary(found: Sequence[tuple[float, int]]) -> dict[str, float]:
    interval = mean_interval([right for right, _ in found])
    assert interval is not None  # there is at least one problem
    return {"right": interval.y, "low": interval.low, "high": interval.high, "tokens": fmean([n for _, n in found])}


def table(rows: list[dict[str, Any]]) -> str:
    """Means over seeds, with the least and the greatest seed."""
    lines = [f"{'':34}{'right':>26}{'tokens':>8}"]
    for who in ("base", "trained on 1", "trained on 3"):
        for how in ("one turn", "three turns", "tries"):
            some = [row[who][how] for row in rows if who in row]
            if some:
                right = [one["right"] for one in some]
                spread = f"{fmean(right):.1%} ({min(right):.1%} to {max(right):.1%})"
                lines.append(f"{f'{who}, {how}':34}{spread:>26}{fmean([one['tokens'] for one in some]):>8.0f}")
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="One turn against three at equal token-equivalents.")
    parser.add_argument("--out", type=Path, default=Path("runs/repair"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300, help="cloning steps of the base")
    parser.add_argument("--rounds", type=int, default=4, help="rounds of four updates in the environment")
    parser.add_argument("--count", type=int, default=200, help="held-out problems")
    parser.add_argument("--most", type=int, default=80, help="tokens of one turn")
    parser.add_argument("--budget", type=int, default=320, help="tokens of all turns, or of all tries")
    parser.add_argument("--tries", type=int, default=8)
    parser.add_argument("--model", default="", help="measure this model and train nothing")
    parser.add_argument("--problems", default=SPEC, help="problems for --model")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one seed, few steps: does it run?")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.steps, options.rounds, options.count = 1, 10, 1, 10
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
