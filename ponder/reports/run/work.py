"""How much of the machine a run used, in words: the model FLOPs utilisation (MFU). The table is `tables.work`.

The denominator is the machine's own rate of a matrix product, measured by the run and named beside every table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ponder.reports import formatting as say
from ponder.reports.run.summary_reader import Summary, at, number, text

PARTS = {
    "rollout": "Rollout",
    "labelling": "Rollouts for step labels",
    "update": "Policy update",
    "verifier_update": "Verifier update",
    "verifier_scoring": "Verifier, scoring",
    "measuring": "Rollouts that measure",
}
AFTER = {
    "control": "Control, updates",
    "evaluation": "Measuring at the end, policy",
    "evaluation_scoring": "Measuring at the end, verifier",
}


def rate(data: Mapping[str, Any]) -> str:
    """The denominator in words, from the object that holds a `rate`; empty if it was not recorded."""
    found = at(data, "rate")
    speed, threads = number(found, "flops_per_second"), number(found, "threads")
    sides = [number(found, side) for side in ("rows", "inner", "columns")]
    if speed is None or None in sides:
        return ""
    product = " × ".join(say.count(side) for side in sides)
    where = text(found, "device") or "an unknown device"
    using = f", {say.count(threads)} {'thread' if threads == 1 else 'threads'}" if threads and where == "cpu" else ""
    return (
        f"MFU is against {say.power(speed)} FLOPs a second, the best measured rate of a {product} product "
        f"({text(found, 'dtype') or 'unknown type'}, {where}{using})."
    )


def note(summary: Summary) -> str:
    """What the table's seconds are and what its utilisation is measured against."""
    against = rate(at(summary, "work") or {})
    return (
        f"{against} Seconds of rollouts are those in which the engine was busy, those of updates are whole updates; "
        "grading, packing and saving show only in the line by the clock."
    ).strip()


def thinking(metrics: Summary) -> str | None:
    """What `ponder eval` computed: policy with its utilisation, verifier apart; None where it was not recorded."""
    work = at(metrics, "work")
    policy, verifier = (number(work, "parts", name, "flops") for name in ("policy", "verifier"))
    if policy is None:
        return None
    apart = "" if verifier is None else f" The verifier's own: {say.power(verifier)} FLOPs."
    seconds, share = (number(work, "parts", "policy", name) for name in ("seconds", "mfu"))
    return (
        f"The policy computed {say.power(policy)} FLOPs in {say.duration(seconds)} of a busy engine, "
        f"MFU {say.percent(share)}.{apart} {rate(work)}"
    ).strip()


def sentence(summary: Summary) -> str | None:
    """Rollout and update in one line for the terminal; None if nothing was recorded."""
    work = at(summary, "work")
    rollout, update = (number(work, "parts", name, "mfu") for name in ("rollout", "update"))
    if rollout is None and update is None:
        return None
    whole = say.percent(number(work, "rounds", "mfu"))
    return (
        f"Model FLOPs utilisation: rollout {say.percent(rollout)}, update {say.percent(update)}, rounds by the clock "
        f"{whole}. {rate(work)}"
    ).strip()
