"""Cloning, RLHF and self-play at equal floating-point work: one table and one picture. See README.md.

    python -m recipes.three_ways.compare --out runs/three_ways                  # 5 arms, 5 seeds
    python -m recipes.three_ways.compare --out runs/three_ways --size small     # 20 updates of 12 problems

Every arm starts from the same base and spends what `self-play` of the same seed spends: sampling, the training of the
reward model, its scores and the updates. A finished arm is a file and is not run again.
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
from ponder.api.training.bare import mean_of, play_until
from ponder.api.training.presets import PRESETS
from ponder.api.training.stage import Start, curriculum
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import paired_interval
from ponder.evaluation.suite import build_suite
from ponder.learning.policy import PolicyTrainer
from ponder.losses.cloning import Cloning
from ponder.protocols import Grade
from ponder.reports.plot_style import canvas, cycle, legend, png, style
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.selfplay import control
from ponder.selfplay.accounts import Meter
from ponder.selfplay.config import Run
from ponder.selfplay.report import rates
from ponder.types import Problem
from recipes import arms
from recipes.three_ways.annotator import Annotator, RewardModel, compared

# The reward model pays; what its role labels on the side is next to nothing, for it learns no more.
_LIKED = (
    "rewards=[{kind='process', shape='score', weight=1.0}, {kind='kl', weight=0.005}]",
    "coupling.labels=outcomes",
    "verifier.groups=1",
    "verifier.rollouts=1",
    "verifier.most_steps=1",
)
# Name of the arm -> what it changes in the run. The first one fixes the work of all.
ARMS: dict[str, tuple[str, ...]] = {
    "self-play": ("verifier.enabled=false",),
    "own right answers": (
        "verifier.enabled=false",
        "algorithm.kind=rejection",
        "algorithm.most=4",
        "loss.kind=cloning",
    ),
    "RLHF": _LIKED,
    "RLHF with PPO": (*_LIKED, *PRESETS["ppo"].settings, "critic.warmup=2"),
    "cloning": ("verifier.enabled=false", "control.batch=64"),
}
RLHF = ("RLHF", "RLHF with PPO")
LEARNS_FROM = {
    "self-play": "verdicts on its own answers, right and wrong",
    "own right answers": "its own right answers",
    "RLHF": "comparisons by the annotator",
    "RLHF with PPO": "comparisons by the annotator, with a critic",
    "cloning": "demonstrations",
}
# Rounds, updates, problems an update, validation problems a family, test problems a family, compared problems.
SIZES = {
    "full": (8, 4, 36, 64, 300, 240),
    "small": (10, 2, 12, 16, 60, 96),
    "quick": (3, 2, 12, 8, 40, 48),
    "touch": (1, 1, 6, 4, 8, 6),  # does it run, on a model that is slow
}
COMPARED = (4, 3)  # answers to each compared problem, and pairs of them


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells: list[dict[str, Any]] = []
    for seed in arms.seeds(options):
        budget = _cell("self-play", seed, options, None)["flops"]
        for name in arms.chosen(options.arms, list(ARMS)):
            cells.append(_cell(name, seed, options, budget))
    arms.leave(options, said(cells), cells=cells)
    draw(cells, options.out / "three_ways.png")
    print(said(cells))


def _cell(name: str, seed: int, options: argparse.Namespace, budget: float | None) -> dict[str, Any]:
    """One arm with one seed, trained or read."""
    return arms.once(
        options.out / f"{name.replace(' ', '_')}-{seed}.json",
        lambda: {"arm": name, "seed": seed, **_work(name, seed, options, budget)},
        lambda found: f"{found['rows'][0]['accuracy']:.3f} -> {found['rows'][-1]['accuracy']:.3f}",
    )


def _work(name: str, seed: int, options: argparse.Namespace, budget: float | None) -> dict[str, Any]:
    config = _config(name, seed, options, longer=budget is not None)
    families = load_families(config.problems)
    found: dict[str, Any] = {}
    with ground_truth(families) as truth:
        if name == "cloning":
            policy, found = _cloned(config, truth.grade, budget or 0.0)
        else:
            judge = Judged(config, truth.grade, options, seed) if name in RLHF else None
            before = 0.0 if judge is None else judge.flops
            left = (math.inf if budget is None else budget) - before
            played = play_until(config, flops=left, verifier=None if judge is None else judge.role)
            policy = played.start.policy
            found = {"rows": [_row(row, before) for row in played.rows], "labels": _labels(config, played.rows)}
            if judge is not None:
                found |= {"reward_model": judge.report, "labels": judge.report["comparisons"]}
        problems = draw_problems(families, "test", SIZES[options.size][4], 0)
        found["test"] = _answers(policy, problems, truth.grade, derive_seed("test", seed))
    return {**found, "flops": found["rows"][-1]["flops"]}


class Judged:
    """The reward model of a seed: comparisons of the base's answers are drawn and learned from before the run."""

    def __init__(self, config: Run, grade: Grade, options: argparse.Namespace, seed: int) -> None:
        policy = load_policy(config.model)
        answers, pairs = COMPARED
        meter = Meter(policy.engine, policy.model.config)
        problems = curriculum(config, load_families(config.problems)).next(SIZES[options.size][5])
        drawn = collect(
            problems,
            policy.propose,
            grade,
            group_size=answers,
            max_tokens=config.sampling.max_tokens,
            seed=derive_seed("compared", seed),
        )
        comparisons = compared(run_async(drawn), Annotator(options.length_bias, options.noise), pairs, seed)
        sampling = meter.take().flops
        self.model = RewardModel(policy, config.verifier.depth, seed)
        self.report = self.model.fit(comparisons, rate=1e-3, epochs=2, seed=seed)
        self.flops = sampling + self.report["flops"]

    def role(self, start: Start) -> RewardModel:
        """It reads the same prompts as the run's policy, whose tokenizer it shares."""
        return self.model


