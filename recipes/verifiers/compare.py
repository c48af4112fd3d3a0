"""All kinds of verifier on the same labels at the same training compute, judged on the same samples. See README.md.

    python recipes/verifiers/compare.py --out runs/verifiers [--model DIR] [--groups 150] [--problems 30]

Every kind trains for the same token-equivalents on trajectories of one policy; none sees a test problem. The pool of
test samples is drawn once (again for the unified model, whose policy moved). Written: `table.md` and `results.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ponder.api.machine import set_threads
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.api.verifiers import cases as judged
from ponder.api.verifiers import training
from ponder.api.verifiers.collecting import collected
from ponder.api.verifiers.judges import judge_cases, judge_of
from ponder.api.verifiers.request import Request, spec_of
from ponder.engines.loop import run as run_async
from ponder.evaluation.audit import verifier_quality as quality
from ponder.evaluation.audit.verifier_quality import Judged
from ponder.evaluation.intervals import Interval, paired_interval
from ponder.evaluation.metrics import majority_at_k
from ponder.evaluation.pools.pool import Live
from ponder.evaluation.pools.runs import run_live
from ponder.labels.labelled import Labelled
from ponder.labels.rows import fingerprint
from ponder.problems.step_truth import good_steps
from ponder.protocols import Judge
from ponder.rollout.collect import collect
from ponder.search.registry import make
from ponder.search.session.verifier_cost import VerifierCost
from ponder.types import Group, Problem

FAMILIES = ("arithmetic", "cipher", "countdown")
MOST_TOKENS = 400
# Name of the row -> settings of `ponder verifier train`.
ARMS: dict[str, dict[str, Any]] = {
    "outcome": {"kind": "outcome"},
    "outcome, half depth": {"kind": "outcome", "depth": 0.5},
    "outcome, quarter depth": {"kind": "outcome", "depth": 0.25},
    "outcome, every token": {"kind": "outcome_per_token"},
    "process, soft labels": {"kind": "process"},
    "process, soft labels, half depth": {"kind": "process", "depth": 0.5},
    "process, hard labels": {"kind": "process", "hard": True},
    "pairwise": {"kind": "pairwise"},
    "value": {"kind": "value"},
    "value, half depth": {"kind": "value", "depth": 0.5},
    "implicit": {"kind": "implicit"},
    "generative": {"kind": "generative"},
    "generative, 1 critique": {"kind": "generative", "critiques": 1},
    "preference": {"kind": "preference"},
    "process, shared trunk": {"kind": "process", "trunk": "shared"},
    "process, frozen trunk": {"kind": "process", "trunk": "frozen"},
    "outcome, frozen trunk": {"kind": "outcome", "trunk": "frozen"},
}
# Kinds that were trained to score prefixes, which is what a beam asks for.
SCORES_PREFIXES = ("outcome_per_token", "process", "pairwise", "value", "implicit")


@dataclass(frozen=True)
class Pool:
    """Judged samples of the test problems, with the truth of their steps."""

    groups: list[Group]
    answers: dict[int, str | None]

    def items(self, judge: Judge) -> list[Judged]:
        cases = [Labelled(t, (), y) for g in self.groups for t, y in g.judged]
        problems = {g.problem.id: g.problem for g in self.groups}
        found = []
        verdicts = run_async(judge_cases(judge, cases))
        bills = [bill for g in self.groups for bill in _bills(judge, g)]
        for case, verdict, (question, cost) in zip(cases, verdicts, bills, strict=True):
            texts = [step.text for step in case.trajectory.steps]
            found.append(
                Judged(
                    case.problem,
                    float(case.outcome or 0.0),
                    len(case.trajectory),
                    cost,
                    self.answers[id(case.trajectory)],
                    verdict.score,
                    verdict.step_scores or (),
                    good_steps(problems[case.problem], texts),
                    question,
                )
            )
        return found


def _bills(judge: Judge, group: Group) -> list[tuple[float, float]]:
    """For each judged trajectory what reading the question costs (once for all), and what judging it costs on top."""
    reading = VerifierCost(judge, group.problem.question)
    opening, costs = reading.opening, [reading.take([trajectory]) for trajectory, _ in group.judged]
    return [(opening, cost - opening * (i == 0)) for i, cost in enumerate(costs)]


def main() -> None:
    """Collect, train, judge, print."""
    args = _arguments()
    set_threads(0)
    args.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    some = load_families(FAMILIES)
    with ground_truth(some) as grader:
        asker = load_policy(args.model)
        request = Request("process", args.out, args.model, problems=FAMILIES, groups=args.groups, seed=args.seed)
        cases = collected(request, asker)
        budget = args.epochs * 3.0 * sum(len(_row(asker, case).tokens) for case in cases)
        print(f"{len(cases)} trajectories to learn from, {budget:.3g} token-equivalents a kind", flush=True)
        problems = draw_problems(some, "test", args.problems, args.seed)
        pool = _pool(asker, problems, grader, args)
        print(f"pool after {time.monotonic() - started:.0f} s", flush=True)
        results = {"baseline": _baseline(pool, args.votes)}
        for name in args.arms.split(";") if args.arms else ARMS:
            at = time.monotonic()
            results[name] = _arm(name, cases, budget, asker, problems, pool, grader, args)
            results[name]["seconds"] = time.monotonic() - at
            print(f"{name}: {results[name]['seconds']:.0f} s", flush=True)
            (args.out / "results.json").write_text(json.dumps(results, indent=1))
    table = _table(results)
    (args.out / "table.md").write_text(table + "\n")
    print(f"\n{table}\n\n{time.monotonic() - started:.0f} s")


def _arm(
    name: str,
    cases: Sequence[Labelled],
    budget: float,
    asker: Policy,
    problems: Sequence[Problem],
    pool: Pool,
    grader: Any,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Train one verifier and measure it."""
    request = Request(out=args.out, model=args.model, seed=args.seed, **ARMS[name])
    shared = request.trunk == "shared"
    asker = load_policy(args.model) if shared else asker
    spec = replace(spec_of(request), tokenizer=fingerprint(asker.tokenizer.get_vocab()))
    stored, fitted = training.fit(request, asker, cases, spec, most_work=budget)
    if shared:  # the policy moved, so it must be asked again
        asker.engine.replace_weights(asker.model.state_dict(), 1)
        pool = _pool(asker, problems, grader, args)
    judge = judge_of(stored, asker)
    items = pool.items(judge)
    fit, held = quality.halves(items, args.seed)
    found: dict[str, Any] = {"steps": fitted.steps, "work": fitted.work, "families": {}}
    found["cost"] = sum(i.cost for i in items) / sum(i.tokens for i in items)
    measures = {
        "f1": quality.step_f1(held, cut=quality.best_cut(fit)),
        "step_auc": quality.step_auc(items),
        "outcome_auc": quality.outcome_auc(items),
        "length": quality.length_sensitivity(items),
    }
    found |= {key: _data(value) for key, value in measures.items()}
    found["calibration"] = _data(quality.calibration(items))
    found["flawed_right"] = _data(quality.flawed_right(items))
    for family in FAMILIES:
        mine = [i for i in items if i.problem.startswith(family)]
        row = _data(quality.selection(mine, args.votes)) or {}
        row["pass_at_1"] = sum(i.outcome for i in mine) / len(mine)
        if request.kind in SCORES_PREFIXES and not shared and args.beam:
            row["beam"] = _data(_beam(family, mine, problems, asker, judge, grader, args))
        found["families"][family] = row
    return found


