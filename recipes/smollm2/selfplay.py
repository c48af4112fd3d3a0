"""Every part of self-play once on a real model, for a handful of problems, with what was said. See README.md.

    python -m recipes.smollm2.selfplay --model FOLDER --out runs/smollm2-selfplay [--parts corpus,provers]

It shows that the same settings run on a pretrained model and what that model makes of them; it measures nothing. A part
that is finished has a page in --out and is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ponder.api import factory
from ponder.api.machine import set_threads
from ponder.api.training.bare import Played, play_until
from ponder.config import load
from ponder.factory import parquet
from ponder.runlog.files import write_text
from ponder.selfplay.config import Run
from ponder.types import Group
from recipes import arms

CORPUS = Path(__file__).parents[1] / "corpus" / "passages.txt"
# The settings of a training of two updates, and of a part.
SHARED = (
    "rounds=1",
    "updates=2",
    "parity.every=0",
    "evaluation.ladder=2",
    "sampling.problems=6",
    "sampling.group_size=4",
    "sampling.temperature=0.7",
    "trainer.learning_rate=1e-6",
)
ALONE = ("verifier.enabled=false", "sampling.max_tokens=64")
PROPOSED = ("source.kind=proposer", "source.share=1.0", "source.attempts=3.0", "verifier.enabled=false")
PARTS: dict[str, tuple[str, ...]] = {
    "corpus": (f"problems=['corpus:{CORPUS}']", *PROPOSED, "source.max_tokens=60", "sampling.max_tokens=24"),
    "proposer": ("problems=['arithmetic?terms=2']", *PROPOSED, "source.max_tokens=40", "sampling.max_tokens=64"),
    "provers": (
        "problems=['arithmetic?terms=2']",
        "provers.enabled=true",
        "rounds=2",
        "updates=1",
        "sampling.max_tokens=64",
        "verifier.depth=0.2",
        "verifier.batch=8",
        "verifier.groups=1",
        "verifier.rollouts=1",
        "verifier.most_steps=1",
    ),
    "games": (
        "problems=['nim', 'kuhn']",
        "environment.kind=match",
        "algorithm.kind=role_baseline",
        "verifier.enabled=false",
        "sampling.max_tokens=48",
    ),
    "majority": ("problems=['arithmetic?terms=2']", "rewards=[{kind='majority'}]", *ALONE),
    "trees": (
        "problems=['arithmetic?terms=2']",
        "coupling.labels=tree",
        "sampling.draws={kind='search', strategy='rest_mcts?stop_at=2', budget=512}",
        "algorithm.kind=rejection",
        "loss.kind=cloning",
        "sampling.max_tokens=64",
        "verifier.depth=0.2",
        "verifier.batch=8",
    ),
    "factory": (),
}


def main() -> None:
    options = _options()
    set_threads(options.threads)
    for name in arms.chosen(options.parts, list(PARTS)):
        page: Path = options.out / f"{name}.md"
        if not page.exists():
            started = time.monotonic()
            lines = _factory(options) if name == "factory" else _trained(name, options)
            head = f"# {name}: {time.monotonic() - started:.0f} s\n"
            write_text(page, "\n".join([head, *lines]) + "\n")
        print(page.read_text(encoding="utf-8"))


def _trained(name: str, options: argparse.Namespace) -> list[str]:
    """Two updates; what the rounds counted, and some of what was said."""
    played = play_until(load(Run, None, [f"model={json.dumps(str(options.model))}", *SHARED, *PARTS[name]]))
    counted = [_counted(row) for row in played.rows[1:]]
    return [*(f"- round {at + 1}: {text}" for at, text in enumerate(counted)), "", *_said(played, options.shown)]


def _counted(row: dict[str, Any]) -> str:
    """The share of right answers in training, and what the proposer and the provers were counted for."""
    rates = [f"{family} {100 * right:.0f} % right" for family, right in (row.get("solve_rate") or {}).items()]
    metrics: dict[str, float] = row["metrics"]
    known = {key: value for key, value in metrics.items() if key.startswith(("proposer/", "prover/")) and value}
    return ", ".join([*rates, *(f"{key} {value:.2f}" for key, value in known.items())])


def _said(played: Played, most: int) -> list[str]:
    """Of each kind of question in the last round the first answers with their verdicts, questions in turn."""
    groups = [group for update in played.play.played for group in update]
    kinds = dict.fromkeys(_kind(group) for group in groups)
    return [line for kind in kinds for line in _of_kind(kind, [g for g in groups if _kind(g) == kind], most)]


def _kind(group: Group) -> str:
    return str(group.problem.key.data.get("role", "solver"))


def _of_kind(kind: str, groups: Sequence[Group], most: int) -> list[str]:
    lines = [f"## {kind}", ""]
    for group in groups[:most]:
        lines.append(f"- {group.problem.question.text!r} (gold: {group.problem.key.answer})")
        for trajectory, verdict in list(zip(group.trajectories, group.verdicts, strict=True))[:3]:
            came = verdict.detail or ("right" if verdict.outcome == 1.0 else verdict.failure or "wrong")
            lines.append(f"  - {trajectory.text.strip()[:300]!r}: {came}")
    return [*lines, ""]


def _factory(options: argparse.Namespace) -> list[str]:
    """Chains of all methods for a few problems: counts, reasons and one chain of each method."""
    request = factory.Request(
        str(options.model),
        ("arithmetic?terms=2",),
        options.out / "factory",
        methods=("rejection", "pivots", "corrections", "continuations", "roles"),
        limit=6,
        samples=6,
        max_tokens=64,
        temperature=0.7,
    )
    made: dict[str, Any] = factory.make(request)
    rows = parquet.read(options.out / "factory" / factory.CHAINS)
    lines = [f"- made: {made['by_method']}, {made['tokens']:.0f} tokens"]
    lines += [f"- not made: {one['why_none']}, refused {one['refused']}" for one in made["rounds"]]
    for method in dict.fromkeys(row["method"] for row in rows):
        row = next(row for row in rows if row["method"] == method)
        spans = " + ".join(f"[{span['kind']}] {span['text']!r}" for span in row["spans"])
        lines += ["", f"## {method}", "", f"- {row['question']!r}: {spans}"]
    return lines


def _options() -> argparse.Namespace:
    parser = arms.parser(__doc__, out="runs/smollm2-selfplay")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--parts", default="", help=f"comma-separated, of: {', '.join(PARTS)}")
    parser.add_argument("--shown", type=int, default=4, help="questions of each kind whose answers are shown")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
