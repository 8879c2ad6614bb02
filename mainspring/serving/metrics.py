"""What Prometheus scrapes: one set of metrics over all workers of a server.

HTTP metrics have the names that OpenTelemetry gives them. Workers share memory-mapped files in the folder that
``PROMETHEUS_MULTIPROC_DIR`` names when this module is imported; any worker answers for all of them.
"""

from __future__ import annotations

import os
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REGISTRY = CollectorRegistry()

_requests = Histogram(
    "http_server_request_duration_seconds",
    "Duration of HTTP requests.",
    ["http_request_method", "http_route", "http_response_status_code"],
    buckets=_BUCKETS,
    registry=_REGISTRY,
)
_predictions = Counter(
    "mainspring_predictions",
    "Rows answered, by what became of them (ok, error, invalid).",
    ["endpoint", "version", "role", "status"],
    registry=_REGISTRY,
)
_duration = Histogram(
    "mainspring_prediction_duration_seconds",
    "Time a version took to answer a request, waiting included.",
    ["endpoint", "version", "role"],
    buckets=_BUCKETS,
    registry=_REGISTRY,
)
_labels = Counter("mainspring_labels", "Labels stored.", ["endpoint"], registry=_REGISTRY)
_shadow_dropped = Counter(
    "mainspring_shadow_dropped", "Requests not copied to the shadow, under pressure.", ["endpoint"], registry=_REGISTRY
)
_records_dropped = Counter(
    "mainspring_records_dropped", "Rows answered and not recorded.", ["endpoint"], registry=_REGISTRY
)
_generation = Gauge(
    "mainspring_route_generation",
    "Generation of the route table in use.",
    ["endpoint", "worker"],
    multiprocess_mode="livemostrecent",
    registry=_REGISTRY,
)
_problem = Gauge(
    "mainspring_route_problem",
    "1 while a newer route table cannot be used and the old one stays.",
    ["endpoint", "worker"],
    multiprocess_mode="livemostrecent",
    registry=_REGISTRY,
)
_memory = Gauge(
    "mainspring_worker_resident_memory_bytes",
    "Resident memory of a worker.",
    ["worker"],
    multiprocess_mode="livemostrecent",
    registry=_REGISTRY,
)


@cache
def _request(method: str, route: str, status: int) -> Histogram:
    return _requests.labels(method, route, str(status))


@cache
def _prediction(endpoint: str, version: str, role: str, status: str) -> Counter:
    return _predictions.labels(endpoint, version, role, status)


@cache
def _taken(endpoint: str, version: str, role: str) -> Histogram:
    return _duration.labels(endpoint, version, role)


def request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request. ``route`` is a pattern, never what the client sent."""
    _request(method, route, status).observe(seconds)


def prediction(endpoint: str, version: str, role: str, status: str, rows: int, seconds: float) -> None:
    """Count rows and what became of them."""
    _prediction(endpoint, version, role, status).inc(rows)
    _taken(endpoint, version, role).observe(seconds)


def labels(endpoint: str, count: int) -> None:
    """Count labels that were stored."""
    _labels.labels(endpoint).inc(count)


def shadow_dropped(endpoint: str) -> None:
    """Count a request that the shadow did not see."""
    _shadow_dropped.labels(endpoint).inc()


def records_dropped(endpoint: str, rows: int) -> None:
    """Count rows that were answered and not recorded."""
    _records_dropped.labels(endpoint).inc(rows)


def route(endpoint: str, worker: str, generation: int, *, problem: bool) -> None:
    """Show which route table is in use, and whether a newer one is broken."""
    _generation.labels(endpoint, worker).set(generation)
    _problem.labels(endpoint, worker).set(1 if problem else 0)


def memory(worker: str, resident: int) -> None:
    """Show a worker's memory, in bytes."""
    _memory.labels(worker).set(resident)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format."""
    shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not shared:
        return generate_latest(_REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=shared)  # type: ignore[no-untyped-call] # the library says no types
    return generate_latest(registry)
