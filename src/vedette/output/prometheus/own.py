"""The metrics of the server itself: requests, queues and what came in, in a registry that its parts add to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.errors import MissingExtraError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["ServerMetrics"]

LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the classes of durations: from a cached answer to what a client gives up on."""


class ServerMetrics:
    """Counters, gauges and histograms of one server; a registry of its own, so that two servers in a process are two.

    Other parts add theirs with ``registry=metrics.registry``. Routes are labelled by their template
    (``/v1/models/{model}``), never by the path that was asked for: paths come from outside. Raises ``MissingExtraError``
    where ``prometheus_client`` is not installed.

    >>> metrics = ServerMetrics()
    >>> metrics.requests.labels("GET", "/v1/models", "200").inc()
    >>> metrics.registry.get_sample_value(
    ...     "vedette_http_requests_total", {"method": "GET", "route": "/v1/models", "status": "200"})
    1.0
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
            from prometheus_client.gc_collector import GCCollector
            from prometheus_client.platform_collector import PlatformCollector
            from prometheus_client.process_collector import ProcessCollector
        except ImportError as error:
            raise MissingExtraError(
                'prometheus_client is not installed: pip install "vedette[prometheus]"'
            ) from error
        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
            GCCollector(registry=registry)
        self.registry: CollectorRegistry = registry
        self.requests: Counter = Counter(
            "vedette_http_requests_total",
            "Requests that were answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.request_seconds: Histogram = Histogram(
            "vedette_http_request_duration_seconds",
            "How long answers took.",
            ["method", "route"],
            buckets=LATENCY_S,
            registry=registry,
        )
        self.requests_refused: Counter = Counter(
            "vedette_http_requests_refused_total",
            "Requests that were refused, by reason: busy, too_large, quota, invalid, unauthorised.",
            ["reason"],
            registry=registry,
        )
        self.queued: Gauge = Gauge(
            "vedette_queue_items", "What waits in a bounded queue.", ["queue"], registry=registry
        )
        self.queue_room: Gauge = Gauge(
            "vedette_queue_capacity_items", "What a bounded queue takes.", ["queue"], registry=registry
        )
        self.ingested: Counter = Counter(
            "vedette_ingest_rows_total",
            "Rows that the server took, by stream.",
            ["stream"],
            registry=registry,
        )
        self.repeated: Counter = Counter(
            "vedette_ingest_repeated_rows_total",
            "Rows that came again and were known by their sequence.",
            ["stream"],
            registry=registry,
        )
