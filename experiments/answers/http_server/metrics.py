"""What is counted and measured while adapters answer, in the words of Prometheus."""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from adapter_workbench.workbench.answering.predictor import Answer

REJECTED = "none"  # in place of an adapter's id: a router found that a text is of none of the tasks
MEDIA_TYPE = CONTENT_TYPE_LATEST
CONFIDENCES = tuple(step / 10 for step in range(1, 11))
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """Counters of one server; two servers of one process share none."""

    def __init__(self) -> None:
        """Begin at zero."""
        own = self._registry = CollectorRegistry()
        self._requests = Counter(
            "workbench_requests", "Requests, by path and status code.", ["path", "code"], registry=own
        )
        self._seconds = Histogram("workbench_request_seconds", "From a request to its answer.", ["path"], registry=own)
        self._texts = Counter("workbench_texts", "Texts answered, by adapter.", ["adapter"], registry=own)
        self._labels = Counter(
            "workbench_answers",
            "Answers, by adapter and label; of tasks with labels.",
            ["adapter", "label"],
            registry=own,
        )
        self._confidence = Histogram(
            "workbench_confidence",
            "Probability of an answer, by adapter.",
            ["adapter"],
            buckets=CONFIDENCES,
            registry=own,
        )
        self._batch_texts = Histogram("workbench_batch_texts", "Texts in a batch.", buckets=SIZES, registry=own)
        self._batch_requests = Histogram(
            "workbench_batch_requests", "Requests in a batch.", buckets=SIZES, registry=own
        )
        self._batch_seconds = Histogram("workbench_batch_seconds", "Computing a batch.", registry=own)
        self._waiting = Gauge("workbench_waiting_texts", "Texts that wait for their batch.", registry=own)
        self._adapters = Gauge("workbench_adapters", "Adapters that are served.", registry=own)

    def watch(self, waiting: Callable[[], int], adapters: Callable[[], int]) -> None:
        """Ask for these whenever somebody asks for the metrics."""
        self._waiting.set_function(waiting)
        self._adapters.set_function(adapters)

    def request(self, path: str, code: int, seconds: float) -> None:
        """Count a request; paths that do not exist have one name, so that nobody can make up names."""
        self._requests.labels(path, str(code)).inc()
        self._seconds.labels(path).observe(seconds)

    def texts(self, adapters: Iterable[str | None]) -> None:
        """Count texts that were answered, each by the adapter with this id; None where a router rejects a text."""
        for adapter, texts in Tally(adapter or REJECTED for adapter in adapters).items():
            self._texts.labels(adapter).inc(texts)

    def batch(self, requests: int, texts: int, seconds: float) -> None:
        """Count what was answered together, from the first request to the last that joined."""
        self._batch_texts.observe(texts)
        self._batch_requests.observe(requests)
        self._batch_seconds.observe(seconds)

    def answer(self, adapter: str, labels: Collection[str], answer: Answer) -> None:
        """Count what an adapter answered to one text, each of its labels once; other words are not counted.

        Args:
            adapter: its id.
            labels: of its task, so that no text can make up a name.
            answer: what it answered.
        """
        for label in {*answer.value} if isinstance(answer.value, list) else {answer.value}:
            if label in labels:
                self._labels.labels(adapter, label).inc()
        if answer.confidence is not None and math.isfinite(answer.confidence):
            self._confidence.labels(adapter).observe(answer.confidence)

    def forget(self, adapter: str, labels: Collection[str]) -> None:
        """Let go of what was counted of an adapter that is no longer served.

        Args:
            adapter: its id.
            labels: of its task.
        """
        for counted in (self._texts, self._confidence):
            with suppress(KeyError):  # it may not have been asked
                counted.remove(adapter)
        for label in labels:
            with suppress(KeyError):
                self._labels.remove(adapter, label)

    def page(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self._registry)
