"""The answers of one workspace: what is served now, the queue before it, and the change to what is served next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.http_server.batch_replies import replies
from adapter_workbench.experiments.answers.http_server.current import Current, Job, Reply
from adapter_workbench.workbench.errors import BusyError
from adapter_workbench.workbench.machine.batch_queue import Batch, Batching, BatchQueue
from adapter_workbench.workbench.machine.memory import release

if TYPE_CHECKING:
    from concurrent.futures import Future

    from adapter_workbench.experiments.answers.http_server.current import Routing
    from adapter_workbench.experiments.answers.http_server.metrics import Metrics
    from adapter_workbench.experiments.answers.http_server.selection import Selection

MOST_COUNTED = 256  # requests: a batch that others keep joining may never end, and is counted in parts


@dataclass(frozen=True)
class Changes:
    """What a reload changed: ids of adapters, and the task → adapter that answers for it now."""

    added: list[str]
    removed: list[str]
    tasks: dict[str, str]


class Service:
    """Adapters that answer, and are replaced while they do.

    Attributes:
        current: what requests that come now are answered by.
        metrics: what was counted and measured.
        router: the name of the router; None without one.
    """

    def __init__(
        self,
        first: Selection,
        selected: Callable[[], Selection],
        routing: Routing | None,
        batching: Batching,
        metrics: Metrics,
        bank_bytes: int | None = None,
    ) -> None:
        """Open what is ``first`` to be served; :meth:`reload` opens what ``selected`` gives by then.

        Each bank of adapters holds ``bank_bytes`` in memory, or all.
        """
        self._selected, self._routing, self.metrics, self._bank_bytes = selected, routing, metrics, bank_bytes
        self.router = routing.name if routing else None
        self._reloading = Lock()
        # one thread for all reloads: each thread that did one would keep a heap of its own, of what it opened
        self._reloads = ThreadPoolExecutor(1, "reload")
        self.current = Current.of(first, routing, bank_bytes=bank_bytes)
        self._queue: BatchQueue[Job, Reply] = BatchQueue(self._answer, batching)
        self.is_stopping = False
        self._gone: dict[str, Collection[str]] = {}  # with the last reload: id → labels of its task
        metrics.watch(lambda: self._queue.waiting, lambda: len(self.current.opened.adapters))

    @property
    def is_alive(self) -> bool:
        """Whether the thread that computes works."""
        return self._queue.is_alive

    def submit(self, job: Job) -> Future[Reply]:
        """Take texts into the queue.

        Raises:
            BusyError: the queue is full.
            StoppedError: the service is stopping.
        """
        return self._queue.submit(job)

    def reload(self) -> Changes:
        """Look again which adapters are to be served, open them beside those that answer, and change over at once.

        Raises:
            BusyError: this is being done already.
            WorkbenchError: something is wrong with them; what was served before still is.
        """
        if not self._reloading.acquire(blocking=False):  # those that wait would take the threads that requests need
            raise BusyError("another reload is running")
        try:
            return self._reloads.submit(self._reload).result()
        finally:
            self._reloading.release()

    def _reload(self) -> Changes:
        changes = self._change_over()
        release()  # what looking and opening needed, and what was replaced
        return changes

    def _change_over(self) -> Changes:
        before = self.current
        self.current = Current.of(self._selected(), self._routing, before, self._bank_bytes)
        old, new = before.opened.adapters, self.current.opened.adapters
        added, removed = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
        for name in self._gone.keys() - new.keys():  # until now their last counts could be read
            self.metrics.forget(name, self._gone[name])
        self._gone = {name: old[name].manifest.task.labels for name in removed}
        return Changes(added, removed, dict(self.current.by_task))

    def stop(self) -> None:
        """Take nothing more; safe in a signal handler."""
        self.is_stopping = True

    def close(self) -> None:
        """Finish what was taken."""
        self.stop()
        self._reloads.shutdown()
        self._queue.stop()
        self._queue.join()

    def _answer(self, batch: Batch[Job, Reply]) -> Iterator[tuple[int, Reply | Exception]]:
        began, requests, texts = perf_counter(), 0, 0
        for number, reply in replies(batch):
            job = batch.job(number)
            requests, texts = requests + 1, texts + len(job)
            if not isinstance(reply, Exception) and job.is_counted and job.is_awaited():
                self._count(job, reply)
            if len(batch.jobs) == 1 or requests == MOST_COUNTED:
                self.metrics.batch(requests, texts, perf_counter() - began)
                began, requests, texts = perf_counter(), 0, 0
            yield number, reply

    def _count(self, job: Job, reply: Reply) -> None:
        adapters = job.current.opened.adapters
        served = self.current.opened.adapters
        # what reloads have let go of meanwhile is not counted
        kept = {name for name in reply.adapters if name is None or name in served or name in self._gone}
        self.metrics.texts(adapter for adapter in reply.adapters if adapter in kept)
        for adapter, answer in zip(reply.adapters, reply.answers, strict=bool(reply.answers)):
            if adapter is not None and adapter in kept:
                self.metrics.answer(adapter, adapters[adapter].manifest.task.labels, answer)
