"""Whether a run is slower than its predecessor by more than noise: two result files of one benchmark, row by row.

    python -m benchmarks.compare benchmarks/results/generation.json          against the latest in history/
    python -m benchmarks.compare OLD.json NEW.json [--tolerance 0.1]

Only ratios are compared (both sides of each were measured in turns on the same machine in the same minutes), never
absolute times. A ratio is worse by more than noise if each run's median lies outside the other's range. The range is
what the benchmark wrote beside the median (`ratio_min`, `ratio_max`), and `--tolerance` of it where it wrote none.
Exit status: 0 nothing is worse, 1 something is, 2 there is nothing to compare.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Names of ratios in result files. Of these less is better; of all others more.
LESS = frozenset({"computed_per_distinct", "growth"})
RATIOS = frozenset({"ratio", "speedup", "busy", "busy_in_turn", "busy_without_verifier", "batching", *LESS})
# What a row was measured with. Rows of two files belong together if these agree.
SETTINGS = (
    "model", "parameters", "device", "prompts", "samples", "searches", "branches", "batch", "length", "layers",
    "problems", "budget", "strategy", "judge", "trained", "what", "value", "tokens",
)  # fmt: skip
ALIKE = ("threads", "new_tokens", "prompt_tokens", "line", "levels", "prompt")  # of whole files


@dataclass(frozen=True)
class Measure:
    """A ratio with the range of its turns."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Change:
    """One ratio in both files. `worse` and `better` say that it moved by more than noise."""

    name: str
    old: Measure
    new: Measure
    worse: bool
    better: bool


def measures(data: Any, tolerance: float, name: str = "") -> Iterator[tuple[str, Measure]]:
    """Every ratio below `data` with the settings and keys that lead to it."""
    if isinstance(data, list):
        for item in data:
            yield from measures(item, tolerance, name)
    if not isinstance(data, dict):
        return
    settings = [f"{key}={data[key]}" for key in SETTINGS if isinstance(data.get(key), str | int)]
    here = " ".join([name, *settings]).strip()
    for key, value in data.items():
        if key in RATIOS and isinstance(value, int | float):
            low, high = data.get(f"{key}_min"), data.get(f"{key}_max")
            known = isinstance(low, int | float) and isinstance(high, int | float)
            spread = (low, high) if known else (value * (1 - tolerance), value * (1 + tolerance))
            yield f"{here} {key}".strip(), Measure(value, *spread)
        elif isinstance(value, dict | list):
            yield from measures(value, tolerance, here if isinstance(value, list) else f"{here} {key}")


def compare(old: Any, new: Any, tolerance: float) -> list[Change]:
    """The ratios that both files hold, in the new file's order."""
    before = dict(measures(old, tolerance))
    return [_change(name, before[name], now) for name, now in measures(new, tolerance) if name in before]


def _change(name: str, old: Measure, new: Measure) -> Change:
    fell = new.median < old.low and old.median > new.high
    rose = new.median > old.high and old.median < new.low
    worse, better = (rose, fell) if name.rsplit(maxsplit=1)[-1] in LESS else (fell, rose)
    return Change(name, old, new, worse, better)


def unlike(old: Any, new: Any) -> str | None:
    """Why two files cannot be compared; None if they can."""
    for key in ALIKE:
        if old.get(key) != new.get(key):
            return f"{key} is {old.get(key)} in one and {new.get(key)} in the other"
    one, other = (data.get("machine", {}).get("cpu") for data in (old, new))
    return None if one == other else f"the machines differ: {one} and {other}"


def latest(path: Path) -> Path:
    """The last older result of the same name in `history/` with the same settings, or else the last one."""
    found = sorted((path.parent / "history").glob(f"{path.stem}_[0-9]*.json"), reverse=True)
    if not found:
        raise SystemExit(f"{path.parent / 'history'} holds no older {path.stem}; name two files")
    new = _read(path)
    return next((old for old in found if unlike(_read(old), new) is None), found[0])


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="NEW, or OLD and NEW")
    parser.add_argument("--tolerance", type=float, default=0.1, help="noise where a file has no range of its own")
    options = parser.parse_args()
    if len(options.files) > 2:
        parser.error("give one file or two")
    new = options.files[-1]
    old = options.files[0] if len(options.files) == 2 else latest(new)
    before, after = _read(old), _read(new)
    print(f"{old.name} ({before.get('revision')}) against {new.name} ({after.get('revision')})")
    if reason := unlike(before, after):
        print(f"not compared: {reason}")
        return 2
    changes = compare(before, after, options.tolerance)
    for change in changes:
        verdict = "WORSE" if change.worse else "better" if change.better else "same"
        print(f"{verdict:>7} {change.old.median:8.3f} -> {change.new.median:8.3f}  {change.name}")
    gone = len(dict(measures(before, options.tolerance))) - len(changes)
    print(f"{len(changes)} ratios compared, {sum(c.worse for c in changes)} worse, {gone} of the old ones not measured")
    return 2 if not changes else int(any(change.worse for change in changes))


if __name__ == "__main__":
    sys.exit(main())
