"""What learning from older weights costs and gains: staleness 0 to 8, three ways to weigh old tokens. See README.md.

    python -m recipes.staleness.measure --out runs/staleness [--seeds 5] [--size quick] [--arms clipped,truncated]

Every training learns from the same number of answers to the same problems; only the age of the weights that drew them
differs (`staleness.weights=fixed`: exactly k updates). A finished training is a file and is not made again. Written:
`results.json` and `results.md`, at the end.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from math import fsum
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, ClassVar, Literal

from ponder.api.machine import set_threads
from ponder.api.problems import ground_truth, load_families
from ponder.api.training.bare import Played, play_until
from ponder.config import load
from ponder.distributed.capacity.pipeline import Load, Service, Shape
from ponder.distributed.capacity.simulate import simulate
from ponder.engines.loop import run as run_async
from ponder.evaluation.suite import build_suite
from ponder.losses import LOSSES
from ponder.losses.loss import Loss, Terms, TokenRows
from ponder.selfplay import measure
from ponder.selfplay.config import Run
from recipes import arms


@LOSSES.register
class AgeIgnored(Loss):
    """The policy gradient of old tokens as if the present weights had drawn them; no run should use it."""

    kind: Literal["age_ignored"] = "age_ignored"
    compares: ClassVar[bool] = True  # it does not; a run would rightly refuse it

    def __call__(self, tokens: TokenRows) -> Terms:
        return Terms(-tokens.logprobs_N * tokens.advantages_N)


# How tokens of older weights mu are weighed. At staleness 0 all three are the same, so they share that training.
ARMS: dict[str, tuple[str, ...]] = {
    "clipped": ("loss.correction=none",),  # the ratio pi / mu, without gradient beyond 0.8 and 1.28
    "truncated": ("loss.correction=truncate",),  # min(pi_old / mu, 2) times the clipped ratio pi / pi_old
    "ignored": ("loss.kind=age_ignored",),  # 1
}
AGES = (0, 1, 2, 4, 8)
SIZES: dict[str, dict[str, int]] = {
    "full": {"rounds": 3, "updates": 8, "problems": 6, "test": 60},
    "quick": {"rounds": 1, "updates": 3, "problems": 3, "test": 4},
}
_GROUP = 8


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells: list[dict[str, Any]] = []
    for arm, age, seed in _plan(options):
        if options.finished and not _file(arm, age, seed, options).is_file():
            continue
        cells.append(_cell(arm, age, seed, options))
    table = said(cells)
    arms.leave(options, table, cells=cells)
    print(table)


def _plan(options: argparse.Namespace) -> list[tuple[str, int, int]]:
    """Arm, age and seed of every training, seed by seed; `ignored`, which no run should use, after all others."""
    found = [
        ("any" if age == 0 else name, age, seed)
        for last in (False, True)
        for seed in arms.seeds(options)
        for name in options.names
        for age in options.ages
        if (name == "ignored") is last
    ]
    return list(dict.fromkeys(found))


def _cell(arm: str, age: int, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One training and its test, made or read."""

    def work() -> dict[str, Any]:
        config = _config(arm, age, seed, options)
        began = time.process_time()
        played = play_until(config)
        spent = time.process_time() - began
        groups = [group for update in played.play.played for group in update]
        return {
            "arm": arm,
            "age": age,
            "seed": seed,
            "test": _tested(played, config, SIZES[options.size]["test"]),
            "updates": config.rounds * config.updates,
            "answers": config.rounds * config.updates * config.sampling.problems * config.sampling.group_size,
            "cpu_seconds": spent,
            "sampled_tokens": played.rows[-1]["sampled_tokens"],
            "lengths": [len(answer) for group in groups for answer in group.trajectories],  # of the last round
            "work": [row["work"] for row in played.rows[1:]],
            "metrics": [_kept(row["metrics"]) for row in played.rows[1:]],
        }

    return arms.once(_file(arm, age, seed, options), work, lambda found: f"{100 * _right(found):.1f} %")


def _file(arm: str, age: int, seed: int, options: argparse.Namespace) -> Path:
    found: Path = options.out / f"{arm}-{age}-{seed}.json"
    return found


def _config(arm: str, age: int, seed: int, options: argparse.Namespace) -> Run:
    size = SIZES[options.size]
    sizes = [f"rounds={size['rounds']}", f"updates={size['updates']}", f"sampling.problems={size['problems']}"]
    shared = [f"sampling.group_size={_GROUP}", "verifier.enabled=false", "evaluation.ladder=1", "parity.every=0"]
    how = [f"staleness.updates={age}", "staleness.weights=fixed", *ARMS.get(arm, ())]
    return load(Run, None, [f"seed={seed}", *sizes, *shared, *options.set, *how])


