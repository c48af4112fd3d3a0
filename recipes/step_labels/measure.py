"""Step labels against the truth: `python recipes/step_labels/measure.py`.

Long responses of the embedded model, some of them wrong, are cut into steps, and every step gets 32 rollouts once.
All methods and all smaller numbers of rollouts are then replayed on these, with the library's own code, on disjoint
parts of the 32, so that methods are compared on the same draws. Prints Markdown tables; 95 % intervals over problems.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ponder.api.machine import set_threads
from ponder.api.policies import load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.engines.loop import run
from ponder.evaluation.intervals import Interval, ratio_interval
from ponder.labels.labelled import Labelled
from ponder.labels.omega import Omega, omega
from ponder.labels.omega_pool import Candidate, OmegaSettings, Pool, State
from ponder.labels.quality import LabelErrors, label_errors
from ponder.labels.rollouts import Estimate, Rollouts, Source, tokens_of
from ponder.labels.shepherd import estimates, hard, labelled
from ponder.problems.step_truth import first_error, good_steps
from ponder.protocols import Until
from ponder.rollout.collect import collect
from ponder.runlog.files import write_json
from ponder.types import Group, Problem, Question, Step, StepLabel, Trajectory, Verdict

# Family, what ends a step, temperature of the responses, their least number of steps, problems. Rollouts are drawn at
# temperature 1; warmer responses slip anywhere and not only where the model is in a hurry.
SETTINGS = [
    ("arithmetic?terms=10", "\n", 1.3, 8, 120),
    ("cipher?words=4", " ", 1.5, 16, 36),
    ("countdown", "\n", 1.3, 10, 150),
]
MOST = 32  # rollouts drawn after every step
COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # rollouts after a step that are replayed
SHOWN = (1, 2, 4, 8, 16, 32)
TARGETS = (0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05)  # errors at which rollouts are compared
RESAMPLES = 400
WHOLE = OmegaSettings(rollouts=8, searches=30, least=0.25)
SAMPLED = 4  # responses of a problem on which the whole method is compared with brute force
FEW = (1, 2, 4, 8, 16)  # rollouts that brute force gets there
Table = npt.NDArray[np.float64]
Row = tuple[float, float, float]  # rollouts a response, first error missed, share of wrong labels


@dataclass(frozen=True)
class Item:
    """A response with the truth of its steps and all rollouts after each inner one."""

    problem: Problem
    trajectory: Trajectory
    outcome: float
    truth: tuple[bool, ...]
    error: int
    rollouts: tuple[Estimate, ...]

    def part(self, n: int, block: int) -> list[Estimate]:
        """The `block`-th `n` rollouts of every inner step."""
        cut = slice(n * block, n * (block + 1))
        return [Estimate(e.leaves[cut], e.outcomes[cut]) for e in self.rollouts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="share of the problems to measure, for a quick look")
    parser.add_argument("--out", type=Path, help="where the numbers go as JSON")
    parser.add_argument("--only", choices=[spec for spec, *_ in SETTINGS], help="measure one family alone")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    set_threads(0)
    numbers = {}
    for spec, separator, temperature, least, problems in SETTINGS:
        if given.only not in (None, spec):
            continue
        started = time.monotonic()
        count = max(6, round(given.share * problems))
        items, tries = gather(spec, separator, temperature, least, count, given.seed)
        numbers[spec] = report(spec, items, tries, time.monotonic() - started)
    if given.out:
        write_json(given.out, numbers)


def gather(
    spec: str, separator: str, temperature: float, least: int, count: int, seed: int
) -> tuple[list[Item], list[Tried]]:
    """At most two wrong responses and one right one of each problem, long ones only, with their rollouts.

    And the whole of OmegaPRM on a third of the problems, whose responses are drawn at temperature 1.
    """
    families = load_families([spec])
    problems = draw_problems(families, "test", count, seed)
    policy = load_policy("tiny", separator=separator)
    with ground_truth(families) as truth:
        warm = policy.at(temperature)
        groups = run(collect(problems, warm, truth.grade, group_size=8, max_tokens=400, seed=seed))
        source = Source(policy.propose, truth.grade, max_tokens=400, seed=seed)

        async def roll() -> list[list[Item]]:
            return list(await asyncio.gather(*(rolled(group, source, least) for group in groups)))

        async def search() -> list[Tried | None]:
            third = problems[::3]
            usual = await collect(third, policy.propose, truth.grade, group_size=8, max_tokens=400, seed=seed)
            return list(await asyncio.gather(*(tried(group, source) for group in usual)))

        items = [item for some in run(roll()) for item in some]
        return items, [each for each in run(search()) if each is not None]


@dataclass(frozen=True)
class Tried:
    """All of OmegaPRM on one problem, and on some of its responses what brute force says.

    `rollouts` are the search's a response, the drawing of the first responses included (later ones are rollouts);
    `prefixes` those that brute force would roll out, a response. `search` is (missed, wrong labels) of each response,
    `brute` the same for every N of FEW.
    """

    searched: int
    rollouts: float
    prefixes: float
    search: list[tuple[float, float]]
    brute: list[list[tuple[float, float]]]


async def tried(group: Group, source: Source, settings: OmegaSettings = WHOLE) -> Tried | None:
    session = Rollouts(group.problem, source)
    found, searches = await omega(group, session, settings)
    located = [item for item in found[: len(searches)] if item.first_error is not None]
    if not located:
        return None
    prefixes = {tokens_of(step) for each in located for step in each.trajectory.steps[:-1]}
    chosen = random.Random(group.problem.id).sample(located, min(SAMPLED, len(located)))
    fresh = Rollouts(group.problem, source)
    items = [await _item(group.problem, each.trajectory, 0.0, fresh, FEW[-1]) for each in chosen]
    ours = [_errors(i, e.first_error, _implied(i, e.first_error)) for i, e in zip(items, chosen, strict=True)]
    return Tried(
        searched=len(located),
        rollouts=(session.drawn + len(group.trajectories)) / len(located),
        prefixes=len(prefixes) / len(located),
        search=ours,
        brute=[[brute_force(item, n, FEW[-1])[1:] for item in items] for n in FEW],
    )


def whole_method(tries: list[Tried]) -> list[dict[str, Any]]:
    """What brute force needs for the error that the whole method has on the same responses."""
    of_item = [p for p, each in enumerate(tries) for _ in each.search]
    search = np.array([(tries[p].rollouts, *e) for p, each in enumerate(tries) for e in each.search])
    brute = [
        np.array([(1 + n * each.prefixes, *e) for each in tries for e in each.brute[i]]) for i, n in enumerate(FEW)
    ]
    resamples = _resamples(list(map(str, of_item)))
    rows = []
    for column, name in ((1, "first errors missed"), (2, "wrong labels")):

        def ratio(items: npt.NDArray[np.int64], column: int = column) -> tuple[float, bool]:
            theirs = _needed(brute, items, column, float(search[items, column].mean()))
            most = float(brute[-1][items, 0].mean())
            return (most if theirs is None else theirs) / float(search[items, 0].mean()), theirs is not None

        times, reached = ratio(np.arange(len(search)))
        low, high = np.percentile([ratio(r)[0] for r in resamples], [2.5, 97.5])
        used = float(search[:, 0].mean())
        row = {"name": name, "error": float(search[:, column].mean()), "search": used, "brute": times * used}
        rows.append({**row, "reached": reached, "ratio": times, "low": low, "high": high})
    return rows


async def rolled(group: Group, source: Source, least: int) -> list[Item]:
    long = [(t, outcome) for t, outcome in group.judged if len(t.steps) >= least]
    chosen = [pair for pair in long if pair[1] == 0][:2] + [pair for pair in long if pair[1] == 1][:1]
    rollouts = Rollouts(group.problem, source)
    return [await _item(group.problem, t, outcome, rollouts, MOST) for t, outcome in chosen]


async def _item(problem: Problem, trajectory: Trajectory, outcome: float, rollouts: Rollouts, n: int) -> Item:
    texts = [step.text for step in trajectory.steps]
    truth, error = good_steps(problem, texts), first_error(problem, texts)
    found = await estimates(list(trajectory.steps[:-1]), rollouts, n)
    assert truth is not None and error is not None and all(e is not None for e in found)
    return Item(problem, trajectory, outcome, truth, error, tuple(e for e in found if e is not None))


def report(spec: str, items: list[Item], tries: list[Tried], seconds: float) -> dict[str, object]:
    """Print the tables of one family; returns their numbers."""
    wrong = [item for item in items if item.outcome == 0]
    steps = sum(len(item.trajectory.steps) for item in wrong) / len(wrong)
    rollouts = sum(len(e.leaves) for item in items for e in item.rollouts)
    print(f"\n### {spec}\n")
    print(
        f"{len(items)} responses ({len(wrong)} wrong, {steps:.1f} steps on average) to "
        f"{len({item.problem.id for item in items})} problems; {rollouts} rollouts, {seconds:.0f} s.\n",
        flush=True,
    )
    curve = label_curve(items)
    print("| N | wrong labels | bad steps called good | good steps called bad |\n|---|---|---|---|")
    for n, rates in curve.items():
        print(f"| {n} | {' | '.join(_shown(rates[name]) for name in ('error', 'positive', 'negative'))} |")
    whole = whole_method(tries) if tries else []
    _print_whole(whole, tries)
    needed = rollouts_needed(wrong)
    for which, name in (("missed", "first errors missed"), ("labels", "wrong labels")):
        print(f"\n| {name} | rollouts a response, search | brute force | times fewer |\n|---|---|---|---|")
        for row in needed[which]:
            print(f"| {row['target']:.0%} | {_rollouts(row['search'])} | {_rollouts(row['brute'])} | {_fewer(row)} |")
    return {"responses": len(items), "wrong": len(wrong), "labels": curve, "needed": needed, "whole": whole}


def _print_whole(whole: list[dict[str, Any]], tries: list[Tried]) -> None:
    print(
        f"\nAll of OmegaPRM, {WHOLE.rollouts} rollouts a prefix, at most {WHOLE.searches} searches a problem: ", end=""
    )
    print(f"{sum(t.searched for t in tries)} first errors located in {len(tries)} problems.\n")
    print("| error | search has | rollouts a response, search | brute force for that | times fewer |")
    print("|---|---|---|---|---|")
    for row in whole:
        print(
            f"| {row['name']} | {row['error']:.1%} | {row['search']:.1f} | {'' if row['reached'] else 'over '}"
            f"{row['brute']:.1f} | {row['ratio']:.1f} ({row['low']:.1f} to {row['high']:.1f}) |",
            flush=True,
        )


def _rollouts(count: float | None) -> str:
    return "not reached" if count is None else f"{count:.0f}"


def _fewer(row: dict[str, Any]) -> str:
    if row["ratio"] is None:
        return "-"
    return f"{'' if row['brute'] else 'over '}{row['ratio']:.1f} ({row['low']:.1f} to {row['high']:.1f})"


def label_curve(items: list[Item]) -> dict[int, dict[str, Interval | None]]:
    """Errors of hard labels on inner steps for every N."""
    return {n: _rates([(item.problem.id, errors_at(item, n)) for item in items]) for n in SHOWN}


def errors_at(item: Item, n: int) -> LabelErrors:
    """Summed over the disjoint parts of the rollouts."""
    parts = (hard(shepherd_at(item, n, block)) for block in range(MOST // n))
    return sum((label_errors(part.labels[:-1], item.truth) for part in parts), LabelErrors())


def shepherd_at(item: Item, n: int, block: int) -> Labelled:
    """Math-Shepherd's labels from one part of the rollouts."""
    return labelled(item.trajectory, item.outcome, item.part(n, block))


