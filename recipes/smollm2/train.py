"""SmolLM2-135M-Instruct learns sums and then word problems, on two cores. See README.md.

    python recipes/smollm2/train.py --out runs/smollm2 [--seed 0] [--words gsm8k_train.jsonl] [--quick]

Stages, each of which leaves its result in --out and is not done again: the model (unless --model names a folder), the
problems, the run on sums (`ponder run` with sums.toml: base measured, training, rejection sampling for the same work,
trained model measured), the run on word problems from there, and the page: result.md, result.png, ten transcripts. A
run that was stopped goes on from its last round.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import ponder
from ponder.api.problems import ground_truth
from ponder.api.train import plan_run
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.problems.splits import split_of
from ponder.reports.plot_style import canvas, cycle, legend, png, style
from ponder.rollout.collect import collect
from ponder.runlog.files import write_text
from ponder.selfplay.config import Run

HERE = Path(__file__).parent
# How many numbers are added, the largest of them, the level in the file, and how many such sums there are.
SUMS = ((2, 10, 1, 90), (2, 30, 2, 700), (3, 10, 3, 700))
QUICK = (
    "rounds=2",
    "updates=2",
    "sampling.problems=2",
    "sampling.group_size=4",
    "evaluation.problems=6",
    "evaluation.ladder=4",
    "evaluation.pool_problems=3",
    "evaluation.pool_samples=3",
    "evaluation.unsolved_problems=2",
    "evaluation.unsolved_tries=1",
    "evaluation.budgets=[32, 64]",
)
MOST_STEPS = 2  # of a word problem, counted by the calculator marks of its solution


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    model = options.model or _model(out / "base")
    sums = out / "data" / "sums.jsonl"
    if not sums.exists():
        write_jsonl(sums, sum_rows())
    settings = [
        f"seed={options.seed}",
        f"threads={options.threads}",
        *(QUICK if options.quick else ()),
        *options.changes,
    ]
    runs = {"sums": train(out / f"sums-{options.seed}", "sums.toml", model, sums, settings)}
    if options.words:
        words = out / "data" / "words.jsonl"
        if not words.exists():
            write_jsonl(words, word_rows(options.words))
        learned = out / f"sums-{options.seed}" / "model"
        runs["words"] = train(out / f"words-{options.seed}", "words.toml", str(learned), words, settings)
    page = "\n".join(line for name, summary in runs.items() for line in table(name, summary))
    print(page)
    write_text(out / f"result-{options.seed}.md", page + "\n")
    draw(runs, out / f"result-{options.seed}.png")
    for name in runs:
        data = out / "data" / f"{name}.jsonl"
        print(f"\nTen answers of the trained model to test problems ({name}), greedy:")
        for line in transcripts(out / f"{name}-{options.seed}", data, options.seed):
            print(line)


def sum_rows() -> list[dict[str, Any]]:
    """Sums without repeats, in one order; all orders of the same numbers are in the same split."""
    rng = random.Random("recipes/smollm2")
    rows: list[dict[str, Any]] = []
    known: set[tuple[int, ...]] = set()
    for terms, largest, level, count in SUMS:
        left = count
        while left:
            numbers = tuple(rng.randint(1, largest) for _ in range(terms))
            if numbers not in known:
                known.add(numbers)
                left -= 1
                question = f"What is {' + '.join(map(str, numbers))}?"
                split = split_of(" + ".join(map(str, sorted(numbers))))
                answer = str(sum(numbers))
                row = {"id": f"sum-{len(rows)}", "problem": question, "answer": answer, "level": level, "split": split}
                rows.append(row)
    return rows


def word_rows(path: Path) -> Iterable[dict[str, Any]]:
    """Problems of the GSM8K training file (openai/grade-school-math, MIT) with at most `MOST_STEPS` steps.

    `solution` is the worked solution with its `<<a*b=c>>` marks; one mark is one step, and the level.
    """
    for line in filter(None, path.read_text(encoding="utf-8").split("\n")):  # problems may hold other line ends
        row = json.loads(line)
        steps = row["solution"].count("<<")
        if 1 <= steps <= MOST_STEPS:
            yield {"id": row["id"], "problem": row["problem"], "answer": row["answer"], "level": steps}


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def _model(folder: Path) -> str:
    if not (folder / "config.json").exists():
        command = [sys.executable, "-m", "ponder", "models", "get", "smollm2", "--out", str(folder)]
        subprocess.run(command, check=True, timeout=3600)
    return str(folder)


def train(out: Path, settings: str, model: str, problems: Path, changes: Sequence[str]) -> dict[str, Any]:
    """The run in `out`, begun or continued; its summary."""
    finished = out / "summary.json"
    if finished.exists():
        found: dict[str, Any] = json.loads(finished.read_text(encoding="utf-8"))
        return found
    resume = (out / "config.toml").exists()
    specs = json.dumps([f"jsonl:{problems}"])
    own = [] if resume else [f"model={json.dumps(model)}", f"problems={specs}", *changes]
    plan = plan_run(None if resume else HERE / settings, out=out, settings=own, resume=resume)
    for choice in plan.chosen:
        print(f"{choice.line}: {choice.because}")
    told = [""]

    def tell(stage: str, done: int, total: int, note: str) -> None:
        line = f"{stage} {done}/{total}: {note}"
        if line != told[0]:
            told[0] = line
            print(line, flush=True)

    return ponder.train(plan, out=out, resume=resume, tell=tell).summary


def table(name: str, summary: dict[str, Any]) -> list[str]:
    """Base, trained and rejection sampling with 95 % intervals; votes at equal spend before and after."""
    train, control, measuring = (summary["seconds"][part] / 60 for part in ("train", "control", "evaluation"))
    spent = f"{train:.1f} minutes of training, {control:.1f} of rejection sampling, {measuring:.1f} of measuring"
    lines = [
        f"## {name}, seed {summary['seed']}: {spent}",
        "",
        "| one answer to each test problem | base | trained | gain | rejection sampling | trained beyond it |",
        "|---|---|---|---|---|---|",
    ]
    for kind, rows in (("temperature 1", summary["accuracy"]), ("greedy", summary["greedy"])):
        for row in rows:
            cells = (_cell(row.get(key)) for key in ("base", "final", "gain", "rejection", "over_rejection"))
            where = "mean of the levels" if row["level"] is None else f"level {row['level']}"
            lines.append(f"| {kind}, {where}, n = {row['n']} | " + " | ".join(cells) + " |")
    lines += ["", "| strategy | base: tokens spent, % right | trained: tokens spent, % right |", "|---|---|---|"]
    before, after = summary["curves"]["before"]["test_time"]["all"], summary["curves"]["test_time"]["all"]
    earlier = {curve["name"]: curve["points"] for curve in before}
    for curve in after:
        lines.append(f"| {curve['name']} | {_spent(earlier.get(curve['name'], []))} | {_spent(curve['points'])} |")
    return [*lines, ""]


def _spent(points: Sequence[dict[str, float]]) -> str:
    return "; ".join(f"{point['x']:.0f}, {100 * point['y']:.1f}" for point in points)


def _cell(value: dict[str, float] | None) -> str:
    return "" if value is None else f"{100 * value['y']:.1f} ({100 * value['low']:.1f} to {100 * value['high']:.1f})"


def draw(summaries: dict[str, dict[str, Any]], path: Path) -> None:
    """Accuracy on validation problems by round, and on test problems by thinking spend before and after."""
    with style():
        figure, axes = canvas(2)
        for i, (name, summary) in enumerate(summaries.items()):
            points = summary["curves"]["train_time"]["curve"]["points"]
            axes[0].plot(range(len(points)), [100 * p["y"] for p in points], color=cycle(i).colour, label=name)
            for label, curves, look in (
                ("base", summary["curves"]["before"]["test_time"]["all"], ":"),
                ("trained", summary["curves"]["test_time"]["all"], "-"),
            ):
                vote = [c for c in curves if c["name"] == "vote"]
                for c in vote:
                    xs, ys = [p["x"] for p in c["points"]], [100 * p["y"] for p in c["points"]]
                    axes[1].plot(xs, ys, look, color=cycle(i).colour, label=f"{name}, {label}, vote")
        axes[0].set(xlabel="round", ylabel="right on validation problems, %")
        axes[1].set(xlabel="tokens a question", ylabel="right on test problems, %")
        legend(figure, axes[1])
        png(figure, path)


def transcripts(run: Path, data: Path, seed: int, count: int = 10) -> list[str]:
    """Questions, answers and verdicts to be read: a verdict that is wrong is a fault of the grader."""
    config = load(Run, run / "config.toml")
    policy = ponder.load_policy(str(run / "model"))
    problems = ponder.load_problems(f"jsonl:{data}", split="test", limit=count, seed=seed)
    with ground_truth(problems.families) as truth:
        groups = run_async(
            collect(problems, policy.at(0.0), truth.grade, group_size=1, max_tokens=config.sampling.max_tokens, seed=0)
        )
    lines = []
    for group in groups:
        verdict, trajectory = group.verdicts[0], group.trajectories[0]
        right = "right" if verdict.outcome == 1.0 else verdict.failure or "wrong"
        lines.append(
            f"- {group.problem.question.text}\n  answer: {trajectory.text.strip()!r}\n"
            f"  gold {group.problem.key.answer}: {right} ({verdict.detail})"
        )
    return lines


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/smollm2"))
    parser.add_argument("--model", default="", help="a folder; without one the model is fetched into --out")
    parser.add_argument("--words", type=Path, help="the GSM8K training file as JSON lines with `solution`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="0: OMP_NUM_THREADS, or all cores")
    parser.add_argument(
        "--set", dest="changes", action="append", default=[], metavar="KEY=VALUE", help="of `ponder run`"
    )
    parser.add_argument("--quick", action="store_true", help="minutes: to see that everything works, not to learn")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
