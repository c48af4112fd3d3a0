"""The simulated pipeline from 8 to 10,000 engines: throughput against ideal, and what saturates first.

    python -m benchmarks.cluster_scale [--engines 8,64,1000,10000] [--dispatch 0.002] [--network 1.25e9,50e9]

An 8B model on H100s by data sheets (`distributed/capacity/hardware.py`), 16 answers of 1,024 tokens on average for each
engine and update, a grader for every eight engines, a learner of one GPU for every four engines. Ideal is the rate of
the engines alone, all of them busy all the time. `--dispatch` is what the one driver takes for an answer, `--network`
the bytes a second between two nodes over which weights travel.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from transformers import LlamaConfig

from ponder.distributed.capacity.hardware import DISPATCH, NETWORK, accelerator, service_of
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
    parser.add_argument("--network", default=f"{NETWORK:g}")
    asked = parser.parse_args(arguments)
    print("| network, GB/s | engines | staleness | seconds an update | tokens a second | of ideal | works most |")
    print("|---|---|---|---|---|---|---|")
    for engines in map(int, asked.engines.split(",")):
        for network in map(float, asked.network.split(",")):
            for staleness in (0, 1):
                print(row(engines, staleness, network, asked.dispatch), flush=True)
    return 0


def row(engines: int, staleness: int, network: float, dispatch: float) -> str:
    """A line of the table."""
    service = times(engines, network, dispatch)
    load = Load(engines * ROWS // 8, 8, 256, 1024, 0.7, 4096)
    found = simulate(service, load, Shape(engines, max(1, engines // 8), staleness), updates=2)
    share = found.tokens / (engines * ROWS / (service.step + service.step_row * ROWS))
    cells = [f"{network / 1e9:g}", f"{engines:,}", f"{staleness}", f"{found.step:,.1f}", f"{found.tokens:,.0f}"]
    return "| " + " | ".join([*cells, f"{share:.0%}", f"{found.busiest} {found.busy[found.busiest]:.0%}"]) + " |"


def times(engines: int, network: float, dispatch: float) -> Service:
    """Service times by data sheet, with this network and this driver."""
    found = service_of(CONFIG, PARAMETERS, accelerator("h100"), context=768, learners=max(2, engines // 4))
    sent = 2.0 * PARAMETERS / network
    return replace(found, dispatch=dispatch, publish=sent, publish_hop=sent)


if __name__ == "__main__":
    sys.exit(main())
