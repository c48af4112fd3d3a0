"""Every number that a run logs: its name, its unit and what it means. The table in docs/metrics.md is made of it.

    python -m ponder.tracking.metrics > docs/metrics.md

`flat` makes the names of a round's row. A name in braces stands for one part of a path: `validation/{family}`. What a
user's own algorithm, loss or reward measures has no entry here and is passed on all the same.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A documented metric. `unit` is "share" for numbers from 0 to 1."""

    name: str
    unit: str
    meaning: str

    def matches(self, name: str) -> bool:
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(self.name))
        return re.fullmatch(pattern, name) is not None


def _of(table: str) -> tuple[Metric, ...]:
    rows = [[part.strip() for part in line.split("|")] for line in table.strip().splitlines()]
    return tuple(Metric(*row) for row in rows)


METRICS: tuple[Metric, ...] = _of(
    """
    validation/mean | share | accuracy on validation problems, two sampled answers each, mean of families
    validation/{family} | share | the same of one family
    solve_rate/{family} | share | right answers among the training answers of the round
    tokens/{family} | tokens | mean length of the training answers
    levels/{family} | level | hardest level that the curriculum has opened
    flops | FLOP | work of training so far: sampling, labels, policy, verifier, rejected rounds included
    seconds | s | time of training so far
    sampled_tokens | tokens | tokens sampled for training so far
    work/{purpose}/flops | FLOP | work of one purpose in this round
    work/{purpose}/seconds | s | time of one purpose in this round
    updates | steps | optimizer steps of the policy in this round
    skipped | steps | steps left out because loss or gradient was not finite
    dead_groups | share | groups without a gradient: all right, all wrong, or one answer
    failures/{failure} | answers | training answers that could not be judged, by the kind of failure
    entropy | nats/token | entropy of the policy at trained tokens
    kl_mismatch | nats/token | mean log-probability of the sampler less that of the trainer, absolute
    grad_norm | | norm of the policy's gradient before clipping
    learning_rate | | rate of the policy's last step
    metrics/reward/{component} | reward | mean of one reward component over all answers, its weight included
    metrics/parity_gap | nats/token | difference of engine and trainer on the same texts
    metrics/critic_loss | | loss of the critic
    metrics/explained_variance | share | part of the variance of returns that the critic foresaw
    metrics/return_mean | reward | mean return of trained tokens before whitening
    metrics/return_deviation | reward | standard deviation of those returns
    metrics/kept_share | share | answers that rejection sampling imitates
    metrics/staleness/mean | updates | how many updates behind the weights were that drew the tokens learned from
    metrics/staleness/most | updates | the same of the oldest token
    metrics/staleness/waited_seconds | seconds | time that learning waited for answers to an update
    metrics/verifier/only_verifier | share | training answers that are wrong and that the verifier scores 0.5 or more
    metrics/verifier/only_truth | share | training answers that are right and that the verifier scores below 0.5
    metrics/verifier/gap | score | mean score of the verifier less the solve rate, on training answers
    metrics/verifier/auc | share | chance that a right training answer scores above a wrong one
    metrics/role/{role} | reward | mean reward of one role (seat, proposer, solver)
    metrics/{game}/against {opponent} | share | mean result against an opponent that does not learn
    metrics/{game}/exploitability | chips | what best responses win against the policy
    metrics/{game}/value | chips | result of the first seat when the policy plays itself
    metrics/{game}/illegal | share | moves or matches with an illegal answer
    metrics/{game}/none | share | matches that ended without an answer
    metrics/{game}/failed | share | matches that broke down
    metrics/{game}/first_seat | share | mean result of the first seat
    metrics/{game}/draws | share | drawn matches
    metrics/{game}/moves | moves | mean length of a match
    metrics/mixed_share | share | groups with both right and wrong answers
    metrics/refills | draws | extra draws of an update to fill it with mixed groups
    metrics/drawn_groups | groups | groups drawn for an update, refills included
    metrics/retired | problems | problems taken out because they are solved
    metrics/retired_again | problems | retired problems asked again
    metrics/rationalised | answers | answers drawn with the hint of the key (STaR)
    metrics/hint_leaks | answers | of these left out because the hint is in them
    metrics/teacher_kl | nats/token | log-probability of the policy less the teacher's, on own answers
    metrics/pairs | pairs | pairs of a better and a worse answer in an update
    metrics/blamed_place | steps | mean number of blamed steps of a wrong answer
    metrics/prover_value | share | mean value of steps under the prover (PAV)
    metrics/implicit_reward | reward | mean sum of token rewards of the implicit model (PRIME)
    metrics/implicit_loss | nats | loss of the implicit reward model
    metrics/steps_per_node | steps | steps of answers for each different node of the tree
    metrics/rollout_value | share | mean value of steps by auxiliary rollouts (VinePPO)
    metrics/judge_score | share | mean opinion of a judging model
    metrics/judge_agreement | share | how often a judging model and ground truth agree
    metrics/judge_failures | share | how often a judging model gave no opinion
    metrics/auxiliary_rollouts | answers | rollouts that are counted and not trained on
    metrics/prover/{number} | | what the prover-verifier game measured on problems that it never trains on
    metrics/proposer/{number} | | what the proposer of problems did: shares refused by reason, solve rate, level, pay
    metrics/turns/{cell} | share | answers by first and last turn: right_right, right_wrong, wrong_right, wrong_wrong
    metrics/turns/first | share | accuracy of the first turn
    metrics/turns/last | share | accuracy of the last turn
    metrics/calls/answers | answers | training answers that were judged, in a run with tools
    metrics/calls/share | share | of these that called a tool
    metrics/calls/per_answer | calls | mean number of calls
    metrics/calls/right_with | share | right ones among answers with a call
    metrics/calls/right_without | share | right ones among answers without a call
    metrics/loss/clip_fraction | share | trained tokens (or rows) whose gradient the clip removed
    metrics/loss/kl_reference | nats/token | estimate of the divergence from the policy at the start
    metrics/loss/correction_weight | ratio | mean weight that corrects sampler to learner
    metrics/loss/correction_cut | share | tokens whose correction met its cap
    metrics/loss/covariance_share | share | tokens chosen by Clip-Cov or KL-Cov
    metrics/loss/sequence_ratio | ratio | mean ratio of whole answers (GSPO)
    metrics/loss/margin | nats | implicit reward of the better answer less that of the worse (DPO)
    metrics/loss/preference_accuracy | share | pairs whose better answer has the larger implicit reward (DPO)
    metrics/loss/preference_loss | nats | loss of a pair (DPO)
    turns/{cell} | share | validation answers by first and last turn
    calls/answers | answers | validation answers that were judged, in a run with tools
    calls/share | share | of these that called a tool
    calls/per_answer | calls | mean number of calls
    calls/right_with | share | right ones among answers with a call
    calls/right_without | share | right ones among answers without a call
    agreement/n | answers | validation answers on which verifier and truth were compared
    agreement/only_verifier | share | validation answers that are wrong and that the verifier scores 0.5 or more
    agreement/only_truth | share | validation answers that are right and that the verifier scores below 0.5
    agreement/gap | score | mean score of the verifier less the solve rate, on validation answers
    agreement/auc | share | chance that a right validation answer scores above a wrong one
    verifier/n | steps | validation steps with fresh labels
    verifier/base_rate | share | right ones among them
    verifier/auc | share | chance that a right step scores above a wrong one
    verifier/accuracy | share | steps on the right side of 0.5
    verifier/precision | share | right ones among the steps scored 0.5 or more
    verifier/recall | share | right steps that are scored 0.5 or more
    verifier/ece | score | expected calibration error
    verifier/first_bad_step_f1 | share | F1 of finding the first step after which most rollouts fail
    health/rate_scale | ratio | factor on the learning rates after rollbacks
    health/rollbacks | rounds | rounds rejected so far
    health/alarms | alarms | alarms of this round
    health/repetition | share | training answers of which more than half was said before
    health/length | tokens | mean length of all training answers
    health/cut | share | training answers cut by the limit
    health/live | share | groups with a gradient
    health/solved | share | right ones among all training answers
    watch/{counter} | share | what the reward-hacking watch counts, all families together
    watch/disagreements | answers | sampled answers that only one of two independent checks accepts
    stage | | which stage of the run, counted from 0
    """
)

