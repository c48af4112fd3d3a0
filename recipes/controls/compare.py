"""What a true reward is worth: the same run with rewards that know nothing, and with no reinforcement learning at all.

    python -m recipes.controls.compare --out runs/controls [--size small] [--arms outcome,...] [--seeds 5]

Every arm spends the floating-point work of the arm `outcome` of the same seed, sampling included. A finished arm is a
file and is not run again. Accuracy is of test problems, one answer each at temperature 1; the base at its best
temperature chooses that on validation problems. pass@k is of other test problems, for the arms of `--pass` and their
first `--pass-seeds` seeds. `--rate` and `--imitation-rate` are learning rates of the two kinds of arms.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.api.training.bare import play_until
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.evaluation.metrics import pass_at_k
from ponder.learning.policy import PolicyTrainer
from ponder.losses.cloning import Cloning
from ponder.protocols import Family
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.selfplay import control
from ponder.selfplay.config import Run
from ponder.selfplay.measure import TEMPERATURES
from ponder.types import Problem
from recipes import arms

ARMS: dict[str, tuple[str, ...]] = {
    "outcome": (),
    "random reward": ("rewards=[{kind='random'}]",),
    "majority vote": ("rewards=[{kind='majority'}]",),
    "format alone": ("rewards=[{kind='format', weight=1.0}]",),
    "rejection sampling": ("algorithm.kind=rejection", "loss.kind=cloning"),
    "cloning": (),
    "base": (),
    "base at its best temperature": (),
}
KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
IMITATION = ("rejection sampling", "cloning")


@dataclass(frozen=True)
class Size:
    """`rounds` of `updates` on `problems` problems; `test` problems a family, and `few` of them for pass@k."""

    rounds: int
    updates: int
    problems: int
    test: int
    few: int


SIZES = {"full": Size(6, 4, 36, 300, 30), "small": Size(4, 2, 24, 100, 20), "quick": Size(3, 2, 9, 40, 4)}


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells: list[dict[str, Any]] = []
    for seed in arms.seeds(options):
        budget = _cell("outcome", seed, options, None)["flops"]
        for name in dict.fromkeys(("outcome", *options.names)):
            cells.append(_cell(name, seed, options, budget))
            rows = table(cells)
            arms.leave(options, said(rows), arms=rows)
    print(said(table(cells)))


def _cell(name: str, seed: int, options: argparse.Namespace, budget: float | None) -> dict[str, Any]:
    """One arm with one seed, played or read."""

    def work() -> dict[str, Any]:
        config = _config(name, seed, options, longer=budget is not None)
        families = load_families(config.problems)
        found: dict[str, Any] = {"arm": name, "seed": seed}
        if name.startswith("base"):
            policy = load_policy(config.model)
            found |= {"flops": 0.0}
        elif name == "cloning":
            policy, flops = _cloned(config, families, budget or 0.0, options.imitation_rate)
            found |= {"flops": flops}
        else:
            played = play_until(config) if budget is None else play_until(config, flops=budget)
            policy = played.start.policy
            found |= {"flops": played.flops, "rewards": [_paid(row) for row in played.rows[1:]]}
        return {**found, **_measured(policy, families, name, seed, options)}

    stem = f"{name.replace(' ', '_').replace(',', '')}-{seed}"
    return arms.once(options.out / f"{stem}.json", work, lambda found: f"{_mean(found['test']):.3f}")


def _config(name: str, seed: int, options: argparse.Namespace, *, longer: bool) -> Run:
    size = SIZES[options.size]
    rate = options.imitation_rate if name in IMITATION else options.rate
    sizes = [
        f"rounds={size.rounds * (40 if longer else 1)}",
        f"updates={size.updates}",
        f"sampling.problems={size.problems}",
        f"trainer.learning_rate={rate}",
    ]
    # No arm asks a verifier.
    quiet = ["verifier.enabled=false", "evaluation.ladder=2"]
    return load(Run, None, [f"seed={seed}", *sizes, *quiet, *ARMS[name]])


def _paid(row: dict[str, Any]) -> dict[str, float]:
    """Solve rate and mean reward of a round: a vote that rises alone is the trap."""
    rates = list(row["solve_rate"].values())
    paid = {name: value for name, value in row["metrics"].items() if name.startswith("reward/")}
    return {"solve_rate": sum(rates) / len(rates) if rates else 0.0, **paid}


def _cloned(config: Run, families: Sequence[Family], flops: float, rate: float) -> tuple[Policy, float]:
    """The base, taught by careful demonstrations for this much work."""
    policy = load_policy(config.model)
    settings = config.trainer.model_copy(update={"learning_rate": rate})
    trainer = PolicyTrainer(policy.model, settings, Cloning(), seed=config.seed)
    report = control.clone(
        trainer,
        policy.codec,
        families,
        flops=flops,
        settings=config.control,
        seed=derive_seed("control", config.seed) % 2**31,
        tell=lambda *_: None,
    )
    policy.engine.replace_weights(trainer.weights(), policy.engine.version + 1)
    return policy, report.flops


def _measured(
    policy: Policy, families: Sequence[Family], name: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Test outcomes one by one; for arms in `--pass` the number of right ones among 256 answers a problem."""
    size, temperature = SIZES[options.size], 1.0
    with ground_truth(families) as truth:

        def outcomes(problems: list[Problem], size: int, at: float, draw: str) -> list[list[float]]:
            groups = run_async(
                collect(
                    problems,
                    policy.at(at),
                    truth.grade,
                    group_size=size,
                    max_tokens=400,
                    seed=derive_seed(draw, seed),
                )
            )
            return [[outcome for _, outcome in group.judged] for group in groups]

        if name == "base at its best temperature":
            tried = draw_problems(families, "validation", max(8, size.test // 3), 0)
            scores = {t: _mean(_flat(outcomes(tried, 1, t, "tune"))) for t in (*TEMPERATURES, 1.0)}
            temperature = max(scores, key=lambda t: scores[t])
        problems = draw_problems(families, "test", size.test, 0)
        found: dict[str, Any] = {
            "temperature": temperature,
            "test": _flat(outcomes(problems, 1, temperature, "test")),
        }
        if name in options.passes and seed - options.first_seed < options.pass_seeds:
            pool = outcomes(draw_problems(families, "test", size.few, 1), max(KS), 1.0, "pass")
            found["right_of_256"] = [[sum(tries), len(tries)] for tries in pool]
    return found


def table(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row an arm: accuracy and its gain over the base, with intervals over seeds; and pass@k."""
    base = {cell["seed"]: _mean(cell["test"]) for cell in cells if cell["arm"] == "base"}
    rows = []
    for name in dict.fromkeys(cell["arm"] for cell in cells):
        mine = [cell for cell in cells if cell["arm"] == name]
        counts = [pair for cell in mine for pair in cell.get("right_of_256", [])]
        gains = [_mean(cell["test"]) - base[cell["seed"]] for cell in mine if cell["seed"] in base]
        rows.append(
            {
                "arm": name,
                "seeds": [_mean(cell["test"]) for cell in mine],
                "gains": gains,
                "temperature": mine[0]["temperature"],
                "pass_at_k": {k: _mean([pass_at_k(n, int(c), k) or 0.0 for c, n in counts]) for k in KS if counts},
                "rewards": mine[-1].get("rewards"),
            }
        )
    return rows


def said(rows: list[dict[str, Any]]) -> str:
    """Both tables as Markdown."""
    lines = []
    for row in rows:
        paid = row["rewards"] or []
        kind = next((name for name in (paid[0] if paid else {}) if name.startswith("reward/")), "")
        shown = f"{paid[0][kind]:.2f} to {paid[-1][kind]:.2f}" if kind else "-"
        gain = "" if row["arm"] == "base" else arms.percent(arms.over_seeds(row["gains"]), sign=True)
        accuracy = arms.percent(arms.over_seeds(row["seeds"]))
        lines.append([f"{row['arm']} (T {row['temperature']:g})", str(len(row["seeds"])), accuracy, gain, shown])
    text = arms.markdown(
        ["arm", "seeds", "test accuracy, %", "over the base, same seed", "reward, first to last round"], lines
    )
    known = [row for row in rows if row["pass_at_k"]]
    if known:
        cells = [[row["arm"], *(f"{100 * row['pass_at_k'][k]:.1f}" for k in KS)] for row in known]
        text += "\n" + arms.markdown(["pass@k", *map(str, KS)], cells)
    return text


def _flat(tries: Sequence[Sequence[float]]) -> list[float]:
    return [outcome for some in tries for outcome in some]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, seeds=5)
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--arms", default="", help=f"comma-separated, of: {'; '.join(ARMS)}")
    parser.add_argument("--rate", type=float, default=3e-4, help="learning rate of reinforcement learning")
    parser.add_argument("--imitation-rate", type=float, default=3e-4, help="that of rejection sampling and cloning")
    parser.add_argument("--pass", dest="passes", default="base,outcome", help="arms whose pass@k to 256 is measured")
    parser.add_argument("--pass-seeds", type=int, default=2, help="with how many of the seeds")
    options = parser.parse_args()
    options.names = arms.chosen(options.arms, list(ARMS))
    options.passes = arms.chosen(options.passes, list(ARMS))
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
