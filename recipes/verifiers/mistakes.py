"""Real model-written steps with the first error marked: train on half, report on the rest. See README.md.

    python recipes/verifiers/mistakes.py bigbench_mistake_a.jsonl [--model DIR] [--epochs 4]

Rows: {"id", "problem", "steps", "first_error" (index from 0, null for none), "task"}, as in BIG-Bench Mistake
(2311.08516). Baselines: "never wrong", and "the last step is wrong". Rows longer than the model's context are left out
and counted.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.verifiers import training
from ponder.api.verifiers.judges import judge_cases, judge_of
from ponder.api.verifiers.request import Request, spec_of
from ponder.engines.loop import run as run_async
from ponder.evaluation.audit import verifier_quality as quality
from ponder.evaluation.audit.calibration import NO_ERROR, first_error, first_error_f1
from ponder.evaluation.audit.verifier_quality import Judged
from ponder.evaluation.intervals import mean_interval
from ponder.labels.labelled import Labelled
from ponder.labels.rows import fingerprint
from ponder.seeds import derive_seed
from ponder.types import PonderError, Question, Step, StepLabel, StopReason, Trajectory


def main() -> None:
    """Read, train, judge, print."""
    parser = argparse.ArgumentParser(description="A process verifier on real mistakes.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    set_threads(0)
    started = time.monotonic()
    asker = load_policy(args.model)
    rows = [row for row in map(json.loads, args.file.read_text(encoding="utf-8").splitlines()) if row["steps"]]
    cases = [(row, case) for row in rows if (case := _case(row, asker)) is not None]
    if not cases:
        raise PonderError(f"{args.file}: none of {len(rows)} rows fits into {asker.engine.context} tokens")
    print(f"{len(cases)} of {len(rows)} rows fit into the context:", _counts([row for row, _ in cases]), flush=True)
    order = sorted(cases, key=lambda pair: derive_seed("mistakes", args.seed, pair[0]["id"]))
    learn, held = order[::2], order[1::2]
    request = Request("process", Path(), args.model, epochs=args.epochs)
    spec = replace(spec_of(request), tokenizer=fingerprint(asker.tokenizer.get_vocab()))
    stored, fitted = training.fit(request, asker, [case for _, case in learn], spec)
    print(f"{fitted.steps} steps, loss {fitted.loss:.3f}, {time.monotonic() - started:.0f} s", flush=True)
    judge = judge_of(stored, asker)
    cut = quality.best_cut(_judged(judge, learn))
    items = _judged(judge, held)
    print(_report(held, items, cut))
    print(f"{time.monotonic() - started:.0f} s")


def _case(row: dict[str, Any], asker: Policy) -> Labelled | None:
    """The row as a trajectory, its labels up to the first error; None if it does not fit or holds an empty step."""
    leaf: Step | None = None
    for k, text in enumerate(row["steps"]):
        tokens = asker.codec.encode_plain(text.strip() + "\n")
        stop = StopReason.END if k == len(row["steps"]) - 1 else StopReason.STEP
        leaf = Step(tokens, (0.0,) * len(tokens), text, 0, stop, leaf)
    question = Question(row["id"], row["task"], row["problem"])
    assert leaf is not None
    trajectory = Trajectory(question, leaf)
    length = len(asker.propose.prompts.tokens(question)) + len(trajectory)
    if length > asker.engine.context or not all(text.strip() for text in row["steps"]):
        return None
    last = len(row["steps"]) - 1 if row["first_error"] is None else row["first_error"]
    labels = tuple(StepLabel(k, float(k != row["first_error"]), 0) for k in range(last + 1))
    return Labelled(trajectory, labels)


def _judged(judge: Any, pairs: Sequence[tuple[dict[str, Any], Labelled]]) -> list[Judged]:
    verdicts = run_async(judge_cases(judge, [case for _, case in pairs]))
    found = []
    for (row, case), verdict in zip(pairs, verdicts, strict=True):
        wrong = row["first_error"]
        truth = tuple(wrong is None or k < wrong for k in range(len(row["steps"])))
        steps = verdict.step_scores or ()
        clean = float(wrong is None)
        found.append(Judged(case.problem, clean, len(case.trajectory), 0.0, None, min(steps), steps, truth))
    return found


def _report(held: Sequence[tuple[dict[str, Any], Labelled]], items: Sequence[Judged], cut: float) -> str:
    """One line a way to guess: share of exactly right indices, and F1."""
    actual = [NO_ERROR if row["first_error"] is None else row["first_error"] for row, _ in held]
    lasts = [len(row["steps"]) - 1 for row, _ in held]
    guesses = {
        "never wrong": [NO_ERROR] * len(actual),
        "last step wrong": lasts,
        "verifier, cut 0.50": [first_error(i.step_scores_S) for i in items],
        f"verifier, cut {cut:.2f} (from the training half)": [first_error(i.step_scores_S, cut) for i in items],
    }
    lines = ["| guess | exact | first-error F1 |", "|---|---|---|"]
    for name, guess in guesses.items():
        exact = mean_interval([float(g == a) for g, a in zip(guess, actual, strict=True)])
        f1 = first_error_f1(guess, actual)
        assert exact is not None
        lines.append(f"| {name} | {exact.y:.3f} ({exact.low:.3f} to {exact.high:.3f}) | {f1 or 0.0:.3f} |")
    aucs = {"all": quality.step_auc(items)}
    for task in dict.fromkeys(row["task"] for row, _ in held):
        aucs[task] = quality.step_auc([i for (row, _), i in zip(held, items, strict=True) if row["task"] == task])
    found = quality.step_f1(items, cut=cut)
    ranked = ", ".join(f"{t} {a.y:.2f} ({a.low:.2f} to {a.high:.2f})" for t, a in aucs.items() if a is not None)
    interval = "-" if found is None else f"{found.low:.3f} to {found.high:.3f}"
    note = f"Held out: {len(held)}. F1 interval at the chosen cut: {interval}. Step AUC: {ranked}"
    return "\n".join([*lines, "", note])


def _counts(rows: Sequence[dict[str, Any]]) -> str:
    found = Counter(row["task"] for row in rows)
    clean = sum(row["first_error"] is None for row in rows)
    return ", ".join(f"{task} {n}" for task, n in found.items()) + f"; {clean} without an error"


if __name__ == "__main__":
    main()
