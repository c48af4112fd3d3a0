"""Train on one family, test on all: the transfer matrix. See README.md.

    python recipes/games/base.py --also arithmetic,cipher,countdown --out build/transfer
    python -m recipes.transfer.measure --base build/transfer --out runs/transfer            # 6 families, 5 seeds
    python -m recipes.transfer.measure --base build/transfer --out runs/transfer --quick    # the reduced form

A row is a training on one family: an answer to a problem, or with `--matches` whole matches against itself where the
family is a game. Every row makes as many updates of as many answers. A finished training is a file and is not run
again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.api.training.bare import play_until
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import Interval, paired_interval
from ponder.problems.games.game import Game
from ponder.protocols import Family
from ponder.reports.plot_style import canvas, png, style
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from recipes import arms

FAMILIES = ("arithmetic", "cipher", "countdown", "nim", "tictactoe", "kuhn")
SIZES = {
    "full": (6, 4, 24, 200),
    "quick": (3, 2, 8, 60),
}  # rounds, updates, problems an update, test problems a family
Outcomes = dict[str, list[float]]  # by family, one for each test problem


def main() -> None:
    options = _options()
    set_threads(options.threads)
    families = load_families(",".join(FAMILIES))
    bases: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    for seed in arms.seeds(options):
        bases.append(_base(families, seed, options))
        for family in families:
            cells.append(_cell(family, families, seed, options))
        matrix = gains(bases, cells)
        arms.leave(options, said(bases, matrix), bases=bases, cells=cells)
    draw(matrix, options.out / "transfer.png")
    print(said(bases, matrix))


def _base(families: Sequence[Family], seed: int, options: argparse.Namespace) -> dict[str, Any]:
    return arms.once(
        options.out / f"base-{seed}.json",
        lambda: {"test": tested(load_policy(str(options.base)), families, seed, options)},
        lambda found: str({name: round(arms.mean(ys) or 0.0, 3) for name, ys in found["test"].items()}),
    )


def _cell(family: Family, families: Sequence[Family], seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One training, done or read."""
    matches = options.matches and isinstance(family, Game)

    def work() -> dict[str, Any]:
        rounds, updates, problems, _ = SIZES[options.size]
        match = ["environment.kind=match", "algorithm.kind=role_baseline"] if matches else []
        config = load(
            Run,
            None,
            [
                f"model={options.base}",
                f"seed={seed}",
                f"problems=['{family.name}']",
                f"rounds={rounds}",
                f"updates={updates}",
                f"sampling.problems={problems}",
                f"trainer.learning_rate={options.rate}",
                "verifier.enabled=false",
                "evaluation.ladder=4",
                "parity.every=0",
                *match,
            ],
        )
        played = play_until(config)
        rates = [arms.mean(list(row["solve_rate"].values())) for row in played.rows[1:]]
        test = tested(played.start.policy, families, seed, options)
        return {"family": family.name, "seed": seed, "rates": rates, "flops": played.flops, "test": test}

    name = f"{family.name}{'-matches' if matches else ''}-{seed}"
    return arms.once(
        options.out / f"{name}.json",
        work,
        lambda found: str({name: round(arms.mean(ys) or 0.0, 3) for name, ys in found["test"].items()}),
    )


def tested(policy: Policy, families: Sequence[Family], seed: int, options: argparse.Namespace) -> Outcomes:
    """One answer at temperature 1 to each test problem of all families; the same draw for every policy of a seed."""
    problems = draw_problems(families, "test", SIZES[options.size][3], 0)
    with ground_truth(families) as truth:
        drawn = collect(
            problems, policy.propose, truth.grade, group_size=1, max_tokens=400, seed=derive_seed("test", seed)
        )
        known = {group.problem.id: group.solve_rate or 0.0 for group in run_async(drawn)}
    found: Outcomes = {}
    for problem in problems:
        found.setdefault(problem.family, []).append(known.get(problem.id, 0.0))
    return found


