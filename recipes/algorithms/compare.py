"""All credit rules and losses on one model at equal training FLOPs, each at a rate of its own. See README.md.

    python -m recipes.algorithms.compare --out runs/algorithms                # all arms, five seeds
    python -m recipes.algorithms.compare --out runs/algorithms --size small   # 18 arms, three seeds, less work
    python -m recipes.algorithms.compare --out runs/algorithms --arms dr_grpo,ppo --seeds 2

An arm is a preset of `ponder run` or a change of it. Its training stops with the update that passes the budget: the
FLOPs of `--updates` updates of the default, verifier, critic, second models, labels and auxiliary rollouts included.
The rate is chosen for each arm from `--rates` on validation problems, with a seed that is not reported; then every seed
trains at it and answers test problems. Every finished training leaves a file, so a run that was stopped goes on.
Written: `results.json`, `results.md`, after every arm.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.problems import ground_truth, load_families
from ponder.api.training.presets import PRESETS
from ponder.api.training.stage import curriculum, prepared
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.evaluation.suite import Suite, build_suite
from ponder.protocols import Family, Grade
from ponder.selfplay import measure, needs
from ponder.selfplay.config import Run
from ponder.selfplay.loop import SelfPlay
from recipes import arms
from recipes.algorithms import curves

# Name of the row -> settings. Presets by their names; besides, one change of the default each.
ARMS: dict[str, tuple[str, ...]] = {
    "dr_grpo": PRESETS["dr_grpo"].settings,
    "rft": PRESETS["rft"].settings,
    "vineppo": PRESETS["vineppo"].settings,
    "ppo": (*PRESETS["ppo"].settings, "critic.warmup=2"),
    "prime": PRESETS["prime"].settings,
    "pav": PRESETS["pav"].settings,
    "dpo": PRESETS["dpo"].settings,
    "dapo": PRESETS["dapo"].settings,
    "scale_rl": PRESETS["scale_rl"].settings,
    "rloo": ("algorithm.kind=rloo",),
    "grpo": PRESETS["grpo"].settings,
    "reinforce_pp": ("algorithm.kind=reinforce_pp",),
    "verifier_progress": ("algorithm.kind=verifier_progress", "verifier.enabled=true"),
    "process reward": ("coupling.kind=both", "verifier.enabled=true"),
    "tree": (*PRESETS["tree"].settings, "verifier.enabled=true"),
    "step_dpo": PRESETS["step_dpo"].settings,
    "vapo": (*PRESETS["vapo"].settings, "critic.warmup=2"),
    "rest_em": PRESETS["rest_em"].settings,
    "star": PRESETS["star"].settings,
    "distil_search": (*PRESETS["distil_search"].settings, "verifier.enabled=true"),
    "reinforce": ("loss.kind=reinforce",),
    "cispo": ("loss.kind=cispo",),
    "gspo": ("loss.kind=gspo", "trainer.minibatches=2"),
    "clip_cov": ("loss.kind=clip_cov", "trainer.minibatches=2"),
    "kl_cov": ("loss.kind=kl_cov", "loss.share=0.002", "trainer.minibatches=2"),
    "dual clip": ("loss.dual_clip=3.0", "trainer.minibatches=2"),
    "entropy bonus": ("loss.entropy_coef=0.001",),
    "KL in the loss": ("loss.kl_coef=0.01",),
    "KL in the reward": ('rewards=[{kind="outcome"}, {kind="kl"}]',),
    "refill": ("selection.refill=3",),
    "replay": ("selection.replay.rows=16",),
    "overlong masked": ('selection.overlong="mask"',),
    "role_baseline": ("algorithm.kind=role_baseline", 'algorithm.baseline="ema"'),
}


_RATES = "1e-4,3e-4,1e-3"
SIZES: dict[str, dict[str, Any]] = {
    "full": {
        "seeds": 5,
        "updates": 24,
        "rates": "1e-4,3e-4,1e-3",
        "prompts": 36,
        "test": 300,
        "tune": 64,
        "ladder": 64,
    },
    "small": {"seeds": 3, "updates": 8, "rates": _RATES, "prompts": 24, "test": 80, "tune": 40, "ladder": 0},
    "quick": {"seeds": 1, "updates": 2, "rates": "3e-4,1e-3", "prompts": 6, "test": 6, "tune": 4, "ladder": 2},
}
# What the small form compares, in this order.
SMALL = (
    "dr_grpo,rft,grpo,rloo,reinforce_pp,cispo,gspo,vineppo,ppo,prime,pav,dpo,star,dapo,verifier_progress,scale_rl,"
    "rest_em,process reward"
)


def main() -> None:
    """Train what is not trained yet, then print the table."""
    options = _options()
    set_threads(options.threads)
    families = load_families(options.problems)
    with ground_truth(families) as truth:
        lab = Lab(options, families, truth.grade)
        base = lab.base()
        budget = lab.budget()
        for name in options.names:
            lab.arm(name, budget)
            results = lab.results(base, budget)
            arms.leave(options, _table(results), **results)
    print(_table(results))


class Lab:
    """One model, its problems, and the trainings that are done."""

    def __init__(self, options: argparse.Namespace, families: list[Family], grade: Grade) -> None:
        self.options, self.families, self.grade = options, families, grade
        few = options.ladder
        self.ladder = list(build_suite(families, few, split="validation", seed=0).problems) if few else []
        self.tune = build_suite(families, options.tune, split="validation", seed=1)
        self.test = build_suite(families, options.test, split="test", seed=0)

    def base(self) -> dict[str, Any]:
        """The untrained model on the test problems."""

        def work() -> dict[str, Any]:
            play, policy = self._loop("dr_grpo", 3e-4, 0)
            return {"test": self._tried(policy.propose, self.test, 0), "start": play.start()["ladder"]}

        return self._once("base", work, lambda found: f"{_share(found['test']):.3f}")

    def budget(self) -> float:
        """FLOPs of the default's updates."""

        def work() -> dict[str, Any]:
            play, _ = self._loop("dr_grpo", 3e-4, self.options.tune_seed)
            return {"flops": play.play(0)["flops"] / self.options.per_round * self.options.updates}

        return float(self._once("budget", work, lambda found: f"{found['flops']:.3g} FLOPs")["flops"])

    def arm(self, name: str, budget: float) -> None:
        """Try each rate with a seed of its own, then train the reported seeds at the best one."""
        for rate in self.options.rates:
            self._trained(name, rate, self.options.tune_seed, budget)
        for seed in arms.seeds(self.options):
            self._trained(name, self.chosen(name), seed, budget)

    def chosen(self, name: str) -> float:
        """The rate with the best validation accuracy at its end; of equals the smaller."""
        known = {r: self._read(self._name(name, r, self.options.tune_seed)) for r in self.options.rates}
        scores: dict[float, float] = {rate: _share(found["tune"]) for rate, found in known.items() if found}
        best = max(scores.values())
        return min(rate for rate, score in scores.items() if score == best)

    def results(self, base: dict[str, Any], budget: float) -> dict[str, Any]:
        """What all finished arms came to."""
        found = {}
        for name in self.options.names:
            if all(self._read(self._name(name, rate, self.options.tune_seed)) for rate in self.options.rates):
                rate = self.chosen(name)
                runs = [self._read(self._name(name, rate, seed)) for seed in arms.seeds(self.options)]
                found[name] = {"rate": rate, "runs": [one for one in runs if one]}
        return {"budget": budget, "base": base, "arms": found}

    def _trained(self, name: str, rate: float, seed: int, budget: float) -> None:
        self._once(
            self._name(name, rate, seed),
            lambda: self._train(name, rate, seed, budget),
            lambda found: f"{_share(found['test']):.3f} after {found['updates']} updates",
        )

    def _train(self, name: str, rate: float, seed: int, budget: float) -> dict[str, Any]:
        """Rounds until the budget is spent; validation after each and at the end, test problems at the end."""
        play, policy = self._loop(name, rate, seed)
        rows = [{"flops": 0.0, "seconds": 0.0, "ladder": play.start()["ladder"]}]
        while rows[-1]["flops"] < budget:
            row = play.play(len(rows) - 1)
            kept = {key: row[key] for key in ("flops", "ladder", "entropy", "dead_groups", "tokens", "metrics")}
            seconds = sum(part["seconds"] or 0.0 for purpose, part in row["work"].items() if purpose != "measuring")
            rows.append({**kept, "seconds": rows[-1]["seconds"] + seconds})
        return {
            "rows": rows,
            "tune": self._tried(policy.propose, self.tune, seed),
            "test": self._tried(policy.propose, self.test, seed),
            "updates": (len(rows) - 1) * self.options.per_round,
        }

    def _loop(self, name: str, rate: float, seed: int) -> tuple[SelfPlay, Any]:
        config = configured(name, rate, seed, self.options)
        start = prepared(config, self.families)
        play = SelfPlay(
            config,
            start.generator,
            start.verifier,
            curriculum(config, self.families),
            self.grade,
            self.ladder,
            run_async,
            lambda *_: None,
            start.critic,
            start.scorers,
        )
        return play, start.policy

    def _tried(self, propose: Any, suite: Suite, seed: int) -> list[float]:
        """One answer to each problem, in their order; what could not be graded counts as wrong."""
        bench = measure.Bench(self.grade, run_async, Run().evaluation, Run().sampling.max_tokens, seed)
        scores = measure.accuracy(bench, propose, suite, temperature=1.0)
        return [tries[0] if tries else 0.0 for tries in scores.tries_P]

    def _name(self, name: str, rate: float, seed: int) -> str:
        return f"{name.replace(' ', '_')}-{rate:g}-{seed}"

    def _once(
        self, name: str, work: Callable[[], dict[str, Any]], said: Callable[[dict[str, Any]], str]
    ) -> dict[str, Any]:
        return arms.once(self.options.out / f"{name}.json", work, said)

    def _read(self, name: str) -> dict[str, Any] | None:
        path: Path = self.options.out / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def configured(name: str, rate: float, seed: int, options: argparse.Namespace) -> Run:
    """The run of an arm; PonderError if its parts do not go together."""
    shared = (
        f"model={json.dumps(options.model)}",
        f"seed={seed}",
        "rounds=1000",
        f"updates={options.per_round}",
        "parity.every=0",
        f"threads={options.threads}",
        f"sampling.problems={options.prompts}",
        "verifier.enabled=false",
    )
    rates = (f"trainer.learning_rate={rate}", f"critic.learning_rate={5e-4}")
    config = load(Run, None, [*shared, *ARMS[name], *rates])
    needs.check(config)
    return config


