"""What `ponder doctor` prints: fits 80 columns, and commands stand on lines of their own, to be copied."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ponder.api.study.doctor import Check, State

SIGNS = {State.FINE: ("+", "green"), State.MISSING: ("-", "yellow"), State.BROKEN: ("!", "bold red")}


def shown(checks: Sequence[Check], width: int) -> Group:
    """A line a check, cut to the width; under what is not fine what it is for and what mends it."""
    parts: list[RenderableType] = [Text("+ there   - not there, and optional   ! broken\n", style="dim")]
    for check in checks:
        sign, style = SIGNS[check.state]
        line = Text.assemble((f"{sign} ", style), (f"{check.name}: ", "bold"), check.found)
        line.truncate(width, overflow="ellipsis")
        parts.append(line)
        if check.state is not State.FINE:
            parts.append(Text(f"    for {check.needed}", style="dim"))
            if check.mend:
                parts.append(Text(f"    {check.mend}", no_wrap=True, overflow="ignore"))
    fine = sum(check.state is State.FINE for check in checks)
    bad = [check.name for check in checks if check.state is State.BROKEN]
    last = (
        f"Ponder will not work here: {', '.join(bad)}."
        if bad
        else "Ponder works here: try `ponder run --out runs/demo`."
    )
    optional = sum(check.state is State.MISSING for check in checks)
    counted = f"{fine} there, {optional} optional parts missing"
    parts.append(Text(f"\n{counted}. {last}", style="bold red" if bad else "bold"))
    return Group(*parts)
