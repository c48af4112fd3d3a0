"""The embedded model learns its own problems: Ponder's update against TRL's GRPOTrainer, on one thread and in turns.

    python -m benchmarks.trl_tiny --out FILE.json [--trl PATH] [--seeds 5] [--steps 20] [--rates 1e-4,3e-4,1e-3]

Both sides begin with the embedded model, draw 8 answers of at most 400 tokens at temperature 1 to each of the same 12
problems in the same order, and are paid 1 for a right answer by the same grader. Everything else is each side's own:
its defaults, and the learning rate of the same list that was best on validation problems with a seed that is not
reported. TRL takes a step, then Ponder takes one, so that a busy machine slows both; seconds are those of the steps
alone. After every `--every` steps one engine answers the same validation problems with the weights of either side.

Reported for each seed: TRL's accuracy at its end and its seconds, and Ponder's seconds and steps until it first
measured as much. Their ratio is the product of two: seconds a step (speed), and steps to the same accuracy (the
algorithm). What is finished is kept in --out; the same command goes on with what is missing.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from benchmarks.machine import about
from ponder.api.policies import load_policy
from ponder.api.problems import ground_truth, load_families
from ponder.api.training.stage import prepared
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.evaluation.suite import Suite, build_suite
from ponder.protocols import Family, Grade
from ponder.runlog.files import write_json
from ponder.selfplay import measure
from ponder.selfplay.config import Run
from ponder.selfplay.loop import SelfPlay
from ponder.types import Group, Problem

FAMILIES = ("arithmetic", "cipher", "countdown")
PROBLEMS, GROUP, MOST_TOKENS, VALIDATION, TUNE_SEED = 12, 8, 400, 60, 1000
Curve = list[tuple[int, float, float]]  # steps, seconds of steps, accuracy


class Fixed:
    """Problems in their order: both sides are asked the same."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems, self.at = list(problems), 0

    def next(self, count: int) -> list[Problem]:
        found = self.problems[self.at : self.at + count]
        self.at += count
        return found

    def observe(self, groups: Sequence[Group]) -> None: ...

    def state(self) -> dict[str, Any]:
        return {"at": self.at}

    def load_state(self, state: dict[str, Any]) -> None:
        self.at = int(state["at"])


@dataclass
class Side:
    """What a side has done: the seconds of each step, and accuracy on the way."""

    seconds: list[float] = field(default_factory=list)
    curve: Curve = field(default_factory=list)

    def note(self, accuracy: float) -> None:
        self.curve.append((len(self.seconds), math.fsum(self.seconds), accuracy))


class Measuring:
    """One engine for the weights of either side."""

    def __init__(self, families: list[Family], grade: Grade, seed: int) -> None:
        self.policy = load_policy("tiny")
        self.suite: Suite = build_suite(families, VALIDATION, split="validation", seed=seed)
        self.bench = measure.Bench(grade, run_async, Run().evaluation, MOST_TOKENS, seed)

    def accuracy(self, weights: dict[str, Tensor]) -> float:
        self.policy.engine.replace_weights(weights, self.policy.engine.version + 1)
        scores = measure.accuracy(self.bench, self.policy.propose, self.suite, temperature=1.0)
        return statistics.fmean(tries[0] if tries else 0.0 for tries in scores.tries_P)


def ponder_side(rate: float, seed: int, families: list[Family], problems: Sequence[Problem], grade: Grade) -> SelfPlay:
    settings = [
        f"seed={seed}",
        "threads=1",
        "verifier.enabled=false",
        "parity.every=0",
        f"sampling.problems={PROBLEMS}",
        f"sampling.group_size={GROUP}",
        f"sampling.max_tokens={MOST_TOKENS}",
        f"trainer.learning_rate={rate}",
    ]
    config = load(Run, None, settings)
    start = prepared(config, families)
    return SelfPlay(config, start.generator, start.verifier, Fixed(problems), grade, [], run_async, lambda *_: None)


class Turns(TrainerCallback):
    """Times TRL's step; then Ponder makes one, and both are measured."""

    def __init__(self, play: SelfPlay, measuring: Measuring, every: int) -> None:
        self.play, self.measuring, self.every = play, measuring, every
        self.trl, self.ponder, self.started = Side(), Side(), 0.0

    def on_train_begin(self, *args: Any, model: Any = None, **_: Any) -> None:
        self._note(model)
        self.started = time.perf_counter()

    def on_step_begin(self, *args: Any, **_: Any) -> None:
        pass

    def on_step_end(self, *args: Any, model: Any = None, **_: Any) -> None:
        self.trl.seconds.append(time.perf_counter() - self.started)
        begun = time.perf_counter()
        self.play.update(0, len(self.ponder.seconds))
        self.ponder.seconds.append(time.perf_counter() - begun)
        if len(self.trl.seconds) % self.every == 0:
            self._note(model)
        self.started = time.perf_counter()

    def _note(self, model: Any) -> None:
        names = self.play.generator.trainer.weights().keys()
        theirs = {name: tensor.detach() for name, tensor in model.state_dict().items() if name in names}
        self.trl.note(self.measuring.accuracy(theirs))
        self.ponder.note(self.measuring.accuracy(self.play.generator.trainer.weights()))


