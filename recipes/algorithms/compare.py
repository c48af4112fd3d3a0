"""All credit rules and losses on one model at equal training FLOPs, each at a rate of its own. See README.md.

    python recipes/algorithms/compare.py --out runs/algorithms                    # all arms, five seeds
    python recipes/algorithms/compare.py --out runs/algorithms --quick            # the reduced form
    python recipes/algorithms/compare.py --out runs/algorithms --arms dr_grpo,ppo --seeds 2

An arm is a preset of `ponder run` or a change of it. Its training stops with the update that passes the budget: the
FLOPs of `--updates` updates of the default, verifier, critic, second models, labels and auxiliary rollouts included.
The rate is chosen for each arm from `--rates` on validation problems, with the first seed; then every seed trains at it
and answers test problems. Every finished training leaves a file, so a run that was stopped goes on. Written:
`results.json`, `table.md`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.problems import ground_truth, load_families
from ponder.api.training.presets import PRESETS
from ponder.api.training.stage import curriculum, prepared
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.evaluation.curves.fits import SigmoidFit, fit_sigmoid
from ponder.evaluation.intervals import mean_interval, paired_interval
from ponder.evaluation.suite import build_suite
from ponder.protocols import Family, Grade
from ponder.runlog import environment
from ponder.runlog.files import write_json
from ponder.selfplay import measure, needs
from ponder.selfplay.config import Run
from ponder.selfplay.loop import SelfPlay

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
    "tree": PRESETS["tree"].settings,
    "step_dpo": PRESETS["step_dpo"].settings,
    "vapo": (*PRESETS["vapo"].settings, "critic.warmup=2"),
    "rest_em": PRESETS["rest_em"].settings,
    "star": PRESETS["star"].settings,
    "distil_search": PRESETS["distil_search"].settings,
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


def main() -> None:
    """Train what is not trained yet, then print the table."""
    args = _arguments()
    set_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    families = load_families(args.problems)
    with ground_truth(families) as truth:
        lab = Lab(args, families, truth.grade)
        base = lab.base()
        budget = lab.budget()
        for name in args.arms:
            lab.arm(name, budget)
        results = lab.results(base, budget)
    write_json(args.out / "results.json", results)
    table = _table(results)
    (args.out / "table.md").write_text(table + "\n", encoding="utf-8")
    print(table)


class Lab:
    """One model, its problems, and the trainings that are done."""

    def __init__(self, args: argparse.Namespace, families: list[Family], grade: Grade) -> None:
        self.args, self.families, self.grade = args, families, grade
        self.ladder = list(build_suite(families, args.validation, split="validation", seed=0).problems)
        self.test = build_suite(families, args.test, split="test", seed=0)

    def base(self) -> dict[str, Any]:
        """The untrained model on the test problems."""

        def work() -> dict[str, Any]:
            play, policy = self._loop("dr_grpo", 3e-4, 0)
            return {"test": self._tested(policy.propose, 0), "start": play.start()["ladder"]}

        return self._once("base", work)

    def budget(self) -> float:
        """FLOPs of the default's updates."""

        def work() -> dict[str, Any]:
            play, _ = self._loop("dr_grpo", 3e-4, 0)
            flops = [play.play(r)["flops"] for r in range(self.args.warm)]
            return {"flops": flops[-1] / (self.args.warm * self.args.per_round) * self.args.updates}

        return float(self._once("budget", work)["flops"])

    def arm(self, name: str, budget: float) -> None:
        """Try each rate with the first seed, then train all seeds at the best one."""
        for rate in self.args.rates:
            self._trained(name, rate, 0, budget)
        for seed in range(1, self.args.seeds):
            self._trained(name, self.chosen(name), seed, budget)

    def chosen(self, name: str) -> float:
        """The rate with the best validation accuracy; of equals the smaller."""
        known = {rate: self._read(self._name(name, rate, 0)) for rate in self.args.rates}
        scores: dict[float, float] = {r: _mean(found["rows"][-1]["ladder"]) for r, found in known.items() if found}
        best = max(scores.values())
        return min(rate for rate, score in scores.items() if score == best)

    def results(self, base: dict[str, Any], budget: float) -> dict[str, Any]:
        """What all finished arms came to."""
        arms = {}
        for name in self.args.arms:
            rate = self.chosen(name)
            found = [self._read(self._name(name, rate, seed)) for seed in range(self.args.seeds)]
            arms[name] = {"rate": rate, "runs": [one for one in found if one]}
        settings = {name: str(value) for name, value in vars(self.args).items()}
        where = {"revision": environment.revision(), "machine": environment.machine("cpu")}
        return {"settings": settings, "budget": budget, "base": base, "arms": arms, **where}

    def _trained(self, name: str, rate: float, seed: int, budget: float) -> None:
        self._once(self._name(name, rate, seed), lambda: self._train(name, rate, seed, budget))

    def _train(self, name: str, rate: float, seed: int, budget: float) -> dict[str, Any]:
        """Rounds until the budget is spent; validation after each, test problems at the end."""
        play, policy = self._loop(name, rate, seed)
        rows = [{"flops": 0.0, "seconds": 0.0, "ladder": play.start()["ladder"]}]
        while rows[-1]["flops"] < budget:
            row = play.play(len(rows) - 1)
            kept = {key: row[key] for key in ("flops", "ladder", "entropy", "dead_groups", "tokens", "metrics")}
            seconds = sum(part["seconds"] or 0.0 for purpose, part in row["work"].items() if purpose != "measuring")
            rows.append({**kept, "seconds": rows[-1]["seconds"] + seconds})
        return {
            "rows": rows,
            "test": self._tested(policy.propose, seed),
            "updates": (len(rows) - 1) * self.args.per_round,
        }

    def _loop(self, name: str, rate: float, seed: int) -> tuple[SelfPlay, Any]:
        args = self.args
        shared = (
            f"model={json.dumps(args.model)}",
            f"seed={seed}",
            "rounds=1000",
            f"updates={args.per_round}",
            "parity.every=0",
            f"threads={args.threads}",
            f"sampling.problems={args.prompts}",
            "verifier.enabled=false",
        )
        rates = (f"trainer.learning_rate={rate}", f"critic.learning_rate={5e-4}")
        config = load(Run, None, [*shared, *ARMS[name], *rates])
        needs.check(config)
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

    def _tested(self, propose: Any, seed: int) -> list[float]:
        """One answer to each test problem, in their order; what could not be graded counts as wrong."""
        bench = measure.Bench(self.grade, run_async, Run().evaluation, Run().sampling.max_tokens, seed)
        scores = measure.accuracy(bench, propose, self.test, temperature=1.0)
        return [tries[0] if tries else 0.0 for tries in scores.tries_P]

    def _name(self, name: str, rate: float, seed: int) -> str:
        return f"{name.replace(' ', '_')}-{rate:g}-{seed}"

    def _once(self, name: str, work: Any) -> dict[str, Any]:
        """Do `work` unless its file is there."""
        known = self._read(name)
        if known is not None:
            return known
        started = time.monotonic()
        found: dict[str, Any] = work()
        write_json(self.args.out / f"{name}.json", found)
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
        return found

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.args.out / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _mean(ladder: dict[str, list[float]]) -> float:
    """The mean over families of the mean over problems."""
    rates = [sum(some) / len(some) for some in ladder.values() if some]
    return sum(rates) / len(rates) if rates else 0.0


