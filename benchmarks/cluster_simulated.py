"""The simulation beside real runs: seconds of an update of three local clusters, foretold from other runs, measured.

    python -m benchmarks.cluster_simulated [--processors 0,1] --out FOLDER [--rounds 2] [--set KEY=VALUE ...]

Service times, lengths of answers and the share of groups that teach something come from two runs on a cluster of one
engine, with batches of 9 and 27 problems. Foretold are three others, none of which gave a time: one engine with 18
problems; one engine that samples two updates ahead of learning; two engines with groups of 4. All are trainings of the
embedded model with another seed, bound to `--processors`, which the simulated parts share too. Seconds are those of the
training, measuring between rounds included, starts left out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.cluster_overhead import SETTINGS, trained
from ponder.distributed.capacity.measured import account, of_runs
from ponder.distributed.capacity.pipeline import Shape
from ponder.distributed.capacity.simulate import simulate
from ponder.runlog.files import write_json

UPDATES = 4  # of a round
SOURCES = ((9, 8), (27, 8))  # problems and answers to each, of the runs that give the times
# What is foretold: name, engines, staleness, problems, answers to each.
FORETOLD = (
    ("1 engine", 1, 0, 18, 8),
    ("1 engine, staleness 2", 1, 2, 18, 8),
    ("2 engines, groups of 4", 2, 0, 36, 4),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processors", default="0,1", help="numbers of those that all parts may use")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--out", type=Path, required=True, help="a folder for the runs; a finished one is not repeated")
    asked = parser.parse_args(arguments)
    mine = sorted(int(number) for number in asked.processors.split(","))
    os.sched_setaffinity(0, mine)
    settings = [*SETTINGS, f"rounds={asked.rounds}", f"updates={UPDATES}", *asked.changes]
    updates = asked.rounds * UPDATES
    sources = [asked.out / f"source-{number}" for number in range(len(SOURCES))]
    for number, (out, (problems, group)) in enumerate(zip(sources, SOURCES, strict=True)):
        spent = _run(out, settings, 1, 0, problems, group, seed=number)
        print(f"for the times: {problems} x {group} answers, {spent / updates:.2f} s an update{_load(out)}", flush=True)
    service, load = of_runs(sources)
    print(f"times: {service}", flush=True)
    rows = []
    for number, (name, engines, staleness, problems, group) in enumerate(FORETOLD):
        wanted = replace(load, problems=problems, group=group, learned=account(sources[-1]).learned(group))
        shape = Shape(engines, staleness=staleness, round=UPDATES, processors=len(mine))
        foretold = simulate(service, wanted, shape, updates=updates, whole=True).step
        out = asked.out / f"run-{number}"
        real = _run(out, settings, engines, staleness, problems, group, seed=10 + number) / updates
        rows.append({"run": name, "foretold": foretold, "real": real, "error": foretold / real - 1.0})
        said = f"{name}, {problems} x {group}: foretold {foretold:.2f} s, measured {real:.2f} s an update"
        print(f"{said}: {foretold / real - 1.0:+.1%}{_load(out)}", flush=True)
    write_json(asked.out / "figures.json", {"service": vars(service), "rows": rows})
    worst = max(abs(row["error"]) for row in rows)
    print(f"largest error {worst:.1%} on {len(mine)} processors")
    return 0 if worst <= 0.15 else 1


def _run(
    out: Path, settings: Sequence[str], engines: int, staleness: int, problems: int, group: int, *, seed: int
) -> float:
    """Seconds of training of one run, made now or before."""
    if not (out / "summary.json").is_file():
        sizes = [f"sampling.problems={problems}", f"sampling.group_size={group}", f"staleness.updates={staleness}"]
        trained(out, [*settings, *sizes, f"cluster.engines={engines}", f"seed={seed}"], "local")
        write_json(out / "load.json", os.getloadavg()[1])
    return float(json.loads((out / "summary.json").read_text(encoding="utf-8"))["seconds"]["train"])


def _load(out: Path) -> str:
    """How busy the machine was with this run and everything else."""
    load = float((out / "load.json").read_text(encoding="utf-8"))
    return f" (processes that ran or waited to, over five minutes: {load:.1f} on {os.cpu_count()} processors)"


if __name__ == "__main__":
    sys.exit(main())
