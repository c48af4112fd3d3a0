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
