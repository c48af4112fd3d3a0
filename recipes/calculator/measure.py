"""Does a calculator pay, and does training find out where? See README.md.

    python recipes/calculator/measure.py --out runs/calculator [--seeds 5] [--quick]

For each seed two bases are cloned from the embedded model: one saw demonstrators of whom some call a calculator, the
other the same demonstrators without it. Both are trained by `ponder run` with the same settings, and asked the same
held-out problems before and after. What is finished is not done again. Written: `results.json`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import fmean
from typing import Any

import ponder
from ponder.api.imitate import imitate
from ponder.api.machine import set_threads
from ponder.api.policies import load_policy
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import mean_interval
from ponder.models.load import save
from ponder.problems.families.arithmetic import Arithmetic, reductions
from ponder.rollout.collect import collect
from ponder.runlog import environment
from ponder.runlog.files import write_json
from ponder.tools import toolbox
from ponder.types import Question

SPEC = "arithmetic?terms=3&largest=99"
# Shares of the demonstrators: by the calculator, by head one operation a line, by head at once.
HABITS = {"tool": 0.25, "careful": 0.35, "instant": 0.40}


def main() -> None:
    options = _options()
    set_threads(options.threads)
    rows = [_seed(options, seed, tools) for seed in range(options.seeds) for tools in (True, False)]
    write_json(
        options.out / "results.json",
        {"rows": rows, "revision": environment.revision(), "machine": environment.machine("cpu")},
    )
    print(table(rows))


def demonstrations(seed: int, *, tools: bool) -> Iterator[tuple[Question, str]]:
    """Problems in turn, each worked by a demonstrator of one habit; without tools those who call one go by head."""
    family = Arithmetic(terms=3, largest=99)
    for at in count():
        problem = family.problem(at, split="train", seed=seed)
        rng = random.Random(f"calculator/{seed}/{at}")
        habit = rng.choices(list(HABITS), weights=list(HABITS.values()))[0]
        lines = []
        for operation, value, expression in [] if habit == "instant" else reductions(problem):
            called = f"<calc>{operation}</calc><result>{value}</result>\n" if habit == "tool" and tools else ""
            lines.append(f"{called}{expression}\n")
        yield problem.question, f"{''.join(lines)}</think>{problem.key.answer}"


def _seed(options: argparse.Namespace, seed: int, tools: bool) -> dict[str, Any]:
    name = f"seed{seed}-{'tool' if tools else 'head'}"
    done = options.out / f"{name}.json"
    if done.exists():
        found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return found
    base = options.out / f"{name}-base"
    if not (base / "config.json").exists():
        policy = load_policy("tiny", tools=toolbox(["calc"] if tools else []))
        shown = demonstrations(seed, tools=tools)
        trainer = imitate(policy, shown, steps=options.steps, batch=64, learning_rate=1e-3, seed=seed)
        save(policy.model, policy.tokenizer, base, weights=trainer.weights())
    folder = options.out / name
    if not (folder / "summary.json").exists():
        begun = (folder / "config.toml").exists()
        ponder.train(out=folder, settings=() if begun else _settings(options, base, seed, tools), resume=begun)
    row = {
        "seed": seed,
        "tools": tools,
        "before": _measured(str(base), options, seed, tools),
        "after": _measured(str(folder / "model"), options, seed, tools),
    }
    write_json(done, row)
    return row


def _settings(options: argparse.Namespace, base: Path, seed: int, tools: bool) -> list[str]:
    return [
        f"model={base}",
        f"seed={seed}",
        f'problems=["{SPEC}"]',
        *(['tools.use=["calc"]'] if tools else []),
        f"rounds={options.rounds}",
        "updates=4",
        "sampling.problems=24",
        "sampling.max_tokens=160",
        "verifier.groups=4",
        "curriculum.most_levels=1",
        "control.enabled=false",
        "control.rejection=false",
        "keep_policies=false",
        "evaluation.problems=40",
        "evaluation.ladder=20",
        "evaluation.pool_problems=4",
        "evaluation.pool_samples=4",
        "evaluation.beam_problems=2",
        "evaluation.unsolved_problems=4",
        "evaluation.unsolved_tries=2",
        "evaluation.budgets=[256]",
    ]


def _measured(model: str, options: argparse.Namespace, seed: int, tools: bool) -> dict[str, Any]:
    """One answer at temperature 1 to each held-out problem: right or not, and whether a call is in it."""
    policy = load_policy(model, tools=toolbox(["calc"] if tools else []))
    problems = ponder.load_problems(SPEC, split="test", limit=options.problems, seed=seed)
    family = Arithmetic(terms=3, largest=99)
    grade = lambda some, said: [family.grade(p, text) for p, text in zip(some, said, strict=True)]  # noqa: E731
    groups = run_async(collect(list(problems), policy.propose, grade, group_size=1, max_tokens=160, seed=seed))
    right = [group.verdicts[0].outcome or 0.0 for group in groups]
    called = ["<result>" in group.trajectories[0].text for group in groups]
    product = ["*" in group.problem.key.data["expression"] for group in groups]
    interval = mean_interval(right)
    assert interval is not None  # there is at least one problem
    return {
        "accuracy": interval.y,
        "low": interval.low,
        "high": interval.high,
        "called": fmean(called),
        "called_products": fmean([c for c, p in zip(called, product, strict=True) if p]),
        "called_sums": fmean([c for c, p in zip(called, product, strict=True) if not p]),
        "right_with_call": fmean([r for r, c in zip(right, called, strict=True) if c]) if any(called) else None,
        "right_without": fmean([r for r, c in zip(right, called, strict=True) if not c]) if not all(called) else None,
        "tokens": fmean([len(group.trajectories[0]) for group in groups]),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Means over seeds, with the least and the greatest seed."""
    lines = [f"{'':24}{'right':>24}{'calls':>8}{'tokens':>8}"]
    for tools, when in [(tools, when) for tools in (True, False) for when in ("before", "after")]:
        some = [row[when] for row in rows if row["tools"] is tools]
        right = [one["accuracy"] for one in some]
        name = f"{'with' if tools else 'without'} calculator, {when}"
        spread = f"{fmean(right):.1%} ({min(right):.1%} to {max(right):.1%})"
        calls, tokens = fmean(one["called"] for one in some), fmean(one["tokens"] for one in some)
        lines.append(f"{name:24}{spread:>24}{calls:>8.0%}{tokens:>8.0f}")
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A calculator inside the thinking, before and after training.")
    parser.add_argument("--out", type=Path, default=Path("runs/calculator"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300, help="cloning steps of a base")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one seed, few steps: does it run?")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.steps, options.rounds, options.problems = 1, 20, 1, 20
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
