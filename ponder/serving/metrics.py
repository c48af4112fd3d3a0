"""What a monitoring system reads: requests, refusals, tokens by fate, seconds, places, the engine's own counters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ponder.serving.errors import ApiError
from ponder.serving.thinking.bill import Bill
from ponder.serving.thinking.reply import Reply

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
Family = GaugeMetricFamily | CounterMetricFamily


Read = Callable[[], Mapping[str, float]]


class _Gauges(Collector):
    """What is read off the server when it is asked for; what ends in `_total` only grows."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def collect(self) -> Iterator[Family]:
        for name, value in self._read().items():
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield kind(f"ponder_{name.removesuffix('_total')}", _HELP.get(name, "Counter of the engine."), value)


_HELP = {
    "running": "Requests that hold a place.",
    "waiting": "Requests in line.",
    "engine_active": "Draws that hold a row of the engine.",
    "weights_version": "Version of the weights.",
    "trees_kept": "Finished searches that can be looked at.",
    "circuit_open": "1 while the engine is not asked.",
    "engine_seconds_busy_total": "Seconds that the engine worked.",
    "unsettled": "Requests whose account waits for the database.",
}


class Metrics:
    """The counters of one server, and what `read` says of it; `text` is what `/metrics` answers."""

    def __init__(self, read: Read) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Gauges(read))
        self._ended = Counter("ponder_requests", "Requests by ending.", ("api", "ending"), registry=self._registry)
        self._refused = Counter("ponder_refusals", "Requests not taken.", ("status", "code"), registry=self._registry)
        self._tokens = Counter("ponder_tokens", "Token-equivalents by fate.", ("fate",), registry=self._registry)
        self._seconds = Histogram(
            "ponder_seconds", "Seconds of thinking.", ("strategy",), buckets=_SECONDS, registry=self._registry
        )

    def ended(self, kind: str, bill: Bill, replies: Sequence[Reply]) -> None:
        """Count a request that was accepted."""
        self._ended.labels(kind, replies[0].ending).inc()
        for fate in ("prompt", "kept", "discarded", "verifier"):
            self._tokens.labels(fate).inc(getattr(bill, fate))
        for reply in replies:
            self._seconds.labels(reply.strategy).observe(reply.bill.seconds)

    def refused(self, error: ApiError) -> None:
        """Count a request that was not."""
        self._refused.labels(str(error.status), error.code or "").inc()

    def text(self) -> bytes:
        """All of them in the text format of Prometheus."""
        return generate_latest(self._registry)
