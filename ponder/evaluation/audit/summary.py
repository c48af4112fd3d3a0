"""The audit in one sentence: does the policy or the verifier limit, and how many samples are worth paying for.

At the largest N, what is lost for want of a right sample (1 - pass@N) is the policy's; what is lost although one was
there (pass@N - the best choice) is the verifier's. The larger loss limits; where the interval of their difference holds
0, neither clearly does. Samples are worth paying for up to the first N that all larger ones beat by less than a point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ponder.evaluation.intervals import Interval, paired_interval

POINT = 0.01
HUMAN = {
    "best_of_n": "best-of-N",
    "weighted_vote": "the weighted vote",
    "accept_reject": "accepting and rejecting",
}


def worth(ns: Sequence[int], curves_NP: Mapping[str, Sequence[Sequence[float]]], *, seed: int = 0) -> dict[str, Any]:
    """What limits at the largest N, which choice is best there, and how many samples pay.

    `curves_NP`: by name, one list of values over problems for each of `ns`.
    """
    means = {name: [sum(v) / len(v) for v in rows] for name, rows in curves_NP.items()}
    best = max(HUMAN, key=lambda name: means[name][-1])
    covered, picked = curves_NP["pass"][-1], curves_NP[best][-1]
    policy = [1.0 - c for c in covered]
    verifier = [c - y for c, y in zip(covered, picked, strict=True)]
    gap = paired_interval(policy, verifier, seed=seed)
    over_majority = paired_interval(curves_NP["majority"][-1], picked, seed=seed)
    assert gap is not None and over_majority is not None  # there are problems
    enough = next(i for i in range(len(ns)) if max(means[best][i:]) - means[best][i] < POINT)
    return {
        "largest": ns[-1],
        "choice": best,
        "accuracy": means[best][-1],
        "pass": means["pass"][-1],
        "policy_loss": sum(policy) / len(policy),
        "verifier_loss": sum(verifier) / len(verifier),
        "difference": asdict(gap),
        "limits": _limits(sum(policy) / len(policy), sum(verifier) / len(verifier), gap),
        "over_majority": asdict(over_majority),
        "samples": ns[enough],
        "samples_accuracy": means[best][enough],
        "still_rising": enough == len(ns) - 1,
    }


def _limits(policy: float, verifier: float, gap: Interval) -> str:
    if max(policy, verifier) < POINT:
        return "neither"
    return "verifier" if gap.low > 0 else "policy" if gap.high < 0 else "both"


def sentence(found: Mapping[str, Any]) -> str:
    """From what `audit` found."""
    w, over = found["worth"], found["worth"]["over_majority"]
    who = {
        "verifier": "The verifier limits",
        "policy": "The policy limits",
        "both": "Policy and verifier limit about equally",
        "neither": "Neither limits on these problems, which are too easy to tell",
    }[w["limits"]]
    price = found["cost"]["tokens"] + found["cost"]["judgement"]
    samples = f"{w['samples']} samples" if w["samples"] > 1 else "1 sample"
    worth_paying = (
        f"accuracy still rises at {w['largest']} samples, so at least those are worth paying for"
        if w["still_rising"]
        else f"{samples} (about {w['samples'] * price:.0f} token-equivalents) are worth paying for, after which "
        "no larger number adds a full point"
    )
    against = (
        f"{100 * over['y']:+.1f} points against the majority vote"
        if over["low"] > 0 or over["high"] < 0
        else "no measurable gain over the majority vote"
    )
    return (
        f"{who}: of {w['largest']} samples at least one is right for {w['pass']:.0%} of the problems, and "
        f"{HUMAN[w['choice']]} finds it for {w['accuracy']:.0%} ({against}); {worth_paying}."
    )
