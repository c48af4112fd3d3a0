"""Final accuracy of self-play, and best-of-N, against the accuracy of the verifier. See README.md.

    python recipes/verifier_noise/measure.py --out runs/verifier_noise [--seeds 5] [--rounds 4] [--updates 4]

A verifier of accuracy a accepts wrong answers and refuses right ones with chance 1 - a (`ponder.verifiers.noise`).
Each cell (accuracy, seed) is one self-play run whose rewards pass through that dial and whose test answers are graded
by ground truth. A finished cell is a file and is not run again. Written: `results.json` and `verifier_noise.png`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import comb
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.policies import load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import Interval, mean_interval, stratified_interval
from ponder.evaluation.metrics import accepted_at_n, verifier_ceiling
from ponder.evaluation.suite import build_suite
from ponder.protocols import Family
from ponder.reports.plot_style import canvas, cycle, legend, png, style
from ponder.rollout.collect import collect
from ponder.runlog import environment
from ponder.runlog.files import write_json
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from ponder.selfplay.curriculum import Curriculum
from ponder.selfplay.loop import SelfPlay
from ponder.selfplay.roles import Generator, Verifier, policy_trainer
from ponder.verifiers.noise import Noise, answer_of

ACCURACIES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
FAMILIES = ("arithmetic", "cipher", "countdown")
NS = (1, 2, 4, 8, 16, 32)
DIALS = 20  # draws of the dial on one pool
Sample = tuple[float, str]  # outcome and what counts as the same answer


def main() -> None:
    options = _options()
    out: Path = options.out
    set_threads(options.threads)
    families = load_families(FAMILIES)
    started = time.monotonic()
    pool = _pool(out, families, options)
    cells = [_cell(out, a, seed, families, options) for seed in range(options.seeds) for a in options.accuracies]
    results = {
        "schema": 1,
        "settings": {name: value for name, value in vars(options).items() if name != "out"},
        "best_of_n": [row for per in ("call", "answer") for row in best_of_n(pool, per)],
        "self_play": [self_play(cells, accuracy) for accuracy in options.accuracies],
        "base": asdict(_accuracy([cell["base"] for cell in cells if cell["accuracy"] == options.accuracies[0]])),
        "seconds": sum(cell["seconds"] for cell in cells),
        "this_call_seconds": time.monotonic() - started,
        "revision": environment.revision(),
        "machine": environment.machine("cpu"),
    }
    write_json(out / "results.json", results)
    picture(results, out / "verifier_noise.png")
    print(said(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Accuracy against verifier accuracy.")
    parser.add_argument("--out", type=Path, default=Path("runs/verifier_noise"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--problems", type=int, default=36, help="problems an update")
    parser.add_argument("--test", type=int, default=200, help="test problems a family")
    parser.add_argument("--pool", type=int, default=60, help="problems a family for best-of-N, 32 samples each")
    parser.add_argument("--per", choices=("answer", "call"), default="answer", help="the dial of the self-play runs")
    parser.add_argument("--accuracies", default=",".join(map(str, ACCURACIES)), help="of the self-play runs")
    parser.add_argument("--rate", type=float, default=3e-4, help="learning rate")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    options.accuracies = [float(text) for text in options.accuracies.split(",")]
    return options


def _pool(out: Path, families: Sequence[Family], options: argparse.Namespace) -> list[list[Sample]]:
    """32 samples of the base model for each test problem: outcome and answer."""
    file = out / "cells" / f"pool-{options.pool}.json"
    if not file.exists():
        policy = load_policy("tiny")
        problems = draw_problems(families, "test", options.pool, 0)
        with ground_truth(families) as truth:
            groups = run_async(
                collect(problems, policy.propose, truth.grade, group_size=max(NS), max_tokens=400, seed=1)
            )
        rows = [
            [(v.outcome, answer_of(t.text, v)) for t, v in zip(g.trajectories, g.verdicts, strict=True)] for g in groups
        ]
        write_json(file, rows)
    return [[(float(y), str(a)) for y, a in row] for row in json.loads(file.read_text())]


def best_of_n(pool: Sequence[Sequence[Sample]], per: str) -> Iterator[dict[str, Any]]:
    """Accuracy of the first accepted of N (any, if none is) for each accuracy of the dial, and what theory says.

    `law` is the closed form at each problem's own solve rate, `ceiling` its limit, both as means over problems;
    `ceiling_of_mean` puts the mean solve rate into the formula instead.
    """
    rates = [sum(y for y, _ in row) / len(row) for row in pool]
    mean = sum(rates) / len(rates)
    for accuracy in ACCURACIES:
        a = accuracy, 1 - accuracy
        dials = [Noise(a[1], a[1], "answer", seed) for seed in range(DIALS)]
        heard_PD = [[_heard(row, p, dial, per) for dial in dials] for p, row in enumerate(pool)]
        points = []
        for n in NS:
            values = [[_first_accepted(*heard, n) for heard in row] for row in heard_PD]
            law = sum(accepted_at_n(rate, *a, n) for rate in rates) / len(rates)
            points.append({**asdict(_known(mean_interval(values))), "n": n, "law": law})
        ceilings = [verifier_ceiling(rate, *a) or 0.0 for rate in rates]
        yield {
            "accuracy": accuracy,
            "per": per,
            "points": points,
            "ceiling": sum(ceilings) / len(ceilings),
            "ceiling_of_mean": verifier_ceiling(mean, *a),
            "solve_rate": mean,
        }


def _heard(row: Sequence[Sample], problem: int, noise: Noise, per: str) -> tuple[list[float], list[float]]:
    """Outcomes of the samples that the dial accepts, and of those that it refuses."""
    accepted: list[float] = []
    refused: list[float] = []
    for i, (y, answer) in enumerate(row):
        turned = noise.turns(y > 0.5, problem, answer if per == "answer" else i)
        (accepted if (y > 0.5) != turned else refused).append(y)
    return accepted, refused


def _first_accepted(accepted: Sequence[float], refused: Sequence[float], n: int) -> float:
    """Expected outcome over all subsets of n of the samples: a random accepted one, or a random one if none is."""
    none = comb(len(refused), n) / comb(len(accepted) + len(refused), n)
    picked = (1 - none) * sum(accepted) / len(accepted) if accepted else 0.0
    return picked + (none * sum(refused) / len(refused) if refused else 0.0)


def _cell(out: Path, accuracy: float, seed: int, families: list[Family], options: argparse.Namespace) -> dict[str, Any]:
    """One run, or what its file says."""
    size = (
        f"{options.rounds}x{options.updates}x{options.problems}-{options.per}-test{options.test}-rate{options.rate:g}"
    )
    file = out / "cells" / f"{size}-accuracy{accuracy:g}-seed{seed}.json"
    if not file.exists():
        started = time.monotonic()
        found = _play(accuracy, seed, families, options)
        write_json(file, found | {"accuracy": accuracy, "seed": seed, "seconds": time.monotonic() - started})
        print(f"{file.name}: {time.monotonic() - started:.0f} s", flush=True)
    cell: dict[str, Any] = json.loads(file.read_text())
    return cell


def _play(accuracy: float, seed: int, families: list[Family], options: argparse.Namespace) -> dict[str, Any]:
    """Self-play with the dial at `accuracy`; test outcomes by family before and after, by ground truth."""
    config = Run.model_validate(
        {
            "seed": seed,
            "rounds": options.rounds,
            "updates": options.updates,
            "sampling": {"problems": options.problems},
            "trainer": {"learning_rate": options.rate},
            # The learned verifier has no part in this measurement: one group of labels a round keeps it cheap.
            "verifier": {"groups": 1, "rollouts": 1, "most_steps": 1},
            "noise": {"false_accept": 1 - accuracy, "false_reject": 1 - accuracy, "per": options.per},
        }
    )
    policy = load_policy("tiny")
    verifier = Verifier(policy.model, policy.propose, config)
    generator = Generator(policy_trainer(policy.model, config), policy.propose, policy.engine, policy.model)
    curriculum = Curriculum(families, seed=seed, **config.curriculum.model_dump())
    ladder = build_suite(families, 1, split="validation", seed=seed).problems
    problems = draw_problems(families, "test", options.test, 0)
    with ground_truth(families) as truth:

        def measured() -> dict[str, list[float]]:
            groups = run_async(
                collect(
                    problems,
                    policy.propose,
                    truth.grade,
                    group_size=1,
                    max_tokens=400,
                    seed=derive_seed("test", seed),
                )
            )
            found: dict[str, list[float]] = {}
            for group in groups:
                found.setdefault(group.problem.family, []).extend(y for _, y in group.judged)
            return found

        base = measured()
        play = SelfPlay(
            config,
            generator,
            verifier,
            curriculum,
            truth.grade,
            ladder,
            run_async,
            lambda *_: None,
        )
        rows = [play.play(number) for number in range(config.rounds)]
        alarms = sorted({alarm["counter"] for row in rows for alarm in row["watch"]["alarms"]})
        return {"base": base, "final": measured(), "alarms": alarms}


def self_play(cells: Sequence[dict[str, Any]], accuracy: float) -> dict[str, Any]:
    """Final accuracy over seeds; the interval is over test problems, the seeds stand beside it one by one."""
    mine = [cell for cell in cells if cell["accuracy"] == accuracy]
    return {
        "accuracy": accuracy,
        "final": asdict(_accuracy([cell["final"] for cell in mine])),
        "seeds": [_accuracy([cell["final"]]).y for cell in mine],
        "alarms": sorted({name for cell in mine for name in cell["alarms"]}),
    }


def _accuracy(found: Sequence[dict[str, list[float]]]) -> Interval:
    """Mean over families; a problem counts as the mean over seeds."""
    values = {family: [list(ys) for ys in zip(*(one[family] for one in found), strict=True)] for family in found[0]}
    return _known(stratified_interval(values))


def _known(interval: Interval | None) -> Interval:
    assert interval is not None  # there are problems
    return interval


def picture(results: dict[str, Any], file: Path) -> None:
    with style():
        figure, (left, right) = canvas(2, width=8.8, height=3.9)
        for i, row in enumerate(r for r in results["best_of_n"] if r["per"] == "call"):
            look, points = cycle(i), row["points"]
            xs = [p["n"] for p in points]
            left.plot(xs, [p["y"] for p in points], **look.line(), label=f"verifier right {row['accuracy']:.0%}")
            low, high = [p["low"] for p in points], [p["high"] for p in points]
            left.fill_between(xs, low, high, color=look.colour, alpha=0.12, linewidth=0)
            left.axhline(row["ceiling"], color=look.colour, linestyle=":", linewidth=1)
        left.set_xscale("log", base=2)
        left.set_xticks(NS, [str(n) for n in NS])
        left.set_xlabel("samples N; dotted: the ceiling")
        left.set_ylabel("accuracy of the first accepted")
        rows = results["self_play"]
        look = cycle(0)
        xs = [row["accuracy"] for row in rows]
        right.plot(xs, [row["final"]["y"] for row in rows], **look.line())
        right.fill_between(
            xs, [r["final"]["low"] for r in rows], [r["final"]["high"] for r in rows], color=look.colour, alpha=0.14
        )
        for row in rows:
            right.plot([row["accuracy"]] * len(row["seeds"]), row["seeds"], ".", color=look.colour, alpha=0.5)
        right.axhline(results["base"]["y"], color=cycle(6).colour, linestyle=":")
        right.set_xlabel("accuracy of the verifier in training; dots: seeds")
        right.set_ylabel("test accuracy (dotted: base)")
        legend(figure, left)
        png(figure, file)


def said(results: dict[str, Any]) -> str:
    """What was found, as Markdown."""
    lines = ["| verifier right | best of 32 | law at 32 | ceiling | same, per answer | self-play, final | seeds |"]
    lines.append("|---" * 7 + "|")
    by = {(row["per"], row["accuracy"]): row for row in results["best_of_n"]}
    for row in results["self_play"]:
        call, answer = by["call", row["accuracy"]], by["answer", row["accuracy"]]
        cells = [f"{row['accuracy']:.0%}", _cell_text(call["points"][-1]), f"{100 * call['points'][-1]['law']:.1f}"]
        cells += [f"{100 * call['ceiling']:.1f}", _cell_text(answer["points"][-1]), _cell_text(row["final"])]
        lines.append("| " + " | ".join([*cells, ", ".join(f"{100 * y:.1f}" for y in row["seeds"])]) + " |")
    base = _cell_text(results["base"])
    return "\n".join([*lines, "", f"Base {base}; {results['seconds'] / 60:.0f} minutes for all cells."])


def _cell_text(point: dict[str, Any]) -> str:
    return f"{100 * point['y']:.1f} ({100 * point['low']:.1f} to {100 * point['high']:.1f})"


if __name__ == "__main__":
    main()
