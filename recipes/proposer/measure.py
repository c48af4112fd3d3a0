"""Problems that the policy proposes against problems that a curriculum generates, for equal work. See README.md.

    python recipes/proposer/base.py --out build/proposer/base
    python -m recipes.proposer.measure --base build/proposer/base --out runs/proposer [--seeds 5] [--rounds 4]

For each seed the curriculum plays `--rounds` rounds; the proposer plays rounds until it has done as many floating-point
operations (its proposals included), so it may end up to one round above. Measured on test problems at the families' own
level, one and two levels up. A finished cell is a file and is not run again.
"""

from __future__ import annotations

import argparse
import math
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
from ponder.protocols import Levelled
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from recipes import arms

FAMILIES = "arithmetic,cipher,countdown"
ARMS = ("curriculum", "proposer")
UP = (0, 1, 2)


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells: list[dict[str, Any]] = []
    for seed in arms.seeds(options):
        cells.append(_cell("curriculum", seed, None, options))
        cells.append(_cell("proposer", seed, cells[-1]["flops"], options))
    arms.leave(options, table(cells), cells=cells)
    print(table(cells))


def _cell(arm: str, seed: int, work: float | None, options: argparse.Namespace) -> dict[str, Any]:
    return arms.once(
        options.out / f"{arm}-{seed}.json",
        lambda: {"arm": arm, "seed": seed, **_play(arm, seed, work, options)},
        lambda found: str([round(_mean(_pooled([level])), 3) for level in found["final"]]),
    )


def _play(arm: str, seed: int, work: float | None, options: argparse.Namespace) -> dict[str, Any]:
    """Rounds of self-play with this source of problems; outcomes on test problems before and after."""
    share = f", share={options.share}" if arm == "proposer" else ""
    settings = [
        f"model={options.base}",
        f"seed={seed}",
        f"rounds={options.rounds * (1 if work is None else 4)}",
        f"updates={options.updates}",
        f"source={{kind='{arm}'{share}}}",
        f"sampling.problems={options.problems}",
        f"trainer.learning_rate={options.rate}",
        "verifier.enabled=false",
        "evaluation.ladder=8",
        "parity.every=0",
    ]
    base = [_measured(load_policy(str(options.base)), up, seed, options) for up in UP] if arm == "curriculum" else []
    played = play_until(load(Run, None, settings), flops=math.inf if work is None else work)
    return {
        "base": base,
        "final": [_measured(played.start.policy, up, seed, options) for up in UP],
        "flops": played.flops,
        "rounds": [{"metrics": row["metrics"], "flops": row["flops"]} for row in played.rows[1:]],
    }


def _measured(policy: Policy, up: int, seed: int, options: argparse.Namespace) -> dict[str, list[float]]:
    """Outcomes on test problems `up` levels above the families' own, by family."""
    some = [f.at_level(f.level + up) for f in load_families(FAMILIES) if isinstance(f, Levelled)]
    problems = draw_problems(some, "test", options.test, 0)
    with ground_truth(some) as truth:
        seeded = derive_seed("test", seed, up)
        drawn = collect(problems, policy.propose, truth.grade, group_size=1, max_tokens=400, seed=seeded)
        known = {group.problem.id: group.solve_rate or 0.0 for group in run_async(drawn)}
    found: dict[str, list[float]] = {}
    for problem in problems:
        found.setdefault(problem.family, []).append(known.get(problem.id, 0.0))
    return found


def table(cells: Sequence[dict[str, Any]]) -> str:
    """By level: accuracy over seeds, and the difference on the same problems with its interval over problems.

    Below: what became of the proposals, from the first round to the last.
    """
    rows = []
    for at, up in enumerate(UP):
        found = {arm: [c["final"][at] for c in cells if c["arm"] == arm] for arm in ARMS}
        base = [c["base"][at] for c in cells if c["arm"] == "curriculum"]
        gap = paired_interval(_pooled(found["curriculum"]), _pooled(found["proposer"]))
        assert gap is not None
        shares = [[_mean(_pooled([one])) for one in some] for some in (base, *found.values())]
        told = "" if gap.low > 0 or gap.high < 0 else " (not told from 0)"
        difference = f"{100 * gap.y:+.1f} ({100 * gap.low:.1f} to {100 * gap.high:.1f}){told}"
        rows.append([f"+{up}", *(arms.percent(arms.over_seeds(some)) for some in shares), difference])
    work = {arm: sum(c["flops"] for c in cells if c["arm"] == arm) for arm in ARMS}
    header = ["level", "base, %", "curriculum, %", "proposer, %", "proposer less curriculum"]
    return (
        f"{arms.markdown(header, rows)}\nWork of the proposer over the curriculum's: "
        f"{work['proposer'] / work['curriculum']:.3f}.\n\n{_proposals(cells)}"
    )


def _proposals(cells: Sequence[dict[str, Any]]) -> str:
    """One line a round: shares of proposals, pay and the solver's rate, means over seeds that came so far."""
    played = [c["rounds"] for c in cells if c["arm"] == "proposer"]
    names = ("solvable", "unparsable", "duplicate", "held_out", "unsolvable", "pay", "rate", "levels")
    rows = []
    for at in range(max(map(len, played), default=0)):
        here = [some[at]["metrics"] for some in played if at < len(some)]
        found = [arms.mean([one.get(f"proposer/{name}") for one in here]) for name in names]
        rows.append([str(at + 1), *(arms.number(value, "{:.2f}") for value in found)])
    return arms.markdown(["round", *names], rows)


def _pooled(found: Sequence[dict[str, list[float]]]) -> list[list[float]]:
    """A list for each test problem: its outcomes over seeds."""
    return [list(ys) for family in found[0] for ys in zip(*(one[family] for one in found), strict=True)]


def _mean(values: Sequence[Sequence[float]]) -> float:
    flat = [value for some in values for value in some]
    return sum(flat) / len(flat)


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, out="runs/proposer", seeds=5)
    parser.add_argument("--base", type=Path, default=Path("build/proposer/base"))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--updates", type=int, default=3)
    parser.add_argument("--problems", type=int, default=24)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--test", type=int, default=100, help="test problems a family and level")
    parser.add_argument("--rate", type=float, default=3e-4)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
