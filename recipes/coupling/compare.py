"""Does the verifier in the reward help the policy, and does the policy's growth help the verifier? See README.md.

    python -m recipes.coupling.compare --out runs/coupling [--size small] [--arms outcome,score,...] [--seeds 5]

Every arm spends the floating-point work of the arm `outcome` of the same seed, labels, scores and searches included. A
finished arm is a file and is not run again. Written: one JSON file an arm and seed, `results.json`, `results.md`.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.problems import load_families
from ponder.api.training.bare import Played, at_work, mean_of, play_until
from ponder.config import load
from ponder.evaluation.audit.calibration import auc
from ponder.evaluation.suite import build_suite
from ponder.rollout import store
from ponder.selfplay.config import Run
from ponder.selfplay.presets.methods import METHODS
from ponder.types import Question, Step, StopReason, Trajectory
from recipes import arms

ARMS: dict[str, tuple[str, ...]] = {
    "outcome": (),
    # The same reward without a verifier, whose labels and updates cost what more updates of the policy would.
    "no verifier": ("verifier.enabled=false",),
    "difference": ("coupling.kind=both", "coupling.shape=difference"),
    "score": ("coupling.kind=both", "coupling.shape=score"),
    "minimum": ("coupling.kind=both", "coupling.shape=minimum"),
    "verifier alone": METHODS["process_only"][2],
    "prime": ("algorithm.kind=prime",),
    "rest_mcts": METHODS["rest_mcts"][2],
    "unified": METHODS["unified"][2],
    # The policy stands still, so that what the verifier gains from a growing one can be told apart.
    "frozen policy": ("trainer.learning_rate=1e-12",),
}


@dataclass(frozen=True)
class Size:
    """`rounds` of `updates` on `problems` problems with `group` answers; `ladder` validation problems a family.

    `labelled` groups of a round get rollout labels; the verifier learns from the outcomes of all.
    """

    rounds: int
    updates: int
    problems: int
    group: int
    ladder: int
    labelled: int
    families: str = "arithmetic,cipher,countdown"


SIZES = {
    "full": Size(6, 4, 36, 8, 64, 36),
    # Harder problems and small groups: the outcome alone says something about half of the groups only, so that there is
    # something for a verifier to add.
    "small": Size(5, 3, 24, 4, 32, 8, "arithmetic?terms=10,cipher?words=5,countdown?numbers=4"),
    "quick": Size(3, 2, 9, 4, 12, 9),
}


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells: list[dict[str, Any]] = []
    if options.finished:
        cells = finished(options)
        arms.leave(options, said(table(cells)), arms=[_data(row) for row in table(cells)])
    for seed in () if options.finished else arms.seeds(options):
        reference = cell("outcome", seed, options, None)
        for name in dict.fromkeys(("outcome", *options.names)):
            cells.append(reference if name == "outcome" else cell(name, seed, options, reference["budget"]))
            rows = table(cells)
            arms.leave(options, said(rows), arms=[_data(row) for row in rows])
    print(said(table(cells)))


def finished(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What is there of the chosen arms and seeds; nothing is trained."""
    places = [options.out / f"{_stem(name, seed)}.json" for name in options.names for seed in arms.seeds(options)]
    return [json.loads(place.read_text(encoding="utf-8")) for place in places if place.is_file()]


def _stem(name: str, seed: int) -> str:
    return f"{name.replace(' ', '_')}-{seed}"


def config(name: str, seed: int, options: argparse.Namespace, *, longer: bool) -> Run:
    """The settings of an arm. One whose rounds are cheap gets as many as the work of the reference buys."""
    size = SIZES[options.size]
    sizes = [
        f"problems={size.families.split(',')}",
        f"rounds={size.rounds * (40 if longer else 1)}",
        f"updates={size.updates}",
        f"sampling.problems={size.problems}",
        f"sampling.group_size={size.group}",
        f"verifier.groups={size.labelled}",
        f"evaluation.ladder={size.ladder}",
    ]
    return load(Run, None, [f"seed={seed}", *sizes, *options.set, *ARMS[name]])


def cell(name: str, seed: int, options: argparse.Namespace, budget: float | None) -> dict[str, Any]:
    """One arm with one seed, played or read. The reference has no budget; all verifiers judge its answers."""
    out: Path = options.out

    def work() -> dict[str, Any]:
        made = config(name, seed, options, longer=budget is not None)
        played = play_until(made) if budget is None else play_until(made, flops=budget)
        if budget is None:
            for which, ladder in (("first", played.ladders[0]), ("last", played.ladders[-1])):
                store.write(out / f"reference-{seed}-{which}.parquet", [ladder])
        until = played.flops if budget is None else budget
        rows = [_row(row) for row in played.rows]
        last = rows[-1]["agreement"] or {}
        return {
            "arm": name,
            "seed": seed,
            "budget": until,
            "rows": rows,
            "first": mean_of(rows[0]),
            "final": at_work(rows, until),
            "course": course(rows, until),
            "only_verifier": last.get("only_verifier"),
            "verifier": judged(played, made, out, seed),
        }

    return arms.once(
        out / f"{_stem(name, seed)}.json", work, lambda found: f"{found['first']:.3f} -> {found['final']:.3f}"
    )


def _row(row: dict[str, Any]) -> dict[str, Any]:
    mixed = row.get("dead_groups")
    kept = {key: row.get(key) for key in ("flops", "validation", "agreement", "entropy", "updates")}
    paid = {k: v for k, v in (row.get("metrics") or {}).items() if k.startswith(("reward/", "verifier/"))}
    return {**kept, "live": None if mixed is None else 1.0 - mixed, "metrics": paid}


