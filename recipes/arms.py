"""What recipes that compare arms over seeds share: options, finished cells, results, intervals over seeds, tables.

from recipes import arms          # scripts run as `python -m recipes.<folder>.<script>` from the root
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.runlog import environment
from ponder.runlog.files import write_json

# The 97.5 % points of Student's t by degrees of freedom, from 1.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_Z = 1.959964


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with its 95 % interval; of a single seed there is none, and the ends are the mean itself."""

    y: float
    low: float
    high: float
    n: int


def parser(doc: str | None, *, out: str | None = None, seeds: int = 1) -> argparse.ArgumentParser:
    """Options of every recipe: where to, which seeds, how many threads."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--out", type=Path, required=out is None, default=None if out is None else Path(out))
    made.add_argument("--seeds", type=int, default=seeds, help="how many seeds")
    made.add_argument("--first-seed", type=int, default=0, help="the first of them")
    made.add_argument("--threads", type=int, default=1)
    return made


def settable(parser: argparse.ArgumentParser) -> None:
    """Adds `--set KEY=VALUE`, a setting of every training of the recipe, as `ponder run` takes them."""
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of every training")


def seeds(options: argparse.Namespace) -> range:
    return range(options.first_seed, options.first_seed + options.seeds)


def chosen(text: str, known: Sequence[str]) -> list[str]:
    """Names separated by commas, all of `known` if there are none; the program ends on one that is not known."""
    names = [name.strip() for name in text.split(",") if name.strip()] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no arm called {', '.join(unknown)}; there are {', '.join(known)}")
    return names


def once(file: Path, work: Callable[[], dict[str, Any]], said: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    """What `file` holds, or what `work` finds, which is written there with the `seconds` it took and said in a line."""
    if file.is_file():
        known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return known
    started = time.monotonic()
    found = work()
    found["seconds"] = time.monotonic() - started
    write_json(file, found)
    print(f"{file.stem}: {said(found)} in {found['seconds']:.0f} s", flush=True)
    return found


def leave(options: argparse.Namespace, table: str, **found: Any) -> None:
    """`results.json` with the settings, the revision and the machine, and the table beside it."""
    settings = {name: str(value) for name, value in vars(options).items() if name != "out"}
    where = {"revision": environment.revision(), "machine": environment.machine("cpu")}
    write_json(options.out / "results.json", {"settings": settings, **found, **where})
    (options.out / "results.md").write_text(table, encoding="utf-8")


def over_seeds(values: Sequence[float | None]) -> Mean | None:
    """The mean and its interval by Student's t: few seeds make it wide, which a bootstrap of five values would hide."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    y, n = math.fsum(known) / len(known), len(known)
    if n == 1:
        return Mean(y, y, y, 1)
    free = n - 1
    t = _T[free - 1] if free <= len(_T) else _far(free)
    half = t * statistics.stdev(known) / math.sqrt(n)
    return Mean(y, y - half, y + half, n)


def _far(free: int) -> float:
    """The 97.5 % point of Student's t for many degrees of freedom (Cornish-Fisher, Abramowitz and Stegun 26.7.5)."""
    z = _Z
    return z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)


def mean(values: Sequence[float | None]) -> float | None:
    """Of what is known."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def percent(found: Mean | float | None, *, sign: bool = False) -> str:
    """In per cent or points, with the interval where there is one."""
    if found is None:
        return "-"
    form = "{:+.1f}" if sign else "{:.1f}"
    if isinstance(found, float):
        return form.format(100 * found)
    text = form.format(100 * found.y)
    return text if found.n == 1 else f"{text} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def number(value: float | None, form: str = "{:.3f}") -> str:
    return "-" if value is None else form.format(value)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, *rows)]
    return "\n".join([lines[0], "|---" * len(header) + "|", *lines[1:]]) + "\n"
