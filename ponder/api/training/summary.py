"""`summary.json`: everything that a run measured, in one place, with intervals. The report is a function of it."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ponder.api.policies import Policy
from ponder.evaluation import tables
from ponder.evaluation.curves import scaling as curves
from ponder.evaluation.curves.fits import SigmoidFit, fit_sigmoid
from ponder.evaluation.suite import Scores, Suite
from ponder.models.size import flops_per_token, parameters
from ponder.runlog import environment
from ponder.selfplay import accounts, measure
from ponder.selfplay.accounts import Part, Peak
from ponder.selfplay.config import Run
from ponder.selfplay.ledger import Ledger
from ponder.selfplay.monitors import health
from ponder.selfplay.monitors import reward_hacking as watch
from ponder.version import VERSION

SCHEMA = 1


@dataclass(frozen=True)
class ControlArm:
    """What an arm of equal work came to: tries on the main suite, solve rates on the ladder, the report of its work.

    Both arms are kept like this, `cloning` holding the report of whichever it is.
    """

    tries: list[list[float]]
    ladder: dict[str, list[float]]
    cloning: dict[str, Any]
    seconds: float

    def scores(self, main: Suite, temperature: float) -> Scores:
        return Scores(main, temperature, tuple(map(tuple, self.tries)))


@dataclass(frozen=True)
class Measured:
    """What the measuring stage found: outcomes by suite of each arm, the thinking-time runs, transcripts.

    `evaluation` is what measuring cost, in token-equivalents; `sampling` the policy's work in it, `scoring` the
    verifier's in FLOPs.
    """

    base: dict[str, Scores]
    final: dict[str, Scores]
    control: Scores | None
    control_arm: ControlArm | None
    thinking_base: measure.Thinking
    thinking: measure.Thinking
    transcripts: list[dict[str, Any]]
    story: dict[str, Any] | None
    evaluation: float
    sampling: Part
    scoring: float
    rejection: Scores | None = None
    rejection_arm: ControlArm | None = None


def summarise(
    config: Run,
    policy: Policy,
    ledger: Ledger,
    rows: list[dict[str, Any]],
    measured: Measured,
    seconds: dict[str, float],
    started: float,
) -> dict[str, Any]:
    """The summary as plain data."""
    base, final, seed = measured.base, measured.final, config.seed
    token = flops_per_token(policy.model.config, 128)
    rate = accounts.peak(policy.model.config, str(policy.model.device), policy.model.dtype)
    control_flops, rejection_flops = (
        arm.cloning["flops"] if arm else None for arm in (measured.control_arm, measured.rejection_arm)
    )
    return {
        "schema": SCHEMA,
        "ponder_version": VERSION,
        "revision": environment.revision(),
        "seed": seed,
        "command": " ".join(["ponder", *sys.argv[1:]]),
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "peak_memory_bytes": environment.peak_memory_bytes(),
        "machine": environment.machine(config.device),
        "versions": environment.versions(),
        "model": {"name": policy.name, "parameters": parameters(policy.model)},
        "accuracy": tables.compare(base["main"], final["main"], measured.control, measured.rejection, seed=seed),
        "greedy": tables.compare(base["greedy"], final["greedy"], seed=seed),
        "decoding": tables.decoding({"base": measure.ways(base), "final": measure.ways(final)}, seed=seed),
        "harder": tables.compare(base["hard"], final["hard"], seed=seed) if "hard" in base else [],
        "unsolved": tables.unsolved(base["tries"], final["tries"], config.evaluation.unsolved_tries, seed=seed),
        "coverage": tables.coverage(base["tries"], final["tries"], seed=seed),
        "token_equivalents": {
            "training": ledger.flops / token,
            "control": None if control_flops is None else control_flops / token,
            "rejection": None if rejection_flops is None else rejection_flops / token,
            "evaluation": measured.evaluation,
        },
        "flops": {"training": ledger.flops, "control": control_flops, "rejection": rejection_flops},
        "work": _work(rows, measured, ledger, rate),
        "curves": {
            "test_time": _test_time(measured.thinking, seed),
            "coverage": asdict(curves.coverage_curve(measured.thinking.pool, seed=seed)),
            "natural": asdict(curves.natural_curve(measured.thinking.pool, seed=seed)),
            "before": {
                "test_time": _test_time(measured.thinking_base, seed),
                "coverage": asdict(curves.coverage_curve(measured.thinking_base.pool, seed=seed)),
            },
            "train_time": _train_time(rows, measured, seed),
        },
        # What the verifier cost: its own labels and updates, and the run as a whole, since it learned from the
        # samples of the policies that the run trained.
        "verifier_training": {"own": (ledger.labelling + ledger.verifier) / token, "run": ledger.flops / token},
        "verifier_gain": measure.gain_over_vote(measured.thinking, seed),
        "verifier_gain_before": measure.gain_over_vote(measured.thinking_base, seed),
        "rounds": [_round(row, rate) for row in rows],
        "watch": watch.gathered(rows),
        "health": health.gathered(rows),
        "transcripts": measured.transcripts,
        "story": measured.story,
        "episodes": None
        if base["main"].turns is None
        else {"environment": config.environment.kind, "base": base["main"].turns, "final": final["main"].turns},
    }


def _round(row: dict[str, Any], rate: Peak) -> dict[str, Any]:
    """A row of the report, its work with utilisations."""
    shown = {key: value for key, value in row.items() if key not in ("ladder", "time", "step")}
    return {**shown, "work": accounts.table(accounts.read(row), rate)} if "work" in row else shown


def _work(rows: list[dict[str, Any]], measured: Measured, ledger: Ledger, rate: Peak) -> dict[str, Any]:
    """Work by purpose: `parts` of all rounds, `rounds` as a whole by the clock on the wall, and what came after."""
    parts = accounts.gathered(rows)
    whole = Part(sum(part.flops for part in parts.values()), ledger.seconds)
    later = {"evaluation": measured.sampling, "evaluation_scoring": Part(measured.scoring, None)}
    if measured.rejection_arm is not None:
        done = measured.rejection_arm.cloning
        learning = Part(done["flops"] - done["sampling_flops"], done["seconds"])
        later = {"rejection_sampling": Part(done["sampling_flops"], None), "rejection": learning, **later}
    if measured.control_arm is not None:
        cloning = measured.control_arm.cloning
        later = {"control": Part(cloning["flops"], cloning.get("seconds")), **later}
    return {
        "rate": asdict(rate),
        "parts": accounts.table(parts, rate),
        "rounds": accounts.table({"whole": whole}, rate)["whole"],
        "after": accounts.table(later, rate),
    }


def _test_time(thinking: measure.Thinking, seed: int) -> dict[str, list[dict[str, Any]]]:
    families = dict.fromkeys(entry.problem.family for entry in thinking.pool.entries)
    named: dict[str, str | None] = {"all": None, **{family: family for family in families}}
    return {key: [asdict(curve) for curve in thinking.curves(family, seed)] for key, family in named.items()}


def _train_time(rows: list[dict[str, Any]], measured: Measured, seed: int) -> dict[str, Any]:
    """Accuracy on the ladder against training FLOPs, the sigmoid fitted to its head, and the control's end point."""
    points = [(row["flops"], row["ladder"]) for row in rows]
    curve = curves.training_curve("self-play", points, seed=seed)
    fit = fit_sigmoid([(point.x, point.y) for point in curve.points])
    arms = {"continued cloning": measured.control_arm, "rejection sampling": measured.rejection_arm}
    ends = {
        name: None
        if arm is None
        else asdict(curves.training_curve(name, [points[0], (arm.cloning["flops"], arm.ladder)], seed=seed))
        for name, arm in arms.items()
    }
    return {
        "curve": asdict(curve),
        "control": ends["continued cloning"],
        "rejection": ends["rejection sampling"],
        "fit": {**asdict(fit), "is_at_bound": fit.is_at_bound} if isinstance(fit, SigmoidFit) else None,
        "no_fit": None if isinstance(fit, SigmoidFit) else fit.reason,
    }
