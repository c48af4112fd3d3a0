"""What a monitoring system reads: requests, refusals, tokens by fate, seconds, places, the engine's own counters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ponder.serving.errors import ApiError

if TYPE_CHECKING:
    from ponder.serving.service import Exchange, Service

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
Family = GaugeMetricFamily | CounterMetricFamily


class _State(Collector):
    """What is read off the server when it is asked for."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Family]:
        service = self._service
        gauges = {
            "ponder_running": ("Requests that hold a place.", service.gate.running),
            "ponder_waiting": ("Requests in line.", service.gate.waiting),
            "ponder_engine_active": ("Draws that hold a row of the engine.", service.thinker.active or 0),
            "ponder_weights_version": ("Version of the weights.", service.thinker.version),
            "ponder_trees_kept": ("Finished searches that can be looked at.", len(service.trees)),
            "ponder_circuit_open": ("1 while the engine is not asked.", int(service.circuit.is_open)),
        }
        for name, (help, value) in gauges.items():
            yield GaugeMetricFamily(name, help, value)
        for name, count in service.thinker.counters.items():
            yield CounterMetricFamily(f"ponder_engine_{name}", "Counter of the engine.", count)


class Metrics:
    """The counters of one server; `text` is what `/metrics` answers."""

    def __init__(self, service: Service) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_State(service))
        self._ended = Counter("ponder_requests", "Requests by ending.", ("api", "ending"), registry=self._registry)
        self._refused = Counter("ponder_refusals", "Requests not taken.", ("status", "code"), registry=self._registry)
        self._tokens = Counter("ponder_tokens", "Token-equivalents by fate.", ("fate",), registry=self._registry)
        self._seconds = Histogram(
            "ponder_seconds", "Seconds of thinking.", ("strategy",), buckets=_SECONDS, registry=self._registry
        )

    def ended(self, kind: str, exchange: Exchange) -> None:
        """Count a request that was accepted."""
        self._ended.labels(kind, exchange.replies[0].ending).inc()
        bill = exchange.bill
        for fate in ("prompt", "kept", "discarded", "verifier"):
            self._tokens.labels(fate).inc(getattr(bill, fate))
        for reply in exchange.replies:
            self._seconds.labels(reply.strategy).observe(reply.bill.seconds)

    def refused(self, error: ApiError) -> None:
        """Count a request that was not."""
        self._refused.labels(str(error.status), error.code or "").inc()

    def text(self) -> bytes:
        """All of them in the text format of Prometheus."""
        return generate_latest(self._registry)
