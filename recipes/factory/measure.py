"""What each kind of made-to-order chain teaches: all of them, each left out once, and plain rejection. See README.md.

    python -m recipes.factory.measure --out runs/factory            # 5 seeds, and reinforcement learning after it
    python -m recipes.factory.measure --out runs/factory --quick    # the reduced form

For each seed chains are made once by all methods on the same samples; for each arm a fresh copy of the model imitates
its chains until it has read a number of response tokens, and answers test problems. Wrong steps are read and not
imitated, but for one arm. With `--rl N` it then learns from N
updates of reinforcement learning and answers again. A finished arm is a file and is not run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ponder.api import factory
from ponder.api.imitate import imitate
from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.api.training.bare import play_until
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import paired_interval
from ponder.factory import parquet
from ponder.factory.work import TURN
from ponder.models.load import save
from ponder.reports.plot_style import HUES, canvas, png, style
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from recipes import arms

WITH_ERRORS = "all and their errors"
METHODS = ("rejection", "pivots", "corrections", "continuations", "roles")
ARMS: dict[str, tuple[str, ...]] = {
    "none": (),
    "rejection alone": ("rejection",),
    "all": METHODS,
    WITH_ERRORS: METHODS,
    **{f"without {left}": tuple(name for name in METHODS if name != left) for left in METHODS},
}
AFTER = ("none", "rejection alone", "all")  # arms that learn on by reinforcement
# Training problems a family, response tokens that an arm imitates, test problems a family.
SIZES = {"full": (240, 300_000, 200), "quick": (24, 25_000, 60)}


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells: list[dict[str, Any]] = []
    made: list[dict[str, Any]] = []
    for seed in arms.seeds(options):
        made.append(_chains(seed, options))
        rows = parquet.read(options.out / f"chains-{seed}" / factory.CHAINS)
        there = {row["method"] for row in rows}
        for name in arms.chosen(options.arms, list(ARMS)):
            if name.removeprefix("without ") not in set(METHODS) - there:  # else it is the arm `all` again
                cells.append(_cell(name, rows, seed, options))
    arms.leave(options, said(made, cells), chains=made, cells=cells)
    draw(cells, options.out / "factory.png")
    print(said(made, cells))


def _chains(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """All methods on the same samples; how many chains each made, and why not more."""

    def work() -> dict[str, Any]:
        request = factory.Request(
            options.model,
            tuple(options.problems.split(",")),
            options.out / f"chains-{seed}",
            methods=METHODS,
            limit=SIZES[options.size][0],
            judge=options.judge,
            seed=seed,
        )
        found = factory.make(request)
        return {"seed": seed, **{key: found[key] for key in ("chains", "by_method", "tokens", "rounds")}}

    return arms.once(options.out / f"made-{seed}.json", work, lambda found: str(found["by_method"]))


def _cell(name: str, rows: list[dict[str, Any]], seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One arm with one seed, trained or read. A method without a chain leaves its arm as it is, and that is said."""
    kept = [row for row in rows if row["method"] in ARMS[name]]

    def work() -> dict[str, Any]:
        policy = load_policy(options.model)
        found: dict[str, Any] = {"arm": name, "seed": seed, "chains": len(kept)}
        if kept:
            found |= _imitated(policy, kept, seed, options, name == WITH_ERRORS)
        found |= _answers(policy, seed, options)
        if options.rl and name in AFTER:
            found["after"] = _reinforced(policy, name, seed, options)
        return found

    return arms.once(
        options.out / f"{name.replace(' ', '_')}-{seed}.json",
        work,
        lambda found: f"{found['chains']} chains, test {arms.mean(found['test']):.3f}, turned {found['turned']:.2f}",
    )


def _imitated(
    policy: Policy, rows: list[dict[str, Any]], seed: int, options: argparse.Namespace, errors: bool
) -> dict[str, Any]:
    """`policy` cloned on these chains for the given number of tokens, read or imitated."""
    mean = sum(len(policy.codec.encode(row["response"])) + 1 for row in rows) / len(rows)
    steps = max(1, round(SIZES[options.size][1] / (mean * options.batch)))
    shown = factory.endless(factory.to_imitate(rows, errors=errors), seed)
    trainer = imitate(policy, shown, steps=steps, batch=options.batch, learning_rate=options.rate, seed=seed)
    policy.engine.replace_weights(trainer.weights(), policy.engine.version + 1)
    return {"mean_tokens": mean, "steps": steps}