def _beam(
    family: str,
    mine: Sequence[Judged],
    problems: Sequence[Problem],
    asker: Policy,
    judge: Judge,
    grader: Any,
    args: argparse.Namespace,
) -> Interval | None:
    """Gain of a beam over the majority vote of the pool at that vote's mean spend, paired by problem."""
    some = [p for p in problems if p.family == family][: args.beam]
    budget = args.votes * sum(i.tokens for i in mine) / len(mine)
    live = Live(asker.propose, asker.codec.decode, grader.grade, judge)
    runs = run_async(
        run_live("beam", make("beam", max_tokens=MOST_TOKENS), some, live, max(budget, 64.0), seed=args.seed)
    )
    pools = quality.by_problem(mine)
    votes = {p: majority_at_k([i.answer for i in pools[p]], [i.outcome for i in pools[p]], args.votes) for p in pools}
    pairs = [(votes[p.id], p.accuracy) for p in runs.problems if votes.get(p.id) is not None]
    return paired_interval([v or 0.0 for v, _ in pairs], [a for _, a in pairs], seed=args.seed) if pairs else None


def _pool(asker: Policy, problems: Sequence[Problem], grader: Any, args: argparse.Namespace) -> Pool:
    groups = run_async(
        collect(
            problems, asker.propose, grader.grade, group_size=args.samples, max_tokens=MOST_TOKENS, seed=args.seed + 1
        )
    )
    return Pool(list(groups), {id(t): asker.propose.answer(t) for g in groups for t, _ in g.judged})


