"""A small model that thinks against a larger one that does not, by the work a question takes. See README.md.

    python recipes/tiny_base/train.py --width 64 --steps 1300 --out build/small
    python -m recipes.sizes.measure --small build/small --out runs/sizes

Both bases imitate the same demonstrators. Each is trained by self-play with every seed; the bases and the trained
models answer the same test problems at once, with one chain of thought, and by votes. A finished cell is a file and is
not run again.
"""

from __future__ import annotations

import argparse
import asyncio
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
from ponder.evaluation.metrics import majority_at_k
from ponder.models.size import forward_flops, parameters
from ponder.protocols import Grade, grade_responses
from ponder.reports.plot_style import canvas, cycle, legend, png, style
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from ponder.thinking import reading_of
from ponder.types import Problem, Trajectory
from ponder.verifiers.noise import answer_of
from recipes import arms

FAMILIES = ("arithmetic", "cipher", "countdown")
ARMS = ("large", "small", "small trained", "large trained")
VOTES = (1, 2, 4, 8, 16)  # chains of thought; one is no vote
ONCE = "at once"
REFERENCE = ("large", ONCE), ("large", "1")  # what the small one is held against
SHORT = 60  # tokens of an answer without thinking


def main() -> None:
    options = _options()
    set_threads(options.threads)
    cells: list[dict[str, Any]] = []
    for seed in arms.seeds(options):
        for name in arms.chosen(options.arms, ARMS):
            cells.append(_cell(name, seed, options))
    arms.leave(options, said(cells), cells=cells)
    draw(cells, options.out / "sizes.png")
    print(said(cells))