def compared(rate: tuple[float, float], seed: int, steps: int, every: int) -> dict[str, Any]:
    """Both sides from the start, `rate` being TRL's and Ponder's."""
    datasets, trl = (importlib.import_module(name) for name in ("datasets", "trl"))
    families = load_families(FAMILIES)
    with ground_truth(families) as truth, tempfile.TemporaryDirectory() as folder:
        count = PROBLEMS * steps
        problems = [
            families[i % len(families)].problem(i // len(families), split="train", seed=seed) for i in range(count)
        ]
        measuring = Measuring(families, truth.grade, seed)
        play = ponder_side(rate[1], seed, families, problems, truth.grade)
        turns = Turns(play, measuring, every)
        policy = load_policy("tiny")
        known = {problem.question.text: problem for problem in problems}
        ends = set(policy.codec.end_ids)

        def paid(completion_ids: Any, text: Sequence[str], **_: Any) -> list[float]:
            answers = [policy.codec.decode([i for i in ids if i not in ends]) for ids in completion_ids]
            verdicts = truth.grade([known[one] for one in text], answers)
            return [verdict.outcome or 0.0 for verdict in verdicts]

        rows = []
        for problem in problems:
            ids = policy.propose.prompts.tokens(problem.question)
            prompt = policy.codec.decode(ids)
            if tuple(policy.tokenizer(prompt)["input_ids"]) != tuple(ids):
                raise RuntimeError(f"TRL would be asked something else: {prompt!r}")
            rows.append({"prompt": prompt, "text": problem.question.text})
        policy.tokenizer.padding_side = "left"
        config = trl.GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            max_steps=steps,
            per_device_train_batch_size=PROBLEMS * GROUP,
            num_generations=GROUP,
            max_completion_length=MOST_TOKENS,
            gradient_checkpointing=False,
            learning_rate=rate[0],
            lr_scheduler_type="constant",
            temperature=1.0,
            top_k=0,
            shuffle_dataset=False,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            seed=seed,
        )
        trainer = trl.GRPOTrainer(
            model=policy.model,
            reward_funcs=paid,
            args=config,
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=policy.tokenizer,
            callbacks=[turns],
        )
        trainer.train()
    return {"rate": rate, "seed": seed, "trl": turns.trl.__dict__, "ponder": turns.ponder.__dict__}


def best(tuned: Sequence[dict[str, Any]], side: str) -> float:
    """The rate with the highest mean of the last two measurements; of equals the smaller."""
    scores = {run["rate"][side == "ponder"]: statistics.fmean(p[2] for p in run[side]["curve"][-2:]) for run in tuned}
    top = max(scores.values())
    return float(min(rate for rate, score in scores.items() if score == top))


def row(run: dict[str, Any]) -> dict[str, float | None]:
    """TRL's end, and when Ponder first measured as much (None: it did not)."""
    steps, seconds, target = run["trl"]["curve"][-1]
    reached = next((point for point in run["ponder"]["curve"] if point[2] >= target), None)
    step = {side: statistics.median(run[side]["seconds"]) for side in ("trl", "ponder")}
    return {
        "seed": run["seed"],
        "target": target,
        "trl_steps": steps,
        "trl_seconds": seconds,
        "ponder_steps": None if reached is None else reached[0],
        "ponder_seconds": None if reached is None else reached[1],
        "ponder_end": run["ponder"]["curve"][-1][2],
        "trl_step": step["trl"],
        "ponder_step": step["ponder"],
    }


def said(body: dict[str, Any]) -> str:
    lines = [
        f"rates: TRL {body['rates'][0]:g}, Ponder {body['rates'][1]:g} (of {body['tried']}, seed {TUNE_SEED})",
        "| seed | TRL's end, % | its seconds (steps) | Ponder's seconds (steps) to that | ratio | Ponder's end, % |",
        "|---|---|---|---|---|---|",
    ]
    for found in map(row, body["runs"]):
        took = found["ponder_seconds"]
        shown = "never" if took is None else f"{took:.1f} ({found['ponder_steps']:.0f})"
        ratio = "-" if not took else f"{(found['trl_seconds'] or 0.0) / took:.1f}"
        lines.append(
            f"| {found['seed']:.0f} | {100 * (found['target'] or 0):.1f} | {found['trl_seconds']:.0f} "
            f"({found['trl_steps']:.0f}) | {shown} | {ratio} | {100 * (found['ponder_end'] or 0):.1f} |"
        )
    speeds = [(found["trl_step"] or 0.0) / (found["ponder_step"] or 1.0) for found in map(row, body["runs"])]
    if speeds:
        lines.append(f"seconds a step, TRL over Ponder: median {statistics.median(speeds):.1f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trl", default="", help="a folder that holds TRL, if it is not installed here")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--every", type=int, default=2, help="steps between two measurements")
    parser.add_argument("--rates", default="1e-4,3e-4,1e-3")
    options = parser.parse_args()
    if options.trl:
        sys.path.append(options.trl)
    torch.set_num_threads(1)
    known = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    tuned, runs = known.get("tuned", []), known.get("runs", [])

    def keep() -> dict[str, Any]:
        rates = (best(tuned, "trl"), best(tuned, "ponder"))
        body = {**about(), "tried": options.rates, "rates": rates, "tuned": tuned, "runs": runs}
        write_json(options.out, body)
        return body

    for rate in map(float, options.rates.split(",")):
        if all(run["rate"][0] != rate for run in tuned):
            tuned.append(compared((rate, rate), TUNE_SEED, options.steps, options.every))
            print(
                f"rate {rate:g}: TRL {tuned[-1]['trl']['curve'][-1]}, Ponder {tuned[-1]['ponder']['curve'][-1]}",
                flush=True,
            )
            keep()
    body = keep()
    for seed in range(options.seeds):
        if all(run["seed"] != seed for run in runs):
            runs.append(compared(tuple(body["rates"]), seed, options.steps, options.every))
            body = keep()
            print(said(body), flush=True)
    print(said(body))


if __name__ == "__main__":
    main()