# Parts of a row that are numbers by name, and what their names begin with.
_TABLES = (
    "validation", "solve_rate", "tokens", "levels", "failures", "metrics", "agreement", "verifier", "turns", "calls",
)  # fmt: skip
_NUMBERS = (
    "flops",
    "seconds",
    "sampled_tokens",
    "updates",
    "skipped",
    "dead_groups",
    "entropy",
    "kl_mismatch",
    "grad_norm",
    "learning_rate",
    "stage",
)
_READINGS = ("repetition", "length", "cut", "live", "solved")


def flat(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a round's row by their documented names; what was not measured is absent."""
    return {name: float(value) for name, value in _named(row) if _is_number(value)}


def described(name: str) -> Metric | None:
    """The entry of a logged name; None: it is not documented."""
    return next((metric for metric in METRICS if metric.matches(name)), None)


def markdown() -> str:
    """The page docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "Every number that `ponder run` gives to a tracker (`tracking`). A part in braces stands for one name.",
        "The same are in `metrics.jsonl`, nested. Made by `python -m ponder.tracking.metrics > docs/metrics.md`.",
        "",
        "| name | unit | meaning |",
        "|---|---|---|",
        *(f"| `{metric.name}` | {metric.unit} | {metric.meaning} |" for metric in METRICS),
    ]
    return "\n".join(lines) + "\n"


def _named(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, row.get(name)) for name in _NUMBERS)
    for table in _TABLES:
        yield from ((f"{table}/{name}", value) for name, value in (row.get(table) or {}).items())
    for purpose, part in (row.get("work") or {}).items():
        yield from ((f"work/{purpose}/{name}", part.get(name)) for name in ("flops", "seconds"))
    health = row.get("health") or {}
    readings = health.get("readings") or {}
    yield from ((f"health/{name}", readings.get(name)) for name in _READINGS)
    if health:
        yield "health/rate_scale", health.get("rate_scale")
        yield "health/rollbacks", len(health.get("rolled_back", ()))
        yield "health/alarms", len(health.get("alarms", ()))
    yield from _watched(row.get("watch") or {})


def _watched(watch: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for counter, families in (watch.get("counts") or {}).items():
        hits, of = (sum(pair[place] for pair in families.values()) for place in (0, 1))
        if of:
            yield f"watch/{counter}", hits / of
    yield "watch/disagreements", watch.get("disagreements")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


if __name__ == "__main__":
    sys.stdout.write(markdown())