def _rates(errors: list[tuple[str, LabelErrors]]) -> dict[str, Interval | None]:
    by_problem: dict[str, LabelErrors] = {}
    for name, some in errors:
        by_problem[name] = by_problem.get(name, LabelErrors()) + some
    each = list(by_problem.values())
    wrong = [e.false_positives + e.false_negatives for e in each]
    return {
        "error": ratio_interval(wrong, [e.good + e.bad for e in each]),
        "positive": ratio_interval([e.false_positives for e in each], [e.bad for e in each]),
        "negative": ratio_interval([e.false_negatives for e in each], [e.good for e in each]),
    }


def rollouts_needed(wrong: list[Item]) -> dict[str, list[dict[str, Any]]]:
    """By kind of error and target: the fewest rollouts a response with which each way comes down to the target.

    Errors are "missed" (the first error is not the true one) and "labels" (share of inner steps labelled wrongly).
    A way that never gets there has None; the ratio is then a lower bound, from the most that brute force was given.
    """
    brute = [np.array([brute_force(item, n) for item in wrong]) for n in COUNTS]
    search = [np.array(run(binary(wrong, k))) for k in COUNTS]
    resamples = _resamples([item.problem.id for item in wrong])
    every = np.arange(len(wrong))
    found: dict[str, list[dict[str, Any]]] = {}
    for column, name in enumerate(("missed", "labels"), start=1):
        for target in TARGETS:
            ratios = [_ratio(brute, search, r, column, target) for r in resamples]
            held = [ratio for ratio in ratios if ratio is not None]
            low, high = np.percentile(held, [2.5, 97.5]) if held else (None, None)
            row = {"target": target, "ratio": _ratio(brute, search, every, column, target), "low": low, "high": high}
            row |= {"search": _needed(search, every, column, target), "brute": _needed(brute, every, column, target)}
            found.setdefault(name, []).append(row)
    return found


