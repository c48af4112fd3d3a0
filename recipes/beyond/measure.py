"""What no demonstration shows and no number of samples finds: problems longer than any demonstrator lasted.

    python recipes/beyond/base.py --out build/beyond/base
    python -m recipes.beyond.measure --base build/beyond/base --out runs/beyond [--seeds 3]

Every arm starts from the same base and spends the floating-point work of the arm `self-play` of the same seed, sampling
included. A finished arm is a file and is not run again. Accuracy is of test problems of each number of changes, the
share of right answers among `--tries` at temperature 1; every arm chooses its learning rate on validation problems
with a seed that is not reported; pass@256 is of the same problems for the arms of `--pass`, with
the first seed. See README.md.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import draw_problems, ground_truth
from ponder.api.training.bare import play_until
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.evaluation.metrics import pass_at_k
from ponder.learning.policy import PolicyTrainer
from ponder.losses.cloning import Cloning
from ponder.problems.families.transforms import Transforms
from ponder.reports.plot_style import canvas, cycle, legend, png, style
from ponder.rollout.collect import collect
from ponder.seeds import derive_seed
from ponder.selfplay import control
from ponder.selfplay.config import Run
from recipes import arms

TUNE = 1000  # the seed with which rates are chosen, on validation problems
ARMS: dict[str, tuple[str, ...]] = {
    "self-play": (),
    "without harder problems": ("curriculum.most_levels=1",),
    "own right answers": ("algorithm.kind=rejection", "loss.kind=cloning"),
    "careful demonstrations": (),
    "base": (),
}
MANY = 256
FRESH = 1  # the seed of the test problems; those of seed 0 were looked at while the base was made


def main() -> None:
    options = _options()
    set_threads(options.threads)
    rates, cells = _rates(options), list[dict[str, Any]]()
    for seed in arms.seeds(options):
        budget = _cell("self-play", rates["self-play"], seed, options, None)["flops"]
        for name in dict.fromkeys(("self-play", *options.names)):
            cells.append(_cell(name, rates.get(name, 0.0), seed, options, budget))
            arms.leave(options, said(cells, options), rates=rates, cells=cells)
    draw(cells, options)
    print(f"Learning rates: {rates}\n\n{said(cells, options)}")


def _rates(options: argparse.Namespace) -> dict[str, float]:
    """For each arm that learns the rate with the best validation accuracy, with a seed that is not reported."""
    chosen, budget = dict[str, float](), None
    for name in dict.fromkeys(("self-play", *(name for name in options.names if name != "base"))):
        scores = {}
        for rate in options.rates:
            found = _cell(name, rate, TUNE, options, budget)
            scores[rate] = arms.mean([_accuracy(pairs) for pairs in found["right"].values()]) or 0.0
            budget = budget or found["flops"]
        chosen[name] = max(options.rates, key=lambda rate: scores[rate])
    return chosen


def _cell(name: str, rate: float, seed: int, options: argparse.Namespace, budget: float | None) -> dict[str, Any]:
    """One arm with one seed, trained and tested, or read."""

    def work() -> dict[str, Any]:
        found: dict[str, Any] = {"arm": name, "seed": seed, "rate": rate, "flops": 0.0}
        if name == "base":
            policy = load_policy(str(options.base))
        elif name == "careful demonstrations":
            policy, found["flops"] = _cloned(rate, seed, options, budget or 0.0)
        else:
            played = play_until(_config(name, rate, seed, options), flops=math.inf if budget is None else budget)
            policy = played.start.policy
            rounds = [{"levels": row["levels"], "solve_rate": row["solve_rate"]} for row in played.rows[1:]]
            found |= {"flops": played.flops, "updates": options.updates * len(rounds), "rounds": rounds}
        many = name in options.passes and seed == options.first_seed
        return {**found, "right": tested(policy, seed, options, MANY if many else options.tries)}

    def line(found: dict[str, Any]) -> str:
        return " ".join(f"{changes}:{100 * _accuracy(pairs):.0f}" for changes, pairs in found["right"].items())

    stem = f"{name.replace(' ', '_')}-{rate:g}-{seed}"
    return arms.once(options.out / f"{stem}.json", work, line)


def _config(name: str, rate: float, seed: int, options: argparse.Namespace) -> Run:
    return load(
        Run,
        None,
        [
            f"model={options.base}",
            f"seed={seed}",
            f"problems=['transforms?changes={options.shown}']",
            f"rounds={options.rounds if name == 'self-play' else 1000}",
            f"updates={options.updates}",
            f"sampling.problems={options.problems}",
            f"sampling.max_tokens={options.tokens}",
            f"trainer.learning_rate={rate}",
            f"curriculum.most_levels={options.levels}",
            f"curriculum.unlock={options.unlock}",
            "verifier.enabled=false",
            "evaluation.ladder=2",
            "parity.every=0",
            f"threads={options.threads}",
            *ARMS[name],
        ],
    )


def _cloned(rate: float, seed: int, options: argparse.Namespace, flops: float) -> tuple[Policy, float]:
    """The base, taught for this much work by demonstrators who do not give up, on problems within their stamina."""
    policy, config = load_policy(str(options.base)), Run()
    settings = config.trainer.model_copy(update={"learning_rate": rate})
    trainer = PolicyTrainer(policy.model, settings, Cloning(), seed=seed)
    report = control.clone(
        trainer,
        policy.codec,
        [Transforms(changes=changes, tires=0.0) for changes in range(1, options.shown + 1)],
        flops=flops,
        settings=config.control,
        seed=derive_seed("control", seed) % 2**31,
        tell=lambda *_: None,
    )
    policy.engine.replace_weights(trainer.weights(), policy.engine.version + 1)
    return policy, report.flops


def tested(policy: Policy, seed: int, options: argparse.Namespace, tries: int) -> dict[str, list[list[int]]]:
    """By the number of changes: of each test problem the right answers and all answers."""
    found = {}
    for changes in options.changes:
        family = Transforms(changes=changes)
        split, drawn = ("validation", 0) if seed == TUNE else ("test", FRESH)
        problems = draw_problems([family], split, options.test, drawn)
        with ground_truth([family]) as truth:
            groups = run_async(
                collect(
                    problems,
                    policy.at(1.0),
                    truth.grade,
                    group_size=tries,
                    max_tokens=options.tokens,
                    seed=derive_seed("test", seed, changes),
                )
            )
        found[str(changes)] = [
            [sum(outcome > 0.5 for _, outcome in group.judged), len(group.judged)] for group in groups
        ]
    return found


def _accuracy(pairs: list[list[int]]) -> float:
    return arms.mean([right / tried for right, tried in pairs if tried]) or 0.0


def said(cells: list[dict[str, Any]], options: argparse.Namespace) -> str:
    """Accuracy by number of changes with intervals over seeds, and pass@256 of the first seed, as Markdown."""
    names = list(dict.fromkeys(cell["arm"] for cell in cells))
    header = ["changes", *map(str, options.changes)]
    rows, many = [], []
    for name in names:
        mine = [cell for cell in cells if cell["arm"] == name]
        rates = [[_accuracy(cell["right"][str(at)]) for cell in mine] for at in options.changes]
        rows.append([f"{name} ({len(mine)})", *(arms.percent(arms.over_seeds(some)) for some in rates)])
        if name in options.passes:
            whole = mine[0]["right"]
            many.append([name, *(f"{100 * _pass(whole[str(at)]):.1f}" for at in options.changes)])
    text = "Right answers at temperature 1, % (seeds):\n\n" + arms.markdown(header, rows)
    return text + (f"\nSolved in {MANY} tries, %, first seed:\n\n" + arms.markdown(header, many) if many else "")


def _pass(pairs: list[list[int]]) -> float:
    return arms.mean([pass_at_k(tried, right, min(MANY, tried)) for right, tried in pairs if tried]) or 0.0


def draw(cells: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Accuracy against the number of changes, a line an arm; what 256 tries of the base solve is dashed."""
    with style():
        figure, (axes,) = canvas(width=7.4, height=4.2)
        for index, name in enumerate(dict.fromkeys(cell["arm"] for cell in cells)):
            mine, mark = [cell for cell in cells if cell["arm"] == name], cycle(index)
            known = [[_accuracy(cell["right"][str(at)]) for cell in mine] for at in options.changes]
            axes.plot(options.changes, [100 * (arms.mean(some) or 0.0) for some in known], **mark.line(), label=name)
            if name == "base":
                many = [100 * _pass(mine[0]["right"][str(at)]) for at in options.changes]
                axes.plot(options.changes, many, ls=":", color=mark.colour, label=f"base, any of {MANY} tries")
        axes.axvspan(min(options.changes) - 0.5, options.shown + 0.5, alpha=0.12, color="grey")
        axes.set(xlabel="changes of the word (grey: shown)", ylabel="right, %", ylim=(-3, 103))
        legend(figure, axes, columns=3)
        png(figure, options.out / "beyond.png")


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, seeds=3)
    parser.add_argument("--base", type=Path, default=Path("build/beyond/base"))
    parser.add_argument("--arms", default="", help=f"comma-separated, of: {'; '.join(ARMS)}")
    parser.add_argument(
        "--pass", dest="passes", default="base,self-play,careful demonstrations", help=f"arms that get {MANY} tries"
    )
    parser.add_argument("--changes", default="2,3,4,5,6,7,8", help="numbers of changes that are tested")
    parser.add_argument(
        "--shown", type=int, default=4, help="most changes of which a right answer was shown; runs begin there"
    )
    parser.add_argument("--levels", type=int, default=5, help="how many numbers of changes the curriculum may open")
    parser.add_argument("--unlock", type=float, default=0.6, help="solve rate at which one change more is asked for")
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--updates", type=int, default=4, help="updates of a round")
    parser.add_argument("--problems", type=int, default=24, help="problems of an update, eight answers each")
    parser.add_argument("--tokens", type=int, default=160, help="most tokens of an answer")
    parser.add_argument("--test", type=int, default=30, help="test problems of each number of changes")
    parser.add_argument("--tries", type=int, default=16)
    parser.add_argument("--rates", default="1e-4,3e-4,1e-3", help="learning rates that every arm tries")
    options = parser.parse_args()
    options.names = arms.chosen(options.arms, list(ARMS))
    options.passes = arms.chosen(options.passes, list(ARMS))
    options.changes = [int(changes) for changes in options.changes.split(",")]
    options.rates = [float(rate) for rate in options.rates.split(",")]
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
