"""What the reward-hacking watch says of a run, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ponder.reports import formatting as say
from ponder.reports.run.summary_reader import Summary, at, number, rows, text


def sentences(summary: Summary) -> list[str]:
    """Every alarm, or that there was none, and how many answers only one of two checks accepted."""
    if not isinstance(at(summary, "watch"), Mapping):
        return ["Reward-hacking watch: not recorded."]
    alarms = [_alarm(row) for row in rows(summary, "watch", "alarms")]
    return [*(alarms or ["Reward-hacking watch: no alarm."]), _compared(summary)]


def health(summary: Summary) -> list[str]:
    """What the monitors of a long run found: rejected rounds, alarms with their cause, or that all was quiet."""
    if not isinstance(at(summary, "health"), Mapping):
        return []
    found = [
        f"ALARM, {_when(row)}: {text(row, 'says') or text(row, 'signal') or 'not recorded'}."
        for row in rows(summary, "health", "alarms")
    ]
    rejected = [_rollback(row) for row in rows(summary, "health", "rolled_back")]
    quiet = ["Monitors of the run (entropy, mismatch, groups, repetition, length, verifier): quiet."]
    return [*([*rejected, *found] or quiet), *_chosen(summary)]


def _rollback(row: Mapping[str, Any]) -> str:
    declined = text(row, "signal") == "decline"
    said = "ended a decline, and the run went on from its best policy" if declined else "was rejected and drawn anew"
    return (
        f"ROLLBACK, round {say.count((number(row, 'round') or 0) + 1)} {said} at "
        f"{say.percent(number(row, 'scale'), 0)} of the rate: {text(row, 'says') or 'not recorded'}."
    )


def _chosen(summary: Summary) -> list[str]:
    """Which policy was measured and left, where it is not the last."""
    if text(summary, "chosen", "chosen") != "best":
        return []
    after = say.count((number(summary, "chosen", "round") or 0) + 1)
    return [f"The policy of this run is that after round {after}: {text(summary, 'chosen', 'why') or 'not recorded'}."]


def _when(row: Mapping[str, Any]) -> str:
    which = at(row, "rounds")
    numbers = [n for n in which if isinstance(n, int)] if isinstance(which, list) else []
    return f"rounds {say.joined([say.count(n + 1) for n in numbers])}" if numbers else "rounds not recorded"


def _alarm(row: Mapping[str, Any]) -> str:
    which = at(row, "rounds")
    numbers = [n for n in which if isinstance(n, int)] if isinstance(which, list) else []
    when = say.joined([say.count(n + 1) for n in numbers]) or "not recorded"
    return (
        f"ALARM, {say.human(text(row, 'family') or 'family not recorded')}: {say.percent(number(row, 'share'), 0)} of "
        f"{text(row, 'says') or text(row, 'counter') or 'answers'} (limit {say.percent(number(row, 'limit'), 0)}, "
        f"{say.count(number(row, 'hits'))} of {say.count(number(row, 'of'))} at worst; rounds {when}). Read some of "
        "these answers before you trust the gain."
    )


def _compared(summary: Summary) -> str:
    compared, differ = number(summary, "watch", "compared"), number(summary, "watch", "disagreements")
    if not compared:
        return "Second opinions: no answer had two checks."
    return (
        f"Second opinions: {say.count(differ)} of {say.count(compared)} sampled answers were accepted by only one of "
        f"two independent checks{' (disagreements.jsonl)' if differ else ''}."
    )
