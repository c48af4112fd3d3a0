"""Numbers as people read them. Whatever is None is said to be "not measured"."""

from __future__ import annotations

import math

from ponder.printable import printable
from ponder.reports.run.summary_reader import Estimate

NOT_MEASURED = "not measured"
SPACE = "\u00a0"  # a number and its unit stay on one line
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def percent(value: float | None, digits: int = 1) -> str:
    """0.812 -> "81.2 %"."""
    return NOT_MEASURED if value is None else f"{_plain(100 * value, digits)}{SPACE}%"


def percent_range(value: Estimate | None, digits: int = 1) -> str:
    """The interval alone: "78.1 to 84.0 %"."""
    if value is None or value.low is None or value.high is None:
        return f"interval {NOT_MEASURED}"
    return f"{_plain(100 * value.low, digits)} to {percent(value.high, digits)}"


def bounds(value: Estimate | None, digits: int = 1) -> str:
    """The interval alone, below a percentage in a table: "78.1 to 84.0"."""
    return percent_range(value, digits).removesuffix(f"{SPACE}%")


def points(value: float | None, digits: int = 1) -> str:
    """A difference of fractions in percentage points, with its sign: 0.47 -> "+47.0"."""
    if value is None:
        return NOT_MEASURED
    shown = _plain(100 * value, digits)
    return shown if shown.startswith("−") or float(shown) == 0 else f"+{shown}"


def points_range(value: Estimate | None, digits: int = 1) -> str:
    """The interval of a difference: "+44.1 to +50.0"."""
    if value is None or value.low is None or value.high is None:
        return f"interval {NOT_MEASURED}"
    return f"{points(value.low, digits)} to {points(value.high, digits)}"


def count(value: float | None) -> str:
    """950 -> "950", 12400 -> "12,400", 3210000 -> "3.21 million"."""
    if value is None:
        return NOT_MEASURED
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if abs(value) >= size:
            return f"{value / size:.3g}{SPACE}{name}" if abs(value) < 1e15 else power(value)
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"


def short(value: float) -> str:
    """An axis label: 512 -> "512", 4000 -> "4k"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def power(value: float | None, digits: int = 3) -> str:
    """3.14e13 -> "3.14×10¹³"; whole powers drop the factor on axes (`digits=1`)."""
    if value is None:
        return NOT_MEASURED
    if value == 0:
        return "0"
    factor, exponent = f"{value:.{digits - 1}e}".split("e")
    tens = "10" + str(int(exponent)).translate(SUPERSCRIPTS)
    return tens if digits == 1 and factor == "1" else f"{factor}×{tens}"


def parameters(value: float | None) -> str | None:
    """610000 -> "0.61M", 7.2e9 -> "7.2B"; None if unknown."""
    if value is None or value <= 0:
        return None
    size, letter = (1e9, "B") if value >= 1e9 else (1e6, "M") if value >= 1e5 else (1.0, "")
    return f"{value / size:.2g}{letter}" if letter else f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """500 -> "8 min 20 s"."""
    if seconds is None:
        return NOT_MEASURED
    if seconds < 60:
        return f"{seconds:.3g}{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")] if not hours else [(hours, "h"), (minutes, "min")]
    return " ".join(f"{n}{SPACE}{unit}" for n, unit in parts if n)


def memory(size: float | None) -> str:
    """Bytes in decimal units: 1.9e9 -> "1.9 GB"."""
    if size is None:
        return NOT_MEASURED
    unit, name = (1e9, "GB") if size >= 1e9 else (1e6, "MB")
    return f"{size / unit:.2g}{SPACE}{name}" if size < 10 * unit else f"{size / unit:.0f}{SPACE}{name}"


def plain(value: float | None, digits: int = 2) -> str:
    """A bare number with fixed digits."""
    return NOT_MEASURED if value is None else _plain(value, digits)


def joined(names: list[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def human(name: str) -> str:
    """A name in running text: "best_of_n" -> "best of n", on one line, at most 40 characters."""
    clean = " ".join(printable(name.replace("_", " ")).split())
    return clean if len(clean) <= 40 else clean[:39] + "…"


def _plain(value: float, digits: int) -> str:
    """Fixed digits, a real minus sign and no negative zero."""
    shown = f"{value:.{digits}f}" if math.isfinite(value) else str(value)
    if float(shown) == 0:
        shown = shown.lstrip("-")
    return shown.replace("-", "−")
