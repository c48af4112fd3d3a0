"""What Ray costs at equal work: the same short training in one process and on `--cluster local`, in turns.

    python -m benchmarks.cluster_overhead [--pairs 3] [--engines 1] [--set KEY=VALUE ...]

Both sides train the embedded model with the same settings, and must end with the same weights to the bit. The seconds
are those of training (`summary.json`), starts and measuring left out. Behind them stands the time of an update that the
simulation gives for each side from the times of the first run in one process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from ponder.distributed.capacity.measured import of_run
from ponder.distributed.capacity.pipeline import Shape
from ponder.distributed.capacity.simulate import simulate

SETTINGS = [
    "rounds=2",
    "updates=4",
    "threads=1",
    "sampling.problems=18",
    "verifier.enabled=false",
    "control.enabled=false",
    "control.rejection=false",
    "keep_policies=false",
    "evaluation.problems=4",
    "evaluation.ladder=2",
    "evaluation.pool_problems=4",
    "evaluation.pool_samples=3",
    "evaluation.beam_problems=1",
    "evaluation.unsolved_problems=2",
    "evaluation.unsolved_tries=2",
    "evaluation.budgets=[64, 128]",
]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--engines", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], dest="changes")
    asked = parser.parse_args(arguments)
    settings = [*SETTINGS, f"cluster.engines={asked.engines}", *asked.changes]
    updates = 8
    seconds: dict[str, list[float]] = {"": [], "local": []}
    hashes = set()
    with tempfile.TemporaryDirectory(prefix="ponder-overhead-") as place:
        for pair in range(asked.pairs):
            for cluster in ("", "local") if pair % 2 == 0 else ("local", ""):
                out = Path(place) / f"{cluster or 'alone'}-{pair}"
                seconds[cluster].append(trained(out, settings, cluster) / updates)
                hashes.add(hashlib.sha256((out / "model" / "model.safetensors").read_bytes()).hexdigest())
                print(f"{cluster or 'one process'}: {seconds[cluster][-1]:.2f} s an update", flush=True)
        service, load = of_run(Path(place) / "alone-0")
    ratios = [there / here for here, there in zip(seconds[""], seconds["local"], strict=True)]
    print(
        f"cluster over one process: {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), {asked.pairs} pairs"
    )
    simulated = simulate(service, load, Shape(asked.engines)).step
    print(f"simulated {simulated:.2f} s an update, measured on the cluster {median(seconds['local']):.2f} s")
    print("weights: " + ("equal to the bit" if len(hashes) == 1 else f"{len(hashes)} different results"))
    return 0 if len(hashes) == 1 else 1


def trained(out: Path, settings: Sequence[str], cluster: str) -> float:
    """Seconds of training of one run in a process of its own."""
    command = [sys.executable, "-m", "ponder", "run", "--json", "--out", str(out)]
    command += [part for setting in settings for part in ("--set", setting)]
    command += ["--cluster", cluster] if cluster else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment, timeout=3600)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return float(summary["seconds"]["train"])


if __name__ == "__main__":
    sys.exit(main())