def _config(name: str, seed: int, options: argparse.Namespace, *, longer: bool) -> Run:
    rounds, updates, problems, ladder, _, _ = SIZES[options.size]
    sizes = [f"rounds={rounds * (40 if longer else 1)}", f"updates={updates}", f"sampling.problems={problems}"]
    rate = [] if name == "cloning" else [f"trainer.learning_rate={options.rate}"]
    quiet = [f"evaluation.ladder={ladder}", "parity.every=0"]
    return load(Run, None, [f"seed={seed}", *sizes, *rate, *quiet, *options.set, *ARMS[name]])


def _row(row: dict[str, Any], before: float) -> dict[str, Any]:
    """A point of the curve. `proxy` is the reward model's mean score of the answers whose accuracy this is."""
    accuracy, agreed = mean_of(row), row.get("agreement") or {}
    gap, metrics = agreed.get("gap"), row.get("metrics", {})
    return {
        "flops": row["flops"] + before,
        "accuracy": accuracy,
        "proxy": None if gap is None or accuracy is None else accuracy + gap,
        "tokens": arms.mean(list((row.get("tokens") or {}).values())),
        "kl": metrics.get("reward/kl"),
    }


def _labels(config: Run, rows: Sequence[dict[str, Any]]) -> int:
    """Answers that were judged in training."""
    return (len(rows) - 1) * config.updates * config.sampling.problems * config.sampling.group_size


def _cloned(config: Run, grade: Grade, flops: float) -> tuple[Policy, dict[str, Any]]:
    """The base, taught by demonstrations for this much work; measured as often as the other arms."""
    policy, families = load_policy(config.model), load_families(config.problems)
    ladder = build_suite(families, config.evaluation.ladder, split="validation", seed=config.seed).problems
    settings = config.trainer.model_copy(update={"learning_rate": config.control.learning_rate})
    trainer = PolicyTrainer(policy.model, settings, Cloning(), seed=config.seed)
    parts = 5
    rows = [{"flops": 0.0, "accuracy": _accuracy(policy, ladder, grade, config)}]
    shown = 0
    for part in range(parts):
        report = control.clone(
            trainer,
            policy.codec,
            families,
            flops=flops / parts,
            settings=config.control,
            seed=derive_seed("control", config.seed, part) % 2**31,
            tell=lambda *_: None,
        )
        policy.engine.replace_weights(trainer.weights(), policy.engine.version + 1)
        shown += report.steps * config.control.batch
        rows.append({"flops": rows[-1]["flops"] + report.flops, "accuracy": _accuracy(policy, ladder, grade, config)})
    return policy, {"rows": rows, "labels": shown}


def _accuracy(policy: Policy, problems: Sequence[Problem], grade: Grade, config: Run) -> float:
    """Two answers to each validation problem, drawn as the ladder of a run is."""
    drawn = collect(
        problems, policy.propose, grade, group_size=2, max_tokens=400, seed=derive_seed("ladder", config.seed)
    )
    by_family = rates(run_async(drawn))
    return sum(by_family.values()) / len(by_family)


def _answers(policy: Policy, problems: Sequence[Problem], grade: Grade, seed: int) -> list[float]:
    """One answer to each test problem at temperature 1; what could not be graded counts as wrong."""
    groups = run_async(collect(problems, policy.propose, grade, group_size=1, max_tokens=400, seed=seed))
    known = {group.problem.id: group.solve_rate or 0.0 for group in groups}
    return [known.get(problem.id, 0.0) for problem in problems]


