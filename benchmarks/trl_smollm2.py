"""SmolLM2-135M-Instruct learns sums: Ponder against TRL's GRPOTrainer, and Ponder's engine against `generate`.

    python -m benchmarks.trl_smollm2 --model FOLDER [--trl PATH] [--seeds 0 1 2] [--threads 2] [--out FILE.json]
    python -m benchmarks.trl_smollm2 --show --out FILE.json

Training: each side in a process of its own (`benchmarks.trl_sides`), one step in turns, so that a busy machine slows
both; accuracy on 40 held-out sums, greedy, right and ended, after every `--every` steps of a side. A side is done when
it reaches `--target`. Reported: steps and seconds of steps until then, the median step, peak memory. Sampling: tokens a
second at 1, 8, 32 and 128 rows, 48 new tokens each, in turns in one process, medians of three, and what share that is
of the machine's limits (`benchmarks.limits`). `--seeds` without a number: sampling alone.

What is finished is kept in --out, row by row and seed by seed; the same command goes on with what is missing (a seed
that was stopped begins anew). TRL 1.16 lies where `--trl` says (a folder for PYTHONPATH) or in this environment.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.limits import limits
from benchmarks.machine import about
from benchmarks.trl_sides import Settings
from ponder.runlog.files import write_json

ROWS, NEW_TOKENS, TURNS = (1, 8, 32, 128), 48, 3
START_SECONDS = 1800


class Process:
    """A side that runs elsewhere: commands in, one JSON line out."""

    def __init__(self, name: str, settings: Settings, folder: Path, path: str) -> None:
        place = folder / f"{name}.json"
        place.write_text(json.dumps(asdict(settings)), encoding="utf-8")
        known = os.environ.get("PYTHONPATH", "")
        environment = {**os.environ, "OMP_NUM_THREADS": str(settings.threads), "TOKENIZERS_PARALLELISM": "false"}
        environment["PYTHONPATH"] = os.pathsep.join(part for part in (str(Path.cwd()), path, known) if part)
        self.name, self.log = name, (folder / f"{name}.log").open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.trl_sides", name, str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=environment,
        )
        self._read()

    def ask(self, command: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.flush()
            last = Path(self.log.name).read_text(encoding="utf-8")[-2000:]
            raise RuntimeError(f"the side {self.name} ended with {self.process.returncode}:\n{last}")
        found: dict[str, Any] = json.loads(line)
        return found

    def end(self) -> dict[str, Any]:
        last = self.ask("end")
        self.process.wait(timeout=60)
        return last


def train(
    settings: Settings, path: str, every: int, target: float, limit: float, keep: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Both sides in turns until each has reached `target` or spent `limit` seconds of steps.

    `keep` is handed what is known after every measurement, so that a benchmark that is cut short has shown something.
    """
    with tempfile.TemporaryDirectory() as place:
        sides = {name: Process(name, settings, Path(place), path) for name in ("ponder", "trl")}
        found: dict[str, Any] = {
            name: {"steps": [], "curve": [(0, 0.0, s.ask("measure")["accuracy"])]} for name, s in sides.items()
        }
        going = list(sides)
        while going:
            for name in list(going):
                rows = found[name]
                rows["steps"].append(sides[name].ask("step"))
                count, spent = len(rows["steps"]), sum(step["seconds"] for step in rows["steps"])
                if count % every and count < settings.steps - 1:
                    continue
                measured = sides[name].ask("measure")
                accuracy, rows["peak_memory_bytes"] = measured["accuracy"], measured["peak_memory_bytes"]
                rows["curve"].append((count, spent, accuracy))
                if all("peak_memory_bytes" in found[other] for other in sides):
                    keep(found)
                print(
                    f"  seed {settings.seed} {name}: {count} steps, {spent:.0f} s, {100 * accuracy:.0f} %", flush=True
                )
                if accuracy >= target or spent > limit or count >= settings.steps - 1:
                    going.remove(name)
        for name, side in sides.items():
            found[name] |= side.end()
    return found


