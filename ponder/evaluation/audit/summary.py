"""The audit in few sentences: does the policy or the verifier limit, and how many samples are worth paying for.

At the largest N, what is lost for want of a right sample (1 - pass@N) is the policy's; what is lost although one was
there (pass@N - the best choice) is the verifier's. The larger loss limits; where the interval of their difference holds
0, neither clearly does. Samples are worth paying for up to the first N that all larger ones beat by less than a point.

The best of three rules looks better than it is on the problems that chose it. So rule and number of samples are chosen
on one half of the problems, and every figure here is of the other half. The majority vote pays for no verdicts, so it
is compared at equal spend: it has all N samples, the rule as many as can be drawn and judged for the same tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ponder.evaluation.audit.curves import Pool, chosen
from ponder.evaluation.audit.verifier_quality import affordable
from ponder.evaluation.intervals import Interval, paired_interval

POINT = 0.01
HUMAN = {
    "best_of_n": "best-of-N",
    "weighted_vote": "the weighted vote",
    "accept_reject": "accepting and rejecting",
}


def at_equal_spend(pools: Sequence[Pool], n: int, threshold: float) -> tuple[list[int], dict[str, list[float]]]:
    """What each rule comes to on each problem for the cost of `n` samples that nobody judges.

    Returns how many samples can be drawn and judged for that, and the rules' values with so many.
    """
    afforded = []
    for pool in pools:
        tokens, cost = (sum(getattr(one, name) for one in pool) / len(pool) for name in ("tokens", "cost"))
        afforded.append(affordable(n, tokens, cost))
    values = [chosen(p, [one.score for one in p], m, threshold) for p, m in zip(pools, afforded, strict=True)]
    return afforded, {name: [value[name] for value in values] for name in HUMAN}


def worth(
    ns: Sequence[int],
    curves_NP: Mapping[str, Sequence[Sequence[float]]],
    spend_P: Mapping[str, Sequence[float]],
    chooses_P: Sequence[bool],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """What limits at the largest N, which choice is best there, and how many samples pay.

    `curves_NP`: by name, one list of values over problems for each of `ns`; `spend_P`: the rules' values at the spend
    of a majority vote of the largest N. The problems for which `chooses_P` is true choose, the others are reported.
    """

    def part(values: Sequence[float], choosing: bool) -> list[float]:
        return [value for value, is_choosing in zip(values, chooses_P, strict=True) if is_choosing is choosing]

    best = max(HUMAN, key=lambda name: _mean(part(curves_NP[name][-1], True)))
    rising = [_mean(part(values, True)) for values in curves_NP[best]]
    enough = next(i for i in range(len(ns)) if max(rising[i:]) - rising[i] < POINT)
    covered, picked, majority, afforded, elbow = (
        part(values, False)
        for values in (
            curves_NP["pass"][-1],
            curves_NP[best][-1],
            curves_NP["majority"][-1],
            spend_P[best],
            curves_NP[best][enough],
        )
    )
    policy = [1.0 - c for c in covered]
    verifier = [c - y for c, y in zip(covered, picked, strict=True)]
    gap = paired_interval(policy, verifier, seed=seed)
    over_majority = paired_interval(majority, afforded, seed=seed)
    assert gap is not None and over_majority is not None  # both halves hold problems
    return {
        "largest": ns[-1],
        "choice": best,
        "chosen_on": sum(chooses_P),
        "problems": len(picked),
        "accuracy": _mean(picked),
        "pass": _mean(covered),
        "policy_loss": _mean(policy),
        "verifier_loss": _mean(verifier),
        "difference": asdict(gap),
        "limits": _limits(_mean(policy), _mean(verifier), gap),
        "majority": _mean(majority),
        "over_majority": asdict(over_majority),
        "samples": ns[enough],
        "samples_accuracy": _mean(elbow),
        "still_rising": enough == len(ns) - 1,
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _limits(policy: float, verifier: float, gap: Interval) -> str:
    if max(policy, verifier) < POINT:
        return "neither"
    return "verifier" if gap.low > 0 else "policy" if gap.high < 0 else "both"


def headline(found: Mapping[str, Any]) -> str:
    """What limits, in one short sentence."""
    w = found["worth"]
    who = {
        "verifier": "The verifier limits",
        "policy": "The policy limits",
        "both": "Policy and verifier limit about equally",
        "neither": "Neither limits on these problems, which are too easy to tell",
    }[w["limits"]]
    return (
        f"{who}: {w['pass']:.0%} of the problems have a right answer among {w['largest']} samples, and "
        f"{HUMAN[w['choice']]} solves {w['accuracy']:.0%}."
    )


def details(found: Mapping[str, Any]) -> list[str]:
    """What the verifier adds to a majority vote for the same tokens, how many samples pay, and how this was chosen."""
    w, over = found["worth"], found["worth"]["over_majority"]
    judged = w.get("judged")
    spend = f"{w['largest']} samples" + (f", or {judged:.0f} that are also judged" if judged is not None else "")
    against = (
        f"{HUMAN[w['choice']]} solves {abs(100 * over['y']):.1f} points {'more' if over['y'] > 0 else 'less'} than the "
        f"majority vote (95 % interval {100 * over['low']:+.1f} to {100 * over['high']:+.1f})"
        if over["low"] > 0 or over["high"] < 0
        else f"{HUMAN[w['choice']]} has no measurable gain over the majority vote ({100 * over['y']:+.1f} points, 95 % "
        f"interval {100 * over['low']:+.1f} to {100 * over['high']:+.1f})"
    )
    price = found["cost"]["tokens"] + found["cost"]["judgement"]
    samples = f"{w['samples']} samples" if w["samples"] > 1 else "1 sample"
    is_one = w["samples"] == 1
    worth_paying = (
        f"Accuracy still rises at {w['largest']} samples, so at least those are worth paying for."
        if w["still_rising"]
        else f"{samples} (about {w['samples'] * price:.0f} token-equivalents) {'is' if is_one else 'are'} worth paying "
        "for: more would add less than a point."
    )
    chosen_on = (
        f"The rule and the number of samples were chosen on {w['chosen_on']} problems; these figures are of the other "
        f"{w['problems']}."
    )
    return [
        f"For the same tokens ({spend}), {against}.",
        worth_paying,
        chosen_on,
    ]


def sentence(found: Mapping[str, Any]) -> str:
    """All of it as one paragraph."""
    return " ".join([headline(found), *details(found)])
