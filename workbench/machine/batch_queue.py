"""Dynamic batching: jobs that come in from many threads are done together, by one thread.

A job is never split. A batch is the jobs that wait, in the order in which they came, up to so many rows; it begins when
it is full, or when its first job has waited long enough. While one batch is computed the next one fills, so that under
load batches are large and nobody waits for nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Generic, Protocol, TypeVar

from workbench.errors import BusyError, StoppedError


class SizedJob(Protocol):
    """A job, which knows how many rows it has."""

    def __len__(self) -> int:
        """Return the number of rows."""


Job = TypeVar("Job", bound=SizedJob)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Batching:
    """How jobs become batches.

    Attributes:
        rows: how many a batch may have; a job with more is a batch by itself. With 1, no two jobs share a batch.
        seconds: how long a batch waits for more jobs while nothing else is computed.
        waiting: how many rows may wait.
    """

    rows: int = 64
    seconds: float = 0.005
    waiting: int = 1024


@dataclass(frozen=True)
class _Waiting(Generic[Job, Result]):
    job: Job
    future: Future[Result]
    since: float


class BatchQueue(Generic[Job, Result]):
    """One thread that does jobs in batches.

    Attributes:
        waiting: how many rows wait for their batch.
    """

    def __init__(self, work: Callable[[Sequence[Job]], Sequence[Result]], batching: Batching) -> None:
        """Start the thread.

        Args:
            work: jobs → one result for each. Where it raises, each job of the batch is done again by itself, so that
                only the one that is to blame fails.
            batching: how jobs become batches.
        """
        self._work, self._batching = work, batching
        self._line: deque[_Waiting[Job, Result]] = deque()
        self.waiting, self._stopped, self._changed = 0, False, Condition()
        self._thread = Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Future[Result]:
        """Take a job; it is dropped if its future is cancelled before it begins.

        Raises:
            BusyError: too many rows are waiting.
            StoppedError: :meth:`stop` was called.
        """
        with self._changed:
            if self._stopped:
                raise StoppedError("no more jobs are accepted: the server is stopping")
            if self.waiting and self.waiting + len(job) > self._batching.waiting:
                raise BusyError(f"{self.waiting} texts are waiting already; the limit is {self._batching.waiting}")
            self._line.append(_Waiting(job, Future(), time.monotonic()))
            self.waiting += len(job)
            self._changed.notify()
            return self._line[-1].future

    @property
    def is_alive(self) -> bool:
        """Whether the thread works."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Accept no more jobs; finish those in the queue."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def join(self, seconds: float | None = None) -> None:
        """Wait until all is done; after :meth:`stop`."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            if batch:
                self._do(batch)

    def _next(self) -> list[_Waiting[Job, Result]] | None:
        """Wait for a batch and return it, without jobs that were cancelled; None where there will be none any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._stopped)
            if not self._line:
                return None
            patience = self._line[0].since + self._batching.seconds - time.monotonic()
            if patience > 0:
                self._changed.wait_for(lambda: self._stopped or self.waiting >= self._batching.rows, patience)
            batch: list[_Waiting[Job, Result]] = []
            room = self._batching.rows
            while self._line and (not batch or len(self._line[0].job) <= room):
                first = self._line.popleft()
                self.waiting -= len(first.job)
                if first.future.set_running_or_notify_cancel():
                    batch.append(first)
                    room -= len(first.job)
            return batch

    def _do(self, batch: Sequence[_Waiting[Job, Result]]) -> None:
        try:
            results = self._work([entry.job for entry in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
                return
            for entry in batch:
                self._do([entry])
            return
        for entry, result in zip(batch, results, strict=True):
            entry.future.set_result(result)