def _resamples(problems: list[str]) -> list[npt.NDArray[np.int64]]:
    """Indices of responses when problems are drawn with replacement; `problems` names each response's problem."""
    names = np.array(problems)
    of_problem = [np.flatnonzero(names == name) for name in dict.fromkeys(problems)]
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(of_problem), size=len(of_problem)) for _ in range(RESAMPLES)]
    return [np.concatenate([of_problem[p] for p in draw_P]) for draw_P in draws]


def _ratio(
    brute: list[Table], search: list[Table], items: npt.NDArray[np.int64], column: int, target: float
) -> float | None:
    """Brute force's rollouts over the search's; None if the search does not get to the target."""
    ours, theirs = _needed(search, items, column, target), _needed(brute, items, column, target)
    most = float(brute[-1][items, 0].mean())
    return None if ours is None else (most if theirs is None else theirs) / ours


def _needed(measured: list[Table], items: npt.NDArray[np.int64], column: int, target: float) -> float | None:
    """Rollouts a response at which the error first falls to `target`: straight lines between what was measured."""
    before: tuple[float, float] | None = None
    for table in measured:
        rollouts, error = float(table[items, 0].mean()), float(table[items, column].mean())
        if error <= target:
            if before is None:
                return rollouts
            share = (before[1] - target) / (before[1] - error)
            return before[0] + share * (rollouts - before[0])
        before = (rollouts, error)
    return None