def said(cells: Sequence[dict[str, Any]]) -> str:
    """The table: test accuracy over seeds, the difference to self-play on the same problems, and what it took."""
    by_arm = {name: [cell for cell in cells if cell["arm"] == name] for name in ARMS}
    reference = _by_problem(by_arm["self-play"])
    rows = []
    for name, mine in by_arm.items():
        if not mine:
            continue
        gap = None if name == "self-play" else paired_interval(reference, _by_problem(mine))
        shown = "" if gap is None else f"{100 * gap.y:+.1f} ({100 * gap.low:.1f} to {100 * gap.high:.1f})"
        first, last = (arms.mean([cell["rows"][at]["accuracy"] for cell in mine]) for at in (0, -1))
        best = arms.mean([max(row["accuracy"] for row in cell["rows"]) for cell in mine])
        rows.append(
            [
                name,
                LEARNS_FROM[name],
                arms.percent(arms.over_seeds([arms.mean(cell["test"]) for cell in mine])),
                shown,
                " / ".join(arms.percent(found) for found in (first, best, last)),
                f"{arms.mean([float(cell['labels']) for cell in mine]) or 0:.0f}",
                f"{arms.mean([cell['flops'] for cell in mine]) or 0:.3g}",
            ]
        )
    header = [
        "arm",
        "learns from",
        "test accuracy (over seeds)",
        "less self-play (over problems)",
        "validation: start / best / end",
        "labels",
        "FLOPs",
    ]
    return arms.markdown(header, rows) + _said_of_rewards(by_arm["RLHF"])


def _said_of_rewards(cells: Sequence[dict[str, Any]]) -> str:
    """How good the reward model was, and what became of reward and truth."""
    if not cells:
        return ""
    names = ("annotator_with_truth", "agrees_with_annotator", "agrees_with_truth")
    model = [arms.percent(arms.mean([cell["reward_model"][name] for cell in cells])) for name in names]
    first, last = ([c["rows"][at] for c in cells] for at in (1, -1))
    moved = [
        f"{what} {arms.percent(arms.over_seeds([row[key] for row in first]))} to "
        f"{arms.percent(arms.over_seeds([row[key] for row in last]))}"
        for what, key in (("its mean score", "proxy"), ("accuracy", "accuracy"))
    ]
    return (
        f"\nOf comparisons in which one answer is right, the annotator orders {model[0]} % rightly. On problems that "
        f"it did not learn from the reward model agrees with the annotator in {model[1]} % and with truth in "
        f"{model[2]} %. From the first round of RLHF to the last, on validation problems: {' and '.join(moved)} %.\n"
    )


def _by_problem(cells: Sequence[dict[str, Any]]) -> list[list[float]]:
    """A list for each test problem: its outcomes over seeds."""
    return [list(ys) for ys in zip(*(cell["test"] for cell in cells), strict=True)]


def draw(cells: Sequence[dict[str, Any]], file: Path) -> None:
    """Left: accuracy by work, a line a seed. Right: what the reward model says of RLHF's answers, and the truth."""
    with style():
        figure, (left, right) = canvas(2, width=9.6, height=3.6)
        for number, name in enumerate(ARMS):
            for at, cell in enumerate(cell for cell in cells if cell["arm"] == name):
                points = [(row["flops"] / 1e9, 100 * row["accuracy"]) for row in cell["rows"]]
                look = {**cycle(number).line(), "linewidth": 1.1, "markersize": 3.0}
                left.plot(*zip(*points, strict=True), **look, label=name if at == 0 else None)
        for at, cell in enumerate(cell for cell in cells if cell["arm"] == "RLHF"):
            known = [row for row in cell["rows"] if row["proxy"] is not None]
            for number, (key, label) in enumerate((("proxy", "reward model's score"), ("accuracy", "right answers"))):
                points = [(row["flops"] / 1e9, 100 * row[key]) for row in known]
                look = {**cycle(4 + number).line(), "linewidth": 1.1, "markersize": 3.0}
                right.plot(*zip(*points, strict=True), **look, label=label if at == 0 else None)
        left.set(xlabel="GFLOPs of training", ylabel="right on validation problems, %", title="three ways")
        right.set(xlabel="GFLOPs of training", ylabel="%", title="RLHF: reward and truth")
        right.legend(loc="best")
        legend(figure, left, columns=4)
        png(figure, file)


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, seeds=5)
    parser.add_argument("--arms", default="", help=f"comma-separated, of: {', '.join(ARMS)}")
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--quick", dest="size", action="store_const", const="quick", help="the same as --size quick")
    arms.settable(parser)
    parser.add_argument("--rate", type=float, default=6e-4, help="learning rate of all arms but cloning")
    parser.add_argument("--length-bias", type=float, default=0.5, help="how much the annotator likes 100 more tokens")
    parser.add_argument("--noise", type=float, default=0.5)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
