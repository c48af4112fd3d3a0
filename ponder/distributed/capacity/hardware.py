"""Accelerators from their makers' data sheets, and service times of a model on them by the roofline.

Dense bfloat16 operations, memory and its bandwidth, as printed by the makers (sources beside each). What a real engine
reaches is less: `REACHED` are the shares that this file reckons with, and a measured run replaces all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PretrainedConfig

from ponder.distributed.capacity.pipeline import Service
from ponder.models.size import flops_per_token
from ponder.names import pick


@dataclass(frozen=True)
class Accelerator:
    """`flops` a second (bfloat16, dense), `memory` in bytes, `bandwidth` in bytes a second; `source` of the figures."""

    name: str
    flops: float
    memory: float
    bandwidth: float
    source: str


_NVIDIA = "NVIDIA {} data sheet; half of the figure that is printed with sparsity"
ACCELERATORS = {
    one.name: one
    for one in (
        Accelerator("a100", 312e12, 80e9, 2.039e12, "NVIDIA A100 80GB SXM data sheet"),
        Accelerator("l40s", 362e12, 48e9, 0.864e12, _NVIDIA.format("L40S")),
        Accelerator("h100", 989e12, 80e9, 3.35e12, _NVIDIA.format("H100 SXM")),
        Accelerator("h200", 989e12, 141e9, 4.8e12, _NVIDIA.format("H200 SXM")),
        Accelerator("mi300x", 1307e12, 192e9, 5.3e12, "AMD Instinct MI300X data sheet"),
    )
}
# Shares of the data sheet that are reckoned with: products of sampling, of learning, bandwidth, network.
REACHED = {"sampling": 0.5, "learning": 0.4, "bandwidth": 0.7}
NETWORK = 1.25e9  # bytes a second between two nodes: 10 Gbit/s Ethernet
DISPATCH = 2e-3  # seconds of the driver for an answer; measured on a slow core, see docs/cluster.md
GRADE = 10e-3


def accelerator(name: str) -> Accelerator:
    """By name; PonderError with the nearest if there is none."""
    return pick("accelerator", name, ACCELERATORS)


def cache_bytes(config: PretrainedConfig) -> float:
    """Keys and values of one token, in bfloat16."""
    text = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return 2.0 * 2.0 * float(text.num_hidden_layers * heads * size)


def service_of(
    config: PretrainedConfig, parameters: float, one: Accelerator, *, context: float, learners: int
) -> Service:
    """Times by the roofline: a decode step reads all weights, and the cache of each answer; learning is 6 N a token.

    `context` is the mean number of tokens that an answer under way looks back at.
    """
    weights, room = 2.0 * parameters, 0.9 * one.memory - 2.0 * parameters
    cache = cache_bytes(config) * context
    rows = max(1, int(room / cache)) if room > 0 else 1
    reading = one.bandwidth * REACHED["bandwidth"]
    work = flops_per_token(config, int(context))
    step_row = max(cache / reading, work / (one.flops * REACHED["sampling"]))
    return Service(
        step=weights / reading,
        step_row=step_row,
        rows=min(rows, 1024),
        prefill=work / (one.flops * REACHED["sampling"]),
        dispatch=DISPATCH,
        grade=GRADE,
        learn=0.5,
        learn_token=3.0 * work / (learners * one.flops * REACHED["learning"]),
        publish=weights / NETWORK,
        publish_hop=weights / NETWORK,
        load=weights / reading,
    )
