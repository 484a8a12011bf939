"""Dynamic batching: jobs that come in from many threads are done together, by one thread.

A job is never split. A batch is the jobs that wait, in the order in which they came, up to so many rows; it begins when
it is full, or when its first job has waited long enough. While one batch is computed the next one fills, so that under
load batches are large and nobody waits for nothing. Who computes may let jobs into the batch that is being computed. No
job overtakes another: where the first that waits cannot get in, those behind it wait too, and none waits for ever.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Generic, Protocol, TypeVar

from adapter_workbench.workbench.errors import BusyError, StoppedError


class SizedJob(Protocol):
    """A job, which knows how many rows it has."""

    def __len__(self) -> int:
        """Return the number of rows."""


Job = TypeVar("Job", bound=SizedJob)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Batching:
    """How jobs become batches."""

    rows: int = 64  # how many a batch may have; a job with more is a batch by itself. With 1, no two jobs share a batch
    seconds: float = 0.005  # how long a batch waits for more jobs while nothing else is computed
    waiting: int = 1024  # how many rows may wait


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Job, Result]):
    job: Job
    future: Future[Result]
    since: float


class Batch(Generic[Job, Result]):
    """Jobs that are computed together; others may come to them meanwhile, so that a batch may never end.

    Attributes:
        taken: how many jobs have come so far; the next one has this number.
    """

    def __init__(self, queue: BatchQueue[Job, Result], entries: Sequence[_Waiting[Job, Result]], joins: bool) -> None:
        """Begin with these jobs of a queue; ``joins`` says whether others may come to them."""
        self._queue, self._joins = queue, joins
        self._entries: dict[int, _Waiting[Job, Result]] = {}  # without those that have their result
        self.taken = 0
        self._take(entries)

    @property
    def jobs(self) -> dict[int, Job]:
        """Return the jobs without a result by number, in the order in which they came."""
        return {number: entry.job for number, entry in self._entries.items()}

    def job(self, number: int) -> Job:
        """Return a job that has no result yet."""
        return self._entries[number].job

    def more(self, rows: int, fits: Callable[[Job], bool]) -> list[int]:
        """Let jobs in that wait, and return their numbers.

        Args:
            rows: how many are being computed; with the new ones there are at most as many as a batch may have.
            fits: whether a job can still get in. The first one that cannot keeps out those behind it.
        """
        return self._take(self._queue.take(rows, fits) if self._joins else [])

    def _take(self, entries: Sequence[_Waiting[Job, Result]]) -> list[int]:
        numbers = [*range(self.taken, self.taken + len(entries))]
        self._entries |= zip(numbers, entries, strict=True)
        self.taken += len(entries)
        return numbers

    def is_awaited(self, rows: int, fits: Callable[[Job], bool]) -> bool:
        """Return whether :meth:`more` would let a job in."""
        return self._joins and self._queue.has(rows, fits)

    def finish(self, number: int, result: Result | Exception) -> None:
        """Hand a job's result to who waits for it, or what went wrong with it."""
        future = self._entries.pop(number).future
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)

    @property
    def unfinished(self) -> list[_Waiting[Job, Result]]:
        """Return the jobs without a result."""
        return [*self._entries.values()]


class BatchQueue(Generic[Job, Result]):
    """One thread that does jobs in batches.

    Attributes:
        waiting: how many rows wait for their batch.
    """

    def __init__(
        self, work: Callable[[Batch[Job, Result]], Iterable[tuple[int, Result | Exception]]], batching: Batching
    ) -> None:
        """Start the thread.

        Args:
            work: a batch → the number of each of its jobs with its result, or with what went wrong with it, as soon as
                it is there. Where ``work`` raises, each job without a result is done again by itself, so that only the
                one that is to blame fails.
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
            entry: _Waiting[Job, Result] = _Waiting(job, Future(), time.monotonic())
            self._line.append(entry)
            self.waiting += len(job)
            self._changed.notify()
        entry.future.add_done_callback(lambda future: self._leave(entry) if future.cancelled() else None)
        return entry.future

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

    def _leave(self, entry: _Waiting[Job, Result]) -> None:
        """Take a job that was cancelled out of the line: nobody waits for it, and it keeps out no other."""
        with self._changed, suppress(ValueError):  # it may have been taken out already
            self._line.remove(entry)
            self.waiting -= len(entry.job)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            if batch:
                self._do(batch)
            del batch  # else its jobs, and all that answered them, would be held until the next one comes

    def _next(self) -> list[_Waiting[Job, Result]] | None:
        """Wait for a batch and return it, without jobs that were cancelled; None where there will be none any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._stopped)
            if not self._line:
                return None
            patience = self._line[0].since + self._batching.seconds - time.monotonic()
            if patience > 0:
                self._changed.wait_for(lambda: self._stopped or self.waiting >= self._batching.rows, patience)
            return self._taken(0, lambda _: True)

    def take(self, rows: int, fits: Callable[[Job], bool]) -> list[_Waiting[Job, Result]]:
        """Take the first jobs that wait into a batch, as :meth:`Batch.more` says."""
        with self._changed:
            return self._taken(rows, fits)

    def has(self, rows: int, fits: Callable[[Job], bool]) -> bool:
        """Return whether :meth:`take` would take a job."""
        with self._changed:
            return self._is_next(rows, fits)

    def _is_next(self, rows: int, fits: Callable[[Job], bool]) -> bool:
        if not self._line:
            return False
        job = self._line[0].job
        return (not rows or rows + len(job) <= self._batching.rows) and fits(job)

    def _taken(self, rows: int, fits: Callable[[Job], bool]) -> list[_Waiting[Job, Result]]:
        """Return the first jobs that wait, without those that were cancelled; where there are no rows, one at least."""
        batch: list[_Waiting[Job, Result]] = []
        while self._is_next(rows, fits):
            first = self._line.popleft()
            self.waiting -= len(first.job)
            if first.future.set_running_or_notify_cancel():
                batch.append(first)
                rows += len(first.job)
        return batch

    def _do(self, entries: Sequence[_Waiting[Job, Result]], joins: bool = True) -> None:
        batch = Batch(self, entries, joins)
        try:
            for number, result in self._work(batch):
                batch.finish(number, result)
        except Exception as error:
            if batch.taken == 1:
                for number in batch.jobs:
                    batch.finish(number, error)
                return
            for entry in batch.unfinished:
                self._do([entry], joins=False)