def brute_force(item: Item, n: int, most: int = MOST) -> Row:
    """With n rollouts after every step: rollouts, how often the first error is missed, the share of wrong labels."""
    parts = [hard(shepherd_at(item, n, block)) for block in range(most // n)]
    errors = [_errors(item, part.first_error, part.labels[:-1]) for part in parts]
    return (n * len(item.rollouts), *_mean(errors))


async def binary(wrong: list[Item], k: int) -> list[Row]:
    """The same of the binary search, whose labels are those that its first error implies."""
    return [await searched(item, k) for item in wrong]


async def searched(item: Item, k: int) -> Row:
    """One search on each part of the drawn rollouts."""
    used, errors = 0, []
    for block in range(MOST // k):
        rollouts = Rollouts(item.problem, Source(_Never(), _nothing, max_tokens=0, seed=0))
        for step, estimate in zip(item.trajectory.steps[:-1], item.part(k, block), strict=True):
            rollouts.known[tokens_of(step), k] = estimate
        settings = OmegaSettings(rollouts=k)
        start = Candidate(State(None, 0.5), item.trajectory.leaf, len(item.trajectory))
        found = await Omega(rollouts, settings, Pool(settings)).search(start)
        used += k * found.evaluations
        errors.append(_errors(item, found.first_error, _implied(item, found.first_error)))
    return (used / (MOST // k), *_mean(errors))


def _implied(item: Item, error: int | None) -> tuple[StepLabel, ...]:
    """Right before the first error, wrong from there on."""
    assert error is not None
    return tuple(StepLabel(i, float(i < error), 0) for i in range(len(item.rollouts)))


def _errors(item: Item, error: int | None, labels: Sequence[StepLabel]) -> tuple[float, float]:
    """Whether the first error is missed, and the share of inner steps with a wrong label."""
    return float(error != item.error), label_errors(labels, item.truth).error or 0.0


def _mean(errors: list[tuple[float, float]]) -> tuple[float, float]:
    missed, wrong = np.mean(errors, axis=0)
    return float(missed), float(wrong)


class _Never:
    """No policy: everything was drawn beforehand."""

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        raise AssertionError("nothing may be drawn in a replay")

    def answer(self, trajectory: Trajectory) -> str | None:
        raise AssertionError("nothing is answered in a replay")


def _nothing(_: Sequence[Problem], __: Sequence[str]) -> list[Verdict]:
    return []


def _shown(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.y:.1%} ({interval.low:.1%} to {interval.high:.1%})"


if __name__ == "__main__":
    main()
