"""Numbers of the engines for Prometheus, on 127.0.0.1 (`cluster.metrics_port`); deploy/grafana.json draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ponder.distributed.pool import EnginePool
from ponder.types import PonderError


class PoolNumbers(Collector):
    """Reads the pool whenever somebody asks."""

    def __init__(self, pool: EnginePool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """All numbers by their names; every name begins with ponder_."""
        pool, work, counted = self._pool, self._pool.work, self._pool.counted
        by_engine: dict[str, tuple[str, Callable[[dict[str, Any]], float]]] = {
            "up": ("1 where the engine is ready", lambda row: float(row["state"] == "ready")),
            "requests": ("requests that it was given and has not answered", lambda row: float(row["asked"])),
            "weights_version": ("version of its weights", lambda row: float(row["version"])),
            "silent_seconds": ("seconds since it was heard of", lambda row: row["silent_seconds"] or 0.0),
            "starts": ("how often an engine was started in this place", lambda row: float(row["started"])),
        }
        rows = pool.status()
        for name, (about, value) in by_engine.items():
            gauge = GaugeMetricFamily(f"ponder_engine_{name}", about, labels=["engine"])
            for place, row in enumerate(rows):
                gauge.add_metric([str(place)], value(row))
            yield gauge
        for name, about, total in (
            ("tokens_generated", "tokens that engines drew", pool.tokens_generated),
            ("tokens_prefilled", "prompt tokens that engines computed", pool.tokens_prefilled),
            ("tokens_reused", "prompt tokens out of a cache", pool.tokens_reused),
            ("engine_busy_seconds", "seconds that engines worked, all together", work.seconds),
            ("engine_flops", "operations of all engines", work.flops),
            ("engines_lost", "engines that died or fell silent", counted.losses),
            ("requests_retried", "requests that were asked again after a loss", counted.retried),
            ("answers_duplicate", "answers that had come before and were dropped", counted.duplicates),
        ):
            yield CounterMetricFamily(f"ponder_{name}", about, value=float(total))


@contextmanager
def served(pool: EnginePool, port: int) -> Iterator[None]:
    """Serve the numbers on 127.0.0.1 for as long as the block runs. PonderError if the port is taken."""
    registry = CollectorRegistry()
    registry.register(PoolNumbers(pool))
    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise PonderError(
            f"cluster.metrics_port={port}: cannot listen there ({error}); choose another port, or 0 for none"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10.0)