def _share(right: Sequence[float]) -> float:
    return sum(right) / len(right) if right else 0.0


def _table(results: dict[str, Any]) -> str:
    """Rows by test accuracy; intervals are over seeds, and the gain over the default is seed by seed."""
    default = results["arms"].get("dr_grpo", {"runs": []})["runs"]
    found = [(name, arm) for name, arm in results["arms"].items() if arm["runs"]]
    rows = []
    for name, arm in sorted(found, key=lambda entry: -_share([_share(run["test"]) for run in entry[1]["runs"]])):
        runs = arm["runs"]
        gains = [_share(run["test"]) - _share(other["test"]) for run, other in zip(runs, default, strict=False)]
        rows.append(
            [
                name,
                f"{arm['rate']:g}",
                str(len(runs)),
                arms.percent(arms.over_seeds([_share(run["test"]) for run in runs])),
                "" if name == "dr_grpo" else arms.percent(arms.over_seeds(gains), sign=True),
                arms.number(arms.mean([run["updates"] for run in runs]), "{:.0f}"),
                arms.number(arms.mean([run["rows"][-1]["seconds"] for run in runs]), "{:.0f}"),
                *curves.fitted(runs),
            ]
        )
    header = ["arm", "rate", "seeds", "test accuracy, %", "gain over `dr_grpo`", "updates", "seconds"]
    title = f"Untrained: {100 * _share(results['base']['test']):.1f} %. Budget: {results['budget']:.3g} FLOPs.\n\n"
    return title + arms.markdown([*header, *curves.HEADER], rows)


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__)
    parser.set_defaults(seeds=None)
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--problems", default="arithmetic,cipher,countdown")
    parser.add_argument("--arms", default="", help="names separated by commas; the small form has a list of its own")
    parser.add_argument("--updates", type=int, help="updates of the default that the budget pays for")
    parser.add_argument("--rates", help="learning rates to choose from")
    parser.add_argument("--tune-seed", type=int, default=1000, help="the seed with which the rate is chosen")
    parser.add_argument("--prompts", type=int, help="problems of an update")
    parser.add_argument("--test", type=int, help="test problems a family")
    parser.add_argument("--tune", type=int, help="validation problems a family that choose the rate")
    parser.add_argument("--ladder", type=int, help="validation problems a family after every round, for the curve")
    parser.add_argument("--per-round", type=int, help="updates between two validations")
    options = parser.parse_args()
    for name, value in SIZES[options.size].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.per_round = options.per_round or (2 if options.size == "full" else 1)
    options.rates = [float(rate) for rate in options.rates.split(",")]
    options.problems = options.problems.split(",")
    options.names = arms.chosen(options.arms or (SMALL if options.size == "small" else ""), list(ARMS))
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