def _row(asker: Policy, case: Labelled) -> Any:
    return judged.row(case, asker.propose.prompts.tokens)


def _baseline(pool: Pool, votes: int) -> dict[str, Any]:
    """Majority of `votes` by family."""
    found: dict[str, list[float]] = {}
    for g in pool.groups:
        answers = [pool.answers[id(t)] for t, _ in g.judged]
        value = majority_at_k(answers, [y for _, y in g.judged], votes)
        if value is not None:
            found.setdefault(g.problem.family, []).append(value)
    return {"votes": votes, "families": {family: {"majority": sum(some) / len(some)} for family, some in found.items()}}


def _data(value: Any) -> Any:
    return None if value is None else asdict(value)


def _table(results: dict[str, Any]) -> str:
    """One line a verifier: quality, then the gain over the majority vote at equal spend, family by family."""
    heads = ["first-error F1", "step AUC", "outcome AUC", "ECE", "ECE scaled", "cost"]
    heads += [f"{what} {family}" for family in FAMILIES for what in ("best-of-n", "weighted", "beam")]
    lines = ["| verifier | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, found in results.items():
        if name == "baseline":
            continue
        scaled = found["calibration"] or {}
        cells = [_cell(found[key]) for key in ("f1", "step_auc", "outcome_auc")]
        cells += [_cell(scaled.get("before")), _cell(scaled.get("after")), f"{found['cost']:.2f}"]
        for family in FAMILIES:
            row = found["families"][family]
            cells += [_gain(row.get(key)) for key in ("best_of_n_gain", "weighted_vote_gain", "beam")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    votes = results["baseline"]["votes"]
    majority = ", ".join(f"{f} {row['majority']:.3f}" for f, row in results["baseline"]["families"].items())
    return "\n".join(
        [*lines, "", f"Majority of {votes}: {majority}. Gains in points; * where the interval excludes 0."]
    )


def _cell(found: dict[str, Any] | None) -> str:
    return "-" if found is None else f"{found['y']:.2f}"


def _gain(found: dict[str, Any] | None) -> str:
    if found is None:
        return "-"
    return f"{100 * found['y']:+.1f}{'*' if found['low'] > 0 or found['high'] < 0 else ''}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--groups", type=int, default=450, help="training problems")
    parser.add_argument("--problems", type=int, default=40, help="test problems a family")
    parser.add_argument("--samples", type=int, default=32, help="samples a test problem")
    parser.add_argument("--votes", type=int, default=16, help="the vote at whose spend everything is compared")
    parser.add_argument("--beam", type=int, default=16, help="problems a family for beams; 0 leaves them out")
    parser.add_argument("--epochs", type=float, default=1.0, help="training compute, in passes of the process verifier")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arms", default="", help="rows of the table, separated by semicolons; all unless given")
    return parser.parse_args()


if __name__ == "__main__":
    main()