def _table(results: dict[str, Any]) -> str:
    """Rows by test accuracy; the gain over the default is paired by problem, seeds averaged."""
    base = results["base"]["test"]
    lines = [
        f"Untrained: {100 * sum(base) / len(base):.1f} %. Budget: {results['budget']:.3g} FLOPs.",
        "",
        "| arm | rate | test accuracy | gain over dr_grpo | updates | seconds | asymptote | foreseen | unchanged |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    default = _averaged(results["arms"].get("dr_grpo"))
    found = [(name, arm, _averaged(arm)) for name, arm in results["arms"].items() if arm["runs"]]
    for name, arm, test_P in sorted(found, key=lambda entry: -sum(entry[2])):
        mean = mean_interval(test_P)
        gain = paired_interval(default, test_P) if default and name != "dr_grpo" else None
        runs = arm["runs"]
        cells = [
            name,
            f"{arm['rate']:g}",
            f"{100 * mean.y:.1f} ({100 * mean.low:.1f} to {100 * mean.high:.1f})" if mean else "-",
            f"{100 * gain.y:+.1f} ({100 * gain.low:.1f} to {100 * gain.high:.1f})" if gain else "-",
            f"{sum(run['updates'] for run in runs) / len(runs):.0f}",
            f"{sum(run['rows'][-1]['seconds'] for run in runs) / len(runs):.0f}",
            *_fitted(runs),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _averaged(arm: dict[str, Any] | None) -> list[float]:
    """Test accuracy of each problem, over the seeds."""
    tests = [run["test"] for run in arm["runs"]] if arm else []
    return [sum(some) / len(some) for some in zip(*tests, strict=True)]


def _fitted(runs: Sequence[dict[str, Any]]) -> tuple[str, str, str]:
    """Asymptote of the sigmoid, its error on the held-out tail, and that of "no change", over all seeds together."""
    points = [(row["flops"], _mean(row["ladder"])) for run in runs for row in run["rows"]]
    fit = fit_sigmoid(points)
    if not isinstance(fit, SigmoidFit):
        return "-", "-", "-"
    asymptote = "at its bound" if fit.is_at_bound else f"{100 * fit.asymptote:.0f} %"
    unchanged = "-" if fit.unchanged_error is None else f"{100 * fit.unchanged_error:.1f}"
    return asymptote, f"{100 * fit.tail_error:.1f}", unchanged


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--problems", default="arithmetic,cipher,countdown")
    parser.add_argument("--arms", default=",".join(ARMS), help="names separated by commas")
    parser.add_argument("--quick", action="store_true", help="one seed, two rates, small updates")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--updates", type=int, help="updates of the default that the budget pays for")
    parser.add_argument("--rates", help="learning rates to choose from")
    parser.add_argument("--prompts", type=int, help="problems of an update")
    parser.add_argument("--test", type=int, help="test problems a family")
    parser.add_argument("--validation", type=int, help="validation problems a family, two answers each")
    parser.add_argument("--per-round", type=int, dest="per_round", help="updates between two validations")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    whole = {"seeds": 5, "updates": 24, "rates": "1e-4,3e-4,1e-3", "prompts": 36, "test": 300, "validation": 64}
    quick = {"seeds": 1, "updates": 6, "rates": "3e-4,1e-3", "prompts": 12, "test": 60, "validation": 24}
    for name, value in (quick if args.quick else whole).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    args.per_round = args.per_round or (1 if args.quick else 2)
    args.warm = 1
    args.rates = [float(rate) for rate in args.rates.split(",")]
    args.problems = args.problems.split(",")
    args.arms = [name.strip() for name in args.arms.split(",")]
    unknown = [name for name in args.arms if name not in ARMS]
    if unknown:
        parser.error(f"no arm called {', '.join(unknown)}; there are {', '.join(ARMS)}")
    return args


if __name__ == "__main__":
    main()