def _cell(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One model with one seed, trained or not, and its answers to the test problems; or what its file says."""

    def work() -> dict[str, Any]:
        base = str(options.small) if name.startswith("small") else options.large
        if name.endswith("trained"):
            played = play_until(load(Run, None, _settings(base, seed, options)))
            policy, spent = played.start.policy, played.flops
        else:
            policy, spent = load_policy(base), 0.0
        found = {"arm": name, "seed": seed, "parameters": parameters(policy.model), "flops": spent}
        return {**found, **tested(policy, seed, options.test)}

    def line(found: dict[str, Any]) -> str:
        return ", ".join(f"{how}: {100 * (arms.mean(ys) or 0.0):.1f}" for how, ys in found["right"].items())

    return arms.once(options.out / f"{name.replace(' ', '_')}-{seed}.json", work, line)


def _settings(base: str, seed: int, options: argparse.Namespace) -> list[str]:
    return [
        f"model={base}",
        f"seed={seed}",
        f"rounds={options.rounds}",
        "updates=4",
        f"sampling.problems={options.problems}",
        f"trainer.learning_rate={options.rate}",
        "verifier.enabled=false",
        "evaluation.ladder=2",
        "parity.every=0",
        *options.set,
    ]


def tested(policy: Policy, seed: int, count: int) -> dict[str, Any]:
    """Outcome of each test problem, and mean FLOPs a question, by how the model thinks: at once, or so many chains."""
    families = load_families(",".join(FAMILIES))
    problems, draw = draw_problems(families, "test", count, 0), derive_seed("test", seed)
    with ground_truth(families) as truth:
        groups = run_async(
            collect(problems, policy.propose, truth.grade, group_size=max(VOTES), max_tokens=400, seed=draw)
        )
        short = run_async(_at_once(policy, problems, truth.grade, draw))
    known = {group.problem.id: group for group in groups}
    right: dict[str, list[float]] = {ONCE: [outcome for outcome, _ in short], **{str(k): [] for k in VOTES}}
    drawn: list[float] = []  # work of the mean chain of each problem
    read = [_read(policy, problem) for problem in problems]
    for problem in problems:
        group = known[problem.id]
        judged = list(zip(group.trajectories, group.verdicts, strict=True))
        answers = [answer_of(t.text, verdict) or None for t, verdict in judged]
        outcomes = [verdict.outcome or 0.0 for _, verdict in judged]
        for k in VOTES:
            right[str(k)].append(majority_at_k(answers, outcomes, k) or 0.0)
        drawn.append(arms.mean([_work(policy, problem, len(t)) for t, _ in judged]) or 0.0)
    once = [_work(policy, problem, n) for problem, (_, n) in zip(problems, short, strict=True)]
    flops = {ONCE: arms.mean([a + b for a, b in zip(read, once, strict=True)])}
    flops |= {str(k): arms.mean([a + k * b for a, b in zip(read, drawn, strict=True)]) for k in VOTES}
    return {"right": right, "work": flops}


async def _at_once(policy: Policy, problems: Sequence[Problem], grade: Grade, seed: int) -> list[tuple[float, int]]:
    """Outcome and tokens of one answer to each problem, before which nothing is thought."""
    propose, read = policy.propose, reading_of(policy.propose)
    asked = [propose(p.question, None, 1, until="answer", max_tokens=SHORT, seed=seed) for p in problems]
    answers = [Trajectory(p.question, leaf) for p, (leaf,) in zip(problems, await asyncio.gather(*asked), strict=True)]
    verdicts = grade_responses(grade, problems, [read(t) for t in answers], [t.finished for t in answers])
    return [(verdict.outcome or 0.0, len(t)) for verdict, t in zip(verdicts, answers, strict=True)]


def _read(policy: Policy, problem: Problem) -> float:
    """FLOPs of reading a question; one head, for the first token. All chains of a vote share it."""
    return forward_flops(policy.model.config, len(policy.propose.prompts.tokens(problem.question)), heads=1)


def _work(policy: Policy, problem: Problem, tokens: int) -> float:
    """FLOPs of `tokens` drawn after a question."""
    return forward_flops(policy.model.config, tokens, before=len(policy.propose.prompts.tokens(problem.question)))


def said(cells: Sequence[dict[str, Any]]) -> str:
    """Accuracy and work of each model and way to think, and the paired difference to the large base's."""
    rows = []
    large = [_by_problem([cell for cell in cells if cell["arm"] == name], how) for name, how in REFERENCE]
    for name in dict.fromkeys(cell["arm"] for cell in cells):
        mine = [cell for cell in cells if cell["arm"] == name]
        for how in (ONCE, *map(str, VOTES)):
            means = [arms.mean(cell["right"][how]) for cell in mine]
            gaps = [paired_interval(other, _by_problem(mine, how)) if other else None for other in large]
            rows.append(
                [
                    name,
                    f"{mine[0]['parameters']:,}",
                    how,
                    f"{(arms.mean([cell['work'][how] for cell in mine]) or 0.0) / 1e6:.1f}",
                    arms.percent(arms.over_seeds(means)),
                    *(
                        "" if gap is None else f"{100 * gap.y:+.1f} ({100 * gap.low:.1f} to {100 * gap.high:.1f})"
                        for gap in gaps
                    ),
                ]
            )
    header = ["model", "parameters", "chains", "MFLOP a question", "right, %", "less large at once", "less large, 1"]
    return arms.markdown(header, rows)


def _by_problem(cells: Sequence[dict[str, Any]], how: str) -> list[list[float]]:
    """A list for each test problem: its outcomes over seeds."""
    return [list(ys) for ys in zip(*(cell["right"][how] for cell in cells), strict=True)]


def draw(cells: Sequence[dict[str, Any]], file: Path) -> None:
    """Accuracy against the work of a question, a line a model, means over seeds; hollow: answered at once."""
    with style():
        figure, (axes,) = canvas(1, width=6.4, height=4.0)
        for number, name in enumerate(dict.fromkeys(cell["arm"] for cell in cells)):
            mine = [cell for cell in cells if cell["arm"] == name]

            def point(how: str, mine: Sequence[dict[str, Any]] = mine) -> tuple[float, float]:
                work = arms.mean([cell["work"][how] for cell in mine]) or 0.0
                return work / 1e6, 100 * (arms.mean([arms.mean(cell["right"][how]) or 0.0 for cell in mine]) or 0.0)

            look = cycle(number)
            axes.plot(*zip(*[point(str(k)) for k in VOTES], strict=True), **look.line(), label=name)
            axes.plot(*point(ONCE), marker="o", color=look.colour, markerfacecolor="none", linestyle="none")
        axes.set(xscale="log", xlabel="MFLOP a question", ylabel="right on test problems, %")
        ticks = [10, 30, 100, 300, 1000, 3000]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.set(title="1 to 16 chains of thought; hollow: answered at once")
        legend(figure, axes, columns=4)
        png(figure, file)


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, out="runs/sizes", seeds=5)
    arms.settable(parser)
    parser.add_argument("--small", type=Path, default=Path("build/small"))
    parser.add_argument("--large", default="tiny")
    parser.add_argument("--arms", default="", help="comma-separated, all unless given")
    parser.add_argument("--rounds", type=int, default=6, help="of four updates")
    parser.add_argument("--problems", type=int, default=18, help="problems an update")
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--test", type=int, default=100, help="test problems a family")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
