"""Counters and histograms in Prometheus form; none of them holds a person's name."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

#: The variable by which the Prometheus client counts in the files of a folder, which several processes share.
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "mlf_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "mlf_request_seconds",
            "From the first byte to the last of the answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.refusals = Counter("mlf_refusals", "Requests refused, by reason.", ("code",), registry=self.registry)
        self.events = Counter("mlf_events", "Events by outcome.", ("outcome",), registry=self.registry)
        self.saves_per_commit = Histogram(
            "mlf_saves_per_commit",
            "Saves that shared one transaction.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
            registry=self.registry,
        )

    def text(self) -> bytes:
        """Return everything in Prometheus' text form: of all processes, where several serve the project together."""
        if METRICS_VARIABLE not in os.environ:
            return generate_latest(self.registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)
