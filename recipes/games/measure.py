"""Self-play of two-seat games from a base that knows the rules: how strong it gets. See README.md.

    python recipes/games/base.py --also arithmetic,cipher,countdown --out build/games/base
    python -m recipes.games.measure --out runs/games --base build/games/base

A seed is a training with `environment.kind=match`; a finished one is a file and is not run again. Before and after it
the policy also answers problems of `--transfer`, which no match has anything to do with (SPIRAL, arXiv 2506.24119).
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
from ponder.evaluation.intervals import paired_interval
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from recipes import arms

MEASURED = ("nim/against random", "nim/against perfect", "tictactoe/against random", "tictactoe/against perfect")
POKER = ("kuhn/against random", "kuhn/against perfect", "kuhn/exploitability", "kuhn/value")
ILLEGAL = ("nim/illegal", "tictactoe/illegal", "kuhn/illegal")


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells = [_cell(seed, options) for seed in arms.seeds(options)]
    arms.leave(options, said(cells, options.transfer), cells=cells)
    print(said(cells, options.transfer))


def _cell(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One seed, played or read: its rounds, and answers to other problems before and after."""

    def work() -> dict[str, Any]:
        games = ", ".join(f"'{game}'" for game in options.games.split(","))
        config = load(
            Run,
            None,
            [
                f"model={options.base}",
                f"seed={seed}",
                f"problems=[{games}]",
                "environment.kind=match",
                f"algorithm.kind={options.algorithm}",
                f"rounds={options.rounds}",
                f"updates={options.updates}",
                f"sampling.problems={options.problems}",
                f"sampling.group_size={options.matches}",
                "sampling.max_tokens=120",
                f"trainer.learning_rate={options.rate}",
                "verifier.enabled=false",
                f"evaluation.ladder={options.ladder}",
                "parity.every=0",
                *options.set,
            ],
        )
        before = _answers(load_policy(str(options.base)), seed, options)
        played = play_until(config)
        rows = [
            {"round": row["round"], "validation": row["validation"], "metrics": row["metrics"]} for row in played.rows
        ]
        after = _answers(played.start.policy, seed, options)
        return {"seed": seed, "rows": rows, "flops": played.flops, "before": before, "after": after}

    return arms.once(
        options.out / f"{options.algorithm}-{seed}.json", work, lambda found: str(found["rows"][-1]["validation"])
    )


def _answers(policy: Policy, seed: int, options: argparse.Namespace) -> list[float]:
    """One answer to each test problem of the families that are no games."""
    if not options.transfer:
        return []
    families = load_families(options.transfer)
    problems = draw_problems(families, "test", options.test, 0)
    with ground_truth(families) as truth:
        drawn = collect(
            problems, policy.propose, truth.grade, group_size=1, max_tokens=400, seed=derive_seed("test", seed)
        )
        known = {group.problem.id: group.solve_rate or 0.0 for group in run_async(drawn)}
    return [known.get(problem.id, 0.0) for problem in problems]


def said(cells: Sequence[dict[str, Any]], transfer: str) -> str:
    """One line a round, means over seeds: perfect moves by game, then what was measured against fixed opponents."""
    rounds = [cell["rows"] for cell in cells]
    names = [name for name in (*MEASURED, *POKER, *ILLEGAL) if any(name in row["metrics"] for row in rounds[0])]
    games = [name for name in rounds[0][-1]["validation"] if name != "mean"]
    first, last = rounds[0][0]["round"], rounds[0][-1]["round"]
    rows = []
    for at in range(len(rounds[0])):
        here = [some[at] for some in rounds]
        ends = here[0]["round"] in (first, last)
        shares = [[row["validation"].get(game) for row in here] for game in games]
        cells_of = [arms.percent(arms.over_seeds(some) if ends else arms.mean(some)) for some in shares]
        cells_of += [arms.number(arms.mean([row["metrics"].get(name) for row in here])) for name in names]
        rows.append(["base" if here[0]["round"] == first else str(here[0]["round"] + 1), *cells_of])
    table = arms.markdown(["round", *(f"{game}: perfect moves, %" for game in games), *names], rows)
    return table + _moved(cells, transfer)


def _moved(cells: Sequence[dict[str, Any]], transfer: str) -> str:
    """What matches did to problems that are no games."""
    if not transfer:
        return ""
    before, after = ([list(ys) for ys in zip(*(cell[at] for cell in cells), strict=True)] for at in ("before", "after"))
    gap = paired_interval(before, after)
    assert gap is not None
    told = "" if gap.low > 0 or gap.high < 0 else ", which is not told from 0"
    was = arms.percent(arms.mean([arms.mean(ys) for ys in before]))
    return (
        f"\nOn {transfer} (no game): {was} % before, {100 * gap.y:+.1f} points ({100 * gap.low:.1f} to "
        f"{100 * gap.high:.1f}) after the matches{told}.\n"
    )


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, out="runs/games", seeds=5)
    arms.settable(parser)
    parser.add_argument("--base", type=Path, default=Path("build/games/base"))
    parser.add_argument("--games", default="nim,tictactoe,kuhn")
    parser.add_argument("--algorithm", default="role_baseline")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--problems", type=int, default=24, help="starts of matches an update")
    parser.add_argument("--matches", type=int, default=4, help="matches from each start")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--ladder", type=int, default=60, help="validation positions a game")
    parser.add_argument("--transfer", default="arithmetic,cipher,countdown", help="empty: no other family is asked")
    parser.add_argument("--test", type=int, default=100, help="test problems of each of those")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
