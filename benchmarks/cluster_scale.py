"""The simulated pipeline from 8 to 10,000 engines: throughput against ideal, and what saturates first.

    python -m benchmarks.cluster_scale [--engines 8,64,1000,10000] [--dispatch 0.002]

An 8B model on H100s by data sheets (`distributed/capacity/hardware.py`), 16 answers of 1,024 tokens on average for each
engine and update, a grader for every eight engines, a learner of one GPU for every four engines. Ideal is the rate of
the engines alone, all of them busy all the time. `--dispatch` is what the one driver takes for an answer.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from transformers import LlamaConfig

from ponder.distributed.capacity.hardware import DISPATCH, accelerator, service_of
from ponder.distributed.capacity.pipeline import Load, Service, Shape
from ponder.distributed.capacity.simulate import simulate

PARAMETERS, ROWS = 8.0e9, 16
CONFIG = LlamaConfig(
    hidden_size=4096,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    intermediate_size=14336,
    vocab_size=128256,
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="8,64,1000,10000")
    parser.add_argument("--dispatch", type=float, default=DISPATCH)
    asked = parser.parse_args(arguments)
    print("| engines | staleness | seconds an update | tokens a second | of ideal | works most |")
    print("|---|---|---|---|---|---|")
    for engines in map(int, asked.engines.split(",")):
        for staleness in (0, 1):
            service = replace(times(engines), dispatch=asked.dispatch)
            load = Load(engines * ROWS // 8, 8, 256, 1024, 0.7, 4096)
            found = simulate(service, load, Shape(engines, max(1, engines // 8), staleness), updates=2)
            share = found.tokens / (engines * ROWS / (service.step + service.step_row * ROWS))
            busiest = f"{found.busiest} {found.busy[found.busiest]:.0%}"
            print(
                f"| {engines:,} | {staleness} | {found.step:,.1f} | {found.tokens:,.0f} | {share:.0%} | {busiest} |",
                flush=True,
            )
    return 0


def times(engines: int) -> Service:
    return service_of(CONFIG, PARAMETERS, accelerator("h100"), context=768, learners=max(2, engines // 4))


if __name__ == "__main__":
    sys.exit(main())
