"""Tree search as a maker of data, beside rejection sampling and beside searching at test time alone. See README.md.

    python -m recipes.mcts_data.measure --out runs/mcts_data            # 4 arms, 5 seeds
    python -m recipes.mcts_data.measure --out runs/mcts_data --size small   # the reduced form: 12 updates of 9 problems

Every arm spends what `search and imitate` of the same seed spends in training: draws, what the searches' verifier
reads, its training and the policy's updates. Then each answers test problems once, and with a tree search under its own
verifier at `--budget` token-equivalents a problem. A finished arm is a file and is not run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.api.training.bare import Played, mean_of, play_until
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import paired_interval
from ponder.evaluation.pools.pool import Live
from ponder.evaluation.pools.runs import run_live
from ponder.protocols import Judge
from ponder.reports.plot_style import canvas, cycle, legend, png, style
from ponder.search.limits import reserve_within
from ponder.search.registry import make
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from ponder.selfplay.presets.methods import METHODS
from ponder.types import Problem
from recipes import arms

_SEARCH = METHODS["rest_mcts"][2]
# Name of the arm -> its settings.
ARMS: dict[str, tuple[str, ...]] = {
    "search and imitate": _SEARCH,
    "search then pairs": _SEARCH,  # and from the middle on as `_pairs` says
    "rejection sampling": (
        "coupling.labels=outcomes",
        "algorithm.kind=rejection",
        "algorithm.most=4",
        "loss.kind=cloning",
    ),
    # The policy stands still: all work goes into trees and the verifier that learns from them.
    "search at test time": (*_SEARCH, "trainer.learning_rate=1e-12"),
}
# Rounds, updates, problems an update, validation problems a family, test problems a family, of them searched.
SIZES = {
    "full": (8, 4, 24, 64, 300, 60),
    "small": (6, 2, 9, 16, 60, 12),
    "quick": (2, 2, 9, 16, 60, 12),
    "touch": (2, 1, 3, 2, 4, 1),  # does it run, on a model that is slow
}


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells: list[dict[str, Any]] = []
    for seed in arms.seeds(options):
        budget = _cell("search and imitate", seed, options, None)["flops"]
        for name in arms.chosen(options.arms, list(ARMS)):
            cells.append(_cell(name, seed, options, budget))
    arms.leave(options, said(cells, options.budget), cells=cells)
    draw(cells, options.out / "mcts_data.png")
    print(said(cells, options.budget))


def _cell(name: str, seed: int, options: argparse.Namespace, budget: float | None) -> dict[str, Any]:
    """One arm with one seed, played or read."""

    def work() -> dict[str, Any]:
        config = _config(name, seed, options, longer=budget is not None)
        played = play_until(config) if budget is None else play_until(config, flops=budget)
        rows = [
            {
                "flops": row["flops"],
                "accuracy": mean_of(row),
                "auc": (row.get("agreement") or {}).get("auc"),
                "solve_rate": arms.mean(list((row.get("solve_rate") or {}).values())),
                "work": {part: done["flops"] for part, done in (row.get("work") or {}).items()},
            }
            for row in played.rows
        ]
        return {"arm": name, "seed": seed, "rows": rows, "flops": played.flops, **_tested(played, seed, options)}

    return arms.once(
        options.out / f"{name.replace(' ', '_')}-{seed}.json",
        work,
        lambda found: (
            f"{found['rows'][0]['accuracy']:.3f} -> {found['rows'][-1]['accuracy']:.3f}, test "
            f"{arms.mean(found['once']):.3f} once, {arms.mean(found['searched']):.3f} searched"
        ),
    )


def _config(name: str, seed: int, options: argparse.Namespace, *, longer: bool) -> Run:
    rounds, updates, problems, ladder, _, _ = SIZES[options.size]
    most = rounds * (6 if longer else 1)
    sizes = [f"rounds={most}", f"updates={updates}", f"sampling.problems={problems}", f"evaluation.ladder={ladder}"]
    quiet = ["verifier.groups=1", "verifier.rollouts=1", "verifier.most_steps=1", "parity.every=0"]
    rate = f"trainer.learning_rate={options.rate}"
    later = _pairs(rounds // 2, most) if name == "search then pairs" else ()
    return load(Run, None, [f"seed={seed}", *sizes, *quiet, rate, *options.set, *ARMS[name], *later])


def _pairs(first: int, rounds: int) -> tuple[str, ...]:
    """After `first` rounds pairs of a right and a wrong leaf of one tree. What they share cancels in the margin."""
    pairs = "['algorithm.kind=preference', 'loss.kind=dpo', 'trainer.learning_rate=1e-4']"
    rest = rounds - first
    return (f"stages=[{{name='imitate', rounds={first}}}, {{name='pairs', rounds={rest}, set={pairs}}}]",)


def _tested(played: Played, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Outcomes on test problems: one answer each, and of the first of each family by a search; what that spent."""
    *_, count, few = SIZES[options.size]
    families, policy = played.start.families, played.start.policy
    with ground_truth(load_families([family.name for family in families])) as truth:

        def ran(name: str, problems: Sequence[Problem], budget: float, judge: Judge | None) -> tuple[Any, float | None]:
            live = Live(policy.propose, policy.codec.decode, truth.grade, judge)
            strategy = make(name, max_tokens=400, answer_reserve=reserve_within(400))
            seeded = derive_seed("test", seed, name)
            known = {p.id: p for p in run_async(run_live(name, strategy, problems, live, budget, seed=seeded)).problems}
            spent = arms.mean([p.spent for p in known.values()])
            return [known[p.id].accuracy if p.id in known else 0.0 for p in problems], spent

        test = draw_problems(families, "test", count, 0)
        searched = draw_problems(families, "test", few, 0)
        once, spent_once = ran("sample", test, 400.0, None)
        found, spent = ran("mcts", searched, options.budget, played.play.verifier.judge)
        vote, spent_vote = ran("vote", searched, options.budget, None)
    return {
        "once": once,
        "searched": found,
        "vote": vote,
        "spent": {"once": spent_once, "searched": spent, "vote": spent_vote},
    }


