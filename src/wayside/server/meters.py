"""What the server counts about itself; rendered by `/metrics` with everything else."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from wayside.metrics import REGISTRY

REQUESTS = Counter("wayside_http_requests", "Answered requests.", ["kind", "status"], registry=REGISTRY)
SECONDS = Histogram(
    "wayside_http_seconds",
    "Time from the headers of a request to the end of its answer.",
    ["kind"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
SUBSCRIBERS = Gauge("wayside_live_subscribers", "Clients that listen to the live stream.", registry=REGISTRY)
EVICTED = Counter(
    "wayside_live_evicted", "Live clients that were sent away because they did not keep up.", registry=REGISTRY
)
CUT = Counter("wayside_http_cut", "Connections that were cut because nobody read from them.", registry=REGISTRY)
REFUSED = Counter("wayside_http_refused", "Connections refused below the application.", ["status"], registry=REGISTRY)


class Meter:
    """Counts requests of one kind; looking a label up costs more than counting."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._seconds = SECONDS.labels(kind)
        self._by_status = {status: REQUESTS.labels(kind, str(status)) for status in (200, 202, 422)}

    def answered(self, status: int, seconds: float) -> None:
        """Count one answer."""
        child = self._by_status.get(status)
        if child is None:
            child = self._by_status[status] = REQUESTS.labels(self._kind, str(status))
        child.inc()
        self._seconds.observe(seconds)


def kind_of(path: str) -> str:
    """The kind of question that a path asks: few kinds, so that no client can make metrics without end."""
    if path.startswith("/v1/live"):
        return "live"
    if path.startswith(("/v1/", "/api/", "/registry/", "/topics", "/consumers/")):
        return "query"
    return "health" if path in ("/livez", "/readyz", "/metrics") else "page"