def _tested(played: Played, config: Run, problems: int) -> list[float]:
    """One answer to each test problem, the same problems for all; what could not be graded counts as wrong."""
    families = load_families(config.problems)
    suite = build_suite(families, problems, split="test", seed=0)
    with ground_truth(families) as truth:
        bench = measure.Bench(truth.grade, run_async, config.evaluation, config.sampling.max_tokens, config.seed)
        scores = measure.accuracy(bench, played.start.policy.propose, suite, temperature=1.0)
    return [tries[0] if tries else 0.0 for tries in scores.tries_P]


def _kept(metrics: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in metrics.items() if key.startswith(("staleness/", "loss/"))}


def said(cells: Sequence[dict[str, Any]]) -> str:
    """Accuracy by age and arm, the gain over staleness 0 seed by seed, and throughput, as Markdown."""
    fresh = {one["seed"]: one for one in cells if one["age"] == 0}
    rows = []
    for arm, age in sorted({(one["arm"], one["age"]) for one in cells}, key=lambda key: (key[1], key[0])):
        mine = [one for one in cells if (one["arm"], one["age"]) == (arm, age)]
        gains = [_right(one) - _right(fresh[one["seed"]]) for one in mine if one["seed"] in fresh]
        rows.append(
            [
                str(age),
                arm,
                str(len(mine)),
                arms.percent(arms.over_seeds([_right(one) for one in mine])),
                arms.percent(arms.over_seeds(gains), sign=True) if age else "",
                arms.number(_metric(mine, "loss/clip_fraction", 100.0), "{:.1f}") if age and arm == "clipped" else "",
                arms.number(_metric(mine, "loss/correction_cut", 100.0), "{:.2f}") if arm == "truncated" else "",
                arms.number(arms.mean([one["answers"] / one["cpu_seconds"] for one in mine]), "{:.1f}"),
                arms.number(_overlapped(list(fresh.values()), age), "{:.2f}"),
            ]
        )
    header = ["staleness", "old tokens are", "seeds", "test accuracy, %", "against staleness 0, seed by seed"]
    header += ["clipped, % of tokens", "cut at 2, % of tokens", "answers a CPU second", "times as fast, simulated"]
    return arms.markdown(header, rows)


def _right(cell: dict[str, Any]) -> float:
    return fsum(cell["test"]) / len(cell["test"])


def _metric(cells: Sequence[dict[str, Any]], name: str, scale: float) -> float | None:
    """The mean over updates and seeds."""
    found = arms.mean([row.get(name) for one in cells for row in one["metrics"]])
    return None if found is None else scale * found


def _overlapped(fresh: Sequence[dict[str, Any]], age: int) -> float | None:
    """How much faster an update is than at staleness 0 if engine and learner have a processor each: simulated.

    The service times are those of the trainings at staleness 0, where nothing else runs meanwhile.
    """
    if not fresh:
        return None
    parts = [work for one in fresh for work in one["work"]]
    drawn, learned = (fsum(part[name]["seconds"] for part in parts) for name in ("rollout", "update"))
    tokens, answers = (fsum(one[key] for one in fresh) for key in ("sampled_tokens", "answers"))
    lengths = [length for one in fresh for length in one["lengths"]]
    batch = round(fresh[0]["answers"] / fresh[0]["updates"])
    service = Service(0.0, drawn / tokens, batch, 0.0, 0.0, 0.0, 0.0, learned / tokens)
    load = Load(batch // _GROUP, _GROUP, 0.0, tokens / answers, pstdev(lengths) / fmean(lengths), max(lengths))
    alone, ahead = (simulate(service, load, Shape(1, 0, k), updates=12).step for k in (0, age))
    return alone / ahead


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, seeds=5)
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--arms", default="", help=f"comma-separated, of: {', '.join(ARMS)}")
    parser.add_argument("--ages", default=",".join(map(str, AGES)), help="updates of staleness, comma-separated")
    arms.settable(parser)
    parser.add_argument("--finished", action="store_true", help="train nothing: the table of what is there")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    options.names = arms.chosen(options.arms, list(ARMS))
    options.ages = [int(age) for age in options.ages.split(",")]
    return options


if __name__ == "__main__":
    main()