def said(cells: Sequence[dict[str, Any]], budget: float) -> str:
    """The table: test accuracy over seeds, and differences to rejection sampling on the same problems."""
    by_arm = {name: [cell for cell in cells if cell["arm"] == name] for name in ARMS}
    other = by_arm["rejection sampling"]
    rows = []
    for name, mine in by_arm.items():
        if not mine:
            continue
        cells_of = [name]
        for kind in ("once", "searched"):
            cells_of.append(arms.percent(arms.over_seeds([arms.mean(cell[kind]) for cell in mine])))
            gap = paired_interval(_by_problem(other, kind), _by_problem(mine, kind)) if other else None
            same = name == "rejection sampling" or gap is None
            cells_of.append("" if same or gap is None else _points(gap.y, gap.low, gap.high))
        cells_of.append(arms.percent(arms.over_seeds([arms.mean(cell["vote"]) for cell in mine])))
        cells_of.append(f"{arms.mean([cell['spent']['searched'] for cell in mine]) or 0:.0f}")
        cells_of.append(arms.number(arms.mean([cell["rows"][-1]["auc"] for cell in mine])))
        cells_of.append(f"{arms.mean([cell['flops'] for cell in mine]) or 0:.3g}")
        rows.append(cells_of)
    header = [
        "arm",
        "one answer, test %",
        "less rejection sampling",
        f"tree search at {budget:g}",
        "less rejection sampling",
        f"vote at {budget:g}",
        "spent by the search",
        "AUC of its verifier",
        "training FLOPs",
    ]
    return arms.markdown(header, rows)


def _points(y: float, low: float, high: float) -> str:
    return f"{100 * y:+.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _by_problem(cells: Sequence[dict[str, Any]], kind: str) -> list[list[float]]:
    return [list(ys) for ys in zip(*(cell[kind] for cell in cells), strict=True)]


def draw(cells: Sequence[dict[str, Any]], file: Path) -> None:
    """Left: validation accuracy by training work, a line a seed. Right: test accuracy, once and with a search."""
    with style():
        figure, (left, right) = canvas(2, width=9.6, height=3.6)
        for number, name in enumerate(ARMS):
            mine = [cell for cell in cells if cell["arm"] == name]
            for at, cell in enumerate(mine):
                points = [(row["flops"] / 1e9, 100 * row["accuracy"]) for row in cell["rows"]]
                look = {**cycle(number).line(), "linewidth": 1.1, "markersize": 3.0}
                left.plot(*zip(*points, strict=True), **look, label=name if at == 0 else None)
            for cell in mine:
                ys = [100 * (arms.mean(cell[kind]) or 0.0) for kind in ("once", "searched")]
                right.plot((0, 1), ys, **{**cycle(number).line(), "linewidth": 1.1, "markersize": 3.0})
        left.set(xlabel="GFLOPs of training", ylabel="right on validation problems, %", title="training")
        right.set_xticks((0, 1), ("one answer", "tree search"))
        right.set(ylabel="right on test problems, %", title="after training")
        legend(figure, left, columns=4)
        png(figure, file)


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, seeds=5)
    parser.add_argument("--arms", default="", help=f"comma-separated, of: {', '.join(ARMS)}")
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--quick", dest="size", action="store_const", const="quick", help="the same as --size quick")
    arms.settable(parser)
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--budget", type=float, default=768.0, help="token-equivalents of a search on a test problem")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