def _reinforced(policy: Policy, name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """The same policy after `--rl` updates of the default algorithm."""
    folder = options.out / "models" / f"{name.replace(' ', '_')}-{seed}"
    if not (folder / "config.json").exists():
        save(policy.model, policy.tokenizer, folder)
    problems = ", ".join(f"'{family}'" for family in options.problems.split(","))
    settings = [
        f"model={folder}",
        f"seed={seed}",
        f"problems=[{problems}]",
        "rounds=1",
        f"updates={options.rl}",
        "sampling.problems=18",
        "trainer.learning_rate=6e-4",
        "verifier.enabled=false",
        "evaluation.ladder=2",
        "parity.every=0",
    ]
    return _answers(play_until(load(Run, None, settings)).start.policy, seed, options)


def _answers(policy: Policy, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One answer to each test problem: outcomes, mean tokens, and how often the answer turned round by itself."""
    some = load_families(options.problems)
    problems = draw_problems(some, "test", SIZES[options.size][2], 0)
    with ground_truth(some) as truth:
        seeded = derive_seed("test", seed)
        drawn = collect(problems, policy.propose, truth.grade, group_size=1, max_tokens=400, seed=seeded)
        groups = run_async(drawn)
    known = {group.problem.id: group.solve_rate or 0.0 for group in groups}
    trajectories = [t for group in groups for t in group.trajectories]
    return {
        "test": [known.get(problem.id, 0.0) for problem in problems],
        "tokens": sum(map(len, trajectories)) / len(trajectories),
        "turned": sum(TURN.strip() in t.text for t in trajectories) / len(trajectories),
    }


def said(made: Sequence[dict[str, Any]], cells: Sequence[dict[str, Any]]) -> str:
    """Which chains were made, and one line an arm; differences are to all chains, on the same problems."""
    counts = ", ".join(
        f"{name} {arms.mean([float(one['by_method'].get(name, 0)) for one in made]) or 0:.0f}" for name in METHODS
    )
    by_arm = {name: [cell for cell in cells if cell["arm"] == name] for name in ARMS}
    whole, rows = by_arm["all"], []
    for name, mine in by_arm.items():
        if not mine:
            continue
        after = [cell["after"]["test"] for cell in mine if "after" in cell]
        gap = paired_interval(_by_problem(whole), _by_problem(mine)) if whole and name != "all" else None
        rows.append(
            [
                name,
                f"{arms.mean([float(cell['chains']) for cell in mine]) or 0:.0f}",
                arms.percent(arms.over_seeds([arms.mean(cell["test"]) for cell in mine])),
                "" if gap is None else f"{100 * gap.y:+.1f} ({100 * gap.low:.1f} to {100 * gap.high:.1f})",
                f"{arms.mean([cell['tokens'] for cell in mine]) or 0:.0f}",
                arms.percent(arms.mean([cell["turned"] for cell in mine])),
                arms.percent(arms.over_seeds([arms.mean(test) for test in after])) if after else "",
            ]
        )
    header = [
        "imitated",
        "chains",
        "test accuracy (over seeds)",
        "less all (over problems)",
        "tokens an answer",
        "answers with a turn, %",
        "after reinforcement learning",
    ]
    return f"Chains made, mean over {len(made)} seeds: {counts}.\n\n" + arms.markdown(header, rows)


def _by_problem(cells: Sequence[dict[str, Any]]) -> list[list[float]]:
    return [list(ys) for ys in zip(*(cell["test"] for cell in cells), strict=True)]


def draw(cells: Sequence[dict[str, Any]], file: Path) -> None:
    """Accuracy by arm, a point a seed; hollow points are after reinforcement learning."""
    names = [name for name in ARMS if any(cell["arm"] == name for cell in cells)]
    with style():
        figure, (axes,) = canvas(1, width=6.4, height=3.6)
        for cell in cells:
            y = names.index(cell["arm"])
            axes.plot(100 * (arms.mean(cell["test"]) or 0.0), y, "o", color=HUES["blue"])
            if "after" in cell:
                x = 100 * (arms.mean(cell["after"]["test"]) or 0.0)
                axes.plot(x, y, "s", color=HUES["rust"], markerfacecolor="none")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set(xlabel="right on test problems, % (squares: after reinforcement learning)")
        png(figure, file)


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, seeds=5)
    parser.add_argument("--arms", default="", help=f"comma-separated, of: {', '.join(ARMS)}")
    parser.add_argument("--quick", dest="size", action="store_const", const="quick", default="full")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--problems", default="arithmetic,cipher,countdown")
    parser.add_argument("--judge", default="rollouts")
    parser.add_argument("--rl", type=int, default=8, help="updates of reinforcement learning afterwards; 0: none")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