def sampling(settings: Settings, rows: int) -> dict[str, Any]:
    """Tokens a second of Ponder's engine and of `generate` on the same prompts, in turns."""
    import torch
    from transformers import GenerationConfig

    from benchmarks.models import Endless
    from ponder.engines.local.engine import LocalEngine
    from ponder.engines.loop import gather_all
    from ponder.models.load import load
    from ponder.protocols import Request

    torch.set_num_threads(settings.threads)
    loaded = load(settings.model)
    model: Any = loaded.model
    model.generation_config.eos_token_id = None
    prompts = [tuple(loaded.tokenizer.encode(f"What is {10 + i % 20} + {30 - i % 20}?")) for i in range(rows)]
    width = min(map(len, prompts))  # equal lengths, so that `generate` pads nothing
    ids = torch.tensor([prompt[:width] for prompt in prompts])
    engine = LocalEngine(model, Endless(), cache_bytes=1 << 29, shared=True)
    config = GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, max_new_tokens=NEW_TOKENS, eos_token_id=None, pad_token_id=0
    )

    def ours(turn: int) -> None:
        asked = [Request(tuple(row), NEW_TOKENS, 1000 * turn + i) for i, row in enumerate(ids.tolist())]
        gather_all(engine.generate(request) for request in asked)

    def theirs(_: int) -> None:
        with torch.no_grad():
            model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config)

    took: dict[str, list[float]] = {"ponder": [], "generate": []}
    for turn in range(TURNS + 1):  # the first is not counted
        for name, work in (("ponder", ours), ("generate", theirs)):
            started = time.perf_counter()
            work(turn)
            took[name].append(time.perf_counter() - started)
    speed = {name: statistics.median(rows * NEW_TOKENS / t for t in times[1:]) for name, times in took.items()}
    most = limits(model, rows, width + NEW_TOKENS // 2)
    shares = {"memory_limit": most.memory, "product_limit": most.products, "share": speed["ponder"] / most.least}
    return {**speed, "ratio": speed["ponder"] / speed["generate"], **shares}


def reached(side: dict[str, Any], target: float) -> tuple[int, float] | None:
    """Steps and seconds at which a side first measured `target`; None if it never did."""
    return next(((count, seconds) for count, seconds, accuracy in side["curve"] if accuracy >= target), None)


def table(body: dict[str, Any]) -> str:
    """One table of all that is in a result."""
    lines = [f"{'':34}{'Ponder':>12}{'other':>12}{'ratio':>8}"]
    for rows, found in body["sampling"].items():
        lines.append(
            f"{'tokens/s, ' + rows + ' rows':34}{found['ponder']:12.0f}{found['generate']:12.0f}{found['ratio']:8.2f}"
            f"   {100 * found['share']:.0f} % of {min(found['memory_limit'], found['product_limit']):.0f} "
            f"({'memory' if found['memory_limit'] < found['product_limit'] else 'products'})"
        )
    target = body["target"]
    for seed, found in body["training"].items():
        ours, theirs = found["ponder"], found["trl"]
        lines.append(f"seed {seed}, TRL 1.16 beside it{', cut short' if found.get('unfinished') else ''}")
        pairs = {
            "step, s (median)": tuple(
                statistics.median(s["seconds"] for s in side["steps"]) for side in (ours, theirs)
            ),
            "of it sampling, s": tuple(
                statistics.median(s["sampling"] for s in side["steps"]) for side in (ours, theirs)
            ),
            "peak memory, GB": tuple(side["peak_memory_bytes"] / 1e9 for side in (ours, theirs)),
            "accuracy before, %": tuple(100 * side["curve"][0][2] for side in (ours, theirs)),
            "accuracy at the end, %": tuple(100 * side["curve"][-1][2] for side in (ours, theirs)),
        }
        for name, (a, b) in pairs.items():
            lines.append(f"  {name:32}{a:12.2f}{b:12.2f}{b / a if a else float('nan'):8.2f}")
        ends = [reached(side, target) for side in (ours, theirs)]
        shown = [f"{end[1]:.0f} ({end[0]})" if end else "never" for end in ends]
        ratio = f"{ends[1][1] / ends[0][1]:8.2f}" if ends[0] and ends[1] and ends[0][1] else f"{'':8}"
        lines.append(f"  {f's (steps) to {100 * target:.0f} %':32}{shown[0]:>12}{shown[1]:>12}{ratio}")
    return "\n".join(lines)


def _told(settings: Settings) -> dict[str, Any]:
    """The settings for a result file, without where things lie on this machine."""
    return {**asdict(settings), "model": Path(settings.model).name}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="the folder of `ponder models get smollm2`")
    parser.add_argument("--trl", default="", help="a folder with trl, for PYTHONPATH")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rows", type=int, nargs="*", default=list(ROWS))
    parser.add_argument("--target", type=float, default=0.6)
    parser.add_argument("--every", type=int, default=5, help="steps between two measurements")
    parser.add_argument("--limit", type=float, default=1800, help="most seconds of steps a side and seed")
    parser.add_argument("--problems", type=int, default=8, help="questions an update")
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    parser.add_argument("--out", type=Path, default=Path("runs/trl_smollm2.json"))
    parser.add_argument("--show", action="store_true", help="print the table of what is there")
    options = parser.parse_args(arguments)
    fresh = {"target": options.target, "sampling": {}, "training": {}}
    body = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else fresh
    if not options.show:
        if not options.model:
            parser.error("--model FOLDER is needed")
        options.out.parent.mkdir(parents=True, exist_ok=True)
        settings = Settings(options.model, options.threads, options.problems, learning_rate=options.learning_rate)
        for rows in options.rows:
            if str(rows) not in body["sampling"]:
                body["sampling"][str(rows)] = sampling(settings, rows)
                write_json(options.out, {**body, **about(), "settings": _told(settings)})
        for seed in options.seeds:
            if body["training"].get(str(seed), {"unfinished": True}).get("unfinished"):

                def keep(found: dict[str, Any], seed: int = seed, *, unfinished: bool = True) -> None:
                    body["training"][str(seed)] = {**found, "unfinished": unfinished}
                    write_json(options.out, {**body, **about(), "settings": _told(settings)})

                chosen = replace(settings, seed=seed)
                keep(train(chosen, options.trl, options.every, options.target, options.limit, keep), unfinished=False)
    print(table(body))


if __name__ == "__main__":
    main()