def course(rows: list[dict[str, Any]], until: float) -> float | None:
    """The mean accuracy over the work from 0 to `until`: less noisy than its end, and it sees who is earlier there."""
    stops = [*(row["flops"] for row in rows if row["flops"] < until), until]
    known = [(x, at_work(rows, x)) for x in stops]
    pairs = list(itertools.pairwise((x, y) for x, y in known if y is not None))
    return sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairs) / until if pairs else None


def judged(played: Played, made: Run, out: Path, seed: int) -> dict[str, float | None]:
    """AUC of an arm's final verifier on the reference's validation answers before its training and after it.

    The same answers for all arms of a seed, and none of them was trained on.
    """
    if not made.verifier.enabled:
        return {"first": None, "last": None}
    problems = build_suite(load_families(made.problems), made.evaluation.ladder, split="validation", seed=seed).problems
    questions = {problem.id: problem.question for problem in problems}
    found: dict[str, float | None] = {}
    for which in ("first", "last"):
        answers = stored(out / f"reference-{seed}-{which}.parquet", questions)
        verdicts = played.play.verifier.score([trajectory for trajectory, _ in answers])
        scores = [verdict.score if verdict.score is not None else 0.5 for verdict in verdicts]
        found[which] = auc(scores, [outcome for _, outcome in answers])
    return found


def stored(file: Path, questions: dict[str, Question]) -> list[tuple[Trajectory, float]]:
    """Judged answers of a trajectory file, as a verifier reads them."""
    found = []
    for row in store.read(file):
        if row["outcome"] is None:
            continue
        leaf, start = None, 0
        last = len(row["steps"]) - 1
        for at, (text, length, forced) in enumerate(zip(row["steps"], row["step_lengths"], row["forced"], strict=True)):
            end = start + length
            tokens, logprobs = tuple(row["tokens"][start:end]), tuple(row["logprobs"][start:end])
            stop = StopReason(row["stop"]) if at == last else StopReason.STEP
            leaf, start = Step(tokens, logprobs, text, row["version"], stop, leaf, forced), end
        if leaf is not None:
            found.append((Trajectory(questions[row["problem"]], leaf), float(row["outcome"])))
    return found


@dataclass(frozen=True)
class Row:
    """An arm over its seeds. `gain`, `earlier` and `as_many` (after as many rounds) are against the reference."""

    arm: str
    seeds: int
    final: arms.Mean | None
    gain: arms.Mean | None
    earlier: arms.Mean | None
    as_many: arms.Mean | None
    updates: float | None
    only_verifier: float | None
    first: arms.Mean | None
    last: arms.Mean | None
    seconds: float | None


def table(cells: Sequence[dict[str, Any]]) -> list[Row]:
    reference = {one["seed"]: one for one in cells if one["arm"] == "outcome"}
    rows = []
    for name in dict.fromkeys(one["arm"] for one in cells):
        mine = [one for one in cells if one["arm"] == name]

        def less(key: str, some: list[dict[str, Any]] = mine) -> arms.Mean | None:
            return arms.over_seeds([_less(one[key], reference[one["seed"]][key]) for one in some])

        rows.append(
            Row(
                name,
                len(mine),
                arms.over_seeds([one["final"] for one in mine]),
                less("final"),
                less("course"),
                arms.over_seeds([_as_many(one, reference[one["seed"]]) for one in mine]),
                arms.mean([sum(row["updates"] or 0 for row in one["rows"]) for one in mine]),
                arms.mean([one["only_verifier"] for one in mine]),
                arms.over_seeds([one["verifier"]["first"] for one in mine]),
                arms.over_seeds([one["verifier"]["last"] for one in mine]),
                arms.mean([one["seconds"] for one in mine]),
            )
        )
    return rows


def _as_many(one: dict[str, Any], other: dict[str, Any]) -> float | None:
    """The difference after as many rounds as both had, whatever they cost."""
    at = min(len(one["rows"]), len(other["rows"])) - 1
    return _less(mean_of(one["rows"][at]), mean_of(other["rows"][at]))


def _less(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def said(rows: Sequence[Row]) -> str:
    """The table as Markdown; gains in points."""
    header = [
        "arm",
        "seeds",
        "accuracy at equal work, %",
        "against `outcome`",
        "the same, mean over the run",
        "after as many rounds, whatever the work",
        "steps",
        "only the verifier likes, %",
        "AUC on first answers",
        "AUC on last answers",
    ]
    cells = []
    for row in rows:
        alone = row.arm == "outcome"
        cells.append(
            [
                row.arm,
                str(row.seeds),
                arms.percent(row.final),
                "" if alone else arms.percent(row.gain, sign=True),
                "" if alone else arms.percent(row.earlier, sign=True),
                "" if alone else arms.percent(row.as_many, sign=True),
                arms.number(row.updates, "{:.0f}"),
                arms.percent(row.only_verifier),
                arms.percent(row.first),
                arms.percent(row.last),
            ]
        )
    return arms.markdown(header, cells)


def _data(row: Row) -> dict[str, Any]:
    return asdict(row)


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, seeds=5)
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--arms", default="", help=f"comma-separated, of: {', '.join(ARMS)}")
    arms.settable(parser)
    parser.add_argument("--finished", action="store_true", help="train nothing: the table of what is there")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    options.names = arms.chosen(options.arms, list(ARMS))
    return options


if __name__ == "__main__":
    main()