def gains(bases: Sequence[dict[str, Any]], cells: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By trained and tested family: the gain over the base with its interval over problems, and that of each seed."""
    matrix: dict[str, dict[str, Any]] = {}
    for trained in FAMILIES:
        mine = [cell for cell in cells if cell["family"] == trained]
        for at in FAMILIES if mine else ():
            before = [base["test"][at] for base in bases[: len(mine)]]
            after = [cell["test"][at] for cell in mine]
            interval = paired_interval(_by_problem(before), _by_problem(after))
            assert interval is not None
            seeds = [(arms.mean(b) or 0.0) - (arms.mean(a) or 0.0) for a, b in zip(before, after, strict=True)]
            matrix.setdefault(trained, {})[at] = {"gain": interval, "seeds": seeds}
    return matrix


def sure(cell: dict[str, Any]) -> bool:
    """Whether the gain is told from 0: its interval over problems leaves 0 out, and all seeds have its sign."""
    gain: Interval = cell["gain"]
    same = all(seed * gain.y > 0 for seed in cell["seeds"])
    return same and (gain.low > 0 or gain.high < 0)


def said(bases: Sequence[dict[str, Any]], matrix: dict[str, dict[str, Any]]) -> str:
    """The matrix in points; bold: told from 0."""
    rows = [["(base, %)", *(arms.percent(arms.mean([arms.mean(b["test"][at]) for b in bases])) for at in FAMILIES)]]
    for trained, row in matrix.items():
        rows.append([trained, *map(_shown, row.values())])
    own = [100 * row[trained]["gain"].y for trained, row in matrix.items()]
    other = [(trained, at, cell) for trained, row in matrix.items() for at, cell in row.items() if at != trained]
    told = [f"{trained} to {at} {100 * c['gain'].y:+.1f}" for trained, at, c in other if sure(c)]
    summary = (
        f"\nOn the family of training {arms.number(arms.mean(own), '{:+.1f}')} points on average, on the five others "
        f"{arms.number(arms.mean([100 * c['gain'].y for *_, c in other]), '{:+.1f}')}. Of {len(other)} transfers "
        f"{len(told)} can be told from 0{': ' + ', '.join(told) if told else ''} (one or two in {len(other)} would by "
        "chance).\n"
    )
    return arms.markdown(["trained on \\ tested on", *FAMILIES], rows) + summary


def _shown(cell: dict[str, Any]) -> str:
    gain: Interval = cell["gain"]
    text = f"{100 * gain.y:+.1f} ({100 * gain.low:.1f} to {100 * gain.high:.1f})"
    return f"**{text}**" if sure(cell) else text


def draw(matrix: dict[str, dict[str, Any]], file: Path) -> None:
    """The matrix as colours and numbers; a frame where the gain is told from 0."""
    values = [[100 * cell["gain"].y for cell in row.values()] for row in matrix.values()]
    most = max(abs(value) for row in values for value in row) or 1.0
    with style(**{"axes.grid": False}):
        figure, (axes,) = canvas(1, width=6.4, height=4.6)
        axes.imshow(values, cmap="RdBu", vmin=-most, vmax=most)
        for y, (row, cells) in enumerate(zip(values, matrix.values(), strict=True)):
            for x, (value, cell) in enumerate(zip(row, cells.values(), strict=True)):
                dark = abs(value) > 0.6 * most
                weight = "bold" if sure(cell) else "normal"
                axes.text(x, y, f"{value:+.0f}", ha="center", va="center", color="w" if dark else "k", weight=weight)
        axes.set_xticks(range(len(FAMILIES)), FAMILIES, rotation=30)
        axes.set_yticks(range(len(matrix)), list(matrix))
        axes.set(xlabel="tested on", ylabel="trained on", title="gain over the base, points (bold: told from 0)")
        png(figure, file)


def _by_problem(tests: Sequence[list[float]]) -> list[list[float]]:
    return [list(ys) for ys in zip(*tests, strict=True)]


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, seeds=5)
    parser.add_argument("--base", type=Path, default=Path("build/transfer"))
    parser.add_argument("--quick", dest="size", action="store_const", const="quick", default="full")
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--matches", action="store_true", help="games learn from matches against themselves")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
