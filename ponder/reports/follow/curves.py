"""The curves that are watched, each with its name, its unit and where it stands in a row."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ponder.reports.follow.state import State

BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Watched:
    """A curve: `share` is shown in per cent."""

    name: str
    keys: tuple[str, ...]
    share: bool = False
    digits: int = 2


CURVES = (
    Watched("validation accuracy", ("validation", "mean"), share=True),
    Watched("verifier AUC", ("verifier", "auc")),
    Watched("only the verifier likes", ("agreement", "only_verifier"), share=True),
    Watched("groups without gradient", ("dead_groups",), share=True),
    Watched("entropy, nats a token", ("entropy",)),
    Watched("sampler mismatch", ("kl_mismatch",)),
    Watched("gradient norm", ("grad_norm",)),
)


def families(state: State, key: str) -> list[str]:
    """The families that have a number below `key`, in order of first appearance; the mean is none."""
    found: dict[str, None] = {}
    for row in state.rows:
        values = row.get(key)
        if isinstance(values, dict):
            found.update(dict.fromkeys(name for name in values if name != "mean"))
    return list(found)


def shown(value: float, curve: Watched) -> str:
    """A number as a curve's axis has it."""
    return f"{100 * value:.1f} %" if curve.share else f"{value:.{curve.digits}g}"


def spark(values: list[float], width: int) -> str:
    """`values` as a row of bars from the least to the greatest, at most `width`; older ones are drawn together."""
    if not values:
        return ""
    if len(values) > width:
        edges = [round(i * len(values) / width) for i in range(width + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(values), max(values)
    if high <= low:
        return BARS[3] * len(values)
    return "".join(BARS[min(7, int(8 * (v - low) / (high - low)))] for v in values)
