"""Problems that the policy proposes against problems that a curriculum generates, for equal work. See README.md.

    python recipes/proposer/base.py --out build/proposer/base
    python -m recipes.proposer.measure --base build/proposer/base --out runs/proposer [--seeds 5] [--rounds 4]

For each seed the curriculum plays `--rounds` rounds; the proposer plays rounds until it has done as many floating-point
operations (its proposals included), so it may end up to one round above. Measured on test problems at the families' own
level, one and two levels up. A finished cell is a file and is not run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.policies import load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import paired_interval
from ponder.evaluation.suite import build_suite
from ponder.protocols import Levelled
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from ponder.selfplay.curriculum import Curriculum
from ponder.selfplay.loop import SelfPlay
from ponder.selfplay.proposer.make import source_of
from ponder.selfplay.roles import Generator, NoVerifier, policy_trainer
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
    config = Run.model_validate(
        {
            "model": str(options.base),
            "seed": seed,
            "rounds": options.rounds,
            "updates": options.updates,
            "source": {"kind": arm, **({"share": options.share} if arm == "proposer" else {})},
            "sampling": {"problems": options.problems},
            "trainer": {"learning_rate": options.rate},
            "verifier": {"enabled": False},
        }
    )
    families = load_families(FAMILIES)
    policy = load_policy(str(options.base))
    generator = Generator(policy_trainer(policy.model, config), policy.propose, policy.engine, policy.model)
    rest = Curriculum(families, seed=seed, **config.curriculum.model_dump())
    source = source_of(config.source, families, policy.propose, rest, seed=seed, other=lambda _: policy.propose)
    ladder = build_suite(families, 8, split="validation", seed=seed).problems
    with ground_truth(families) as truth:

        def measured(up: int) -> dict[str, list[float]]:
            some = [f.at_level(f.level + up) for f in families if isinstance(f, Levelled)]
            problems = draw_problems(some, "test", options.test, 0)
            seeded = derive_seed("test", seed, up)
            drawn = collect(problems, policy.propose, truth.grade, group_size=1, max_tokens=400, seed=seeded)
            found: dict[str, list[float]] = {}
            for group in run_async(drawn):
                found.setdefault(group.problem.family, []).append(group.solve_rate or 0.0)
            return found

        base = [measured(up) for up in UP] if arm == "curriculum" else []
        play = SelfPlay(config, generator, NoVerifier(), source, truth.grade, ladder, run_async, lambda *_: None)
        rows: list[dict[str, Any]] = []
        while len(rows) < options.rounds if work is None else play.ledger.flops < work:
            rows.append(play.play(len(rows)))
        return {
            "base": base,
            "final": [measured(up) for up in UP],
            "flops": play.ledger.flops,
            "rounds": [{"metrics": row["metrics"], "levels": row["levels"], "flops": row["flops"]} for row in rows],
        }


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
