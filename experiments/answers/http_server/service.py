"""The answers of one workspace: what is served now, the queue before it, and the change to what is served next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate, chain, islice
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.http_server.current import Current, Job, Reply, Routed
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.workbench.answering.adapter_set import Question
from adapter_workbench.workbench.answering.joint_answers import JointAnswers
from adapter_workbench.workbench.answering.predictor import join_tables, with_options
from adapter_workbench.workbench.answering.text_likelihood import RawText
from adapter_workbench.workbench.backbone.answer_options import GIVEN
from adapter_workbench.workbench.backbone.batching import BATCH_SIZE
from adapter_workbench.workbench.backbone.running_batch import OtherCacheError
from adapter_workbench.workbench.errors import BusyError
from adapter_workbench.workbench.machine.batch_queue import Batch, Batching, BatchQueue
from adapter_workbench.workbench.machine.memory import release
from adapter_workbench.workbench.methods.library import UnmixableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Future

    from datasets import Dataset

    from adapter_workbench.experiments.answers.http_server.current import Routing
    from adapter_workbench.experiments.answers.http_server.metrics import Metrics
    from adapter_workbench.experiments.answers.http_server.selection import Selection
    from adapter_workbench.fusion.routing.route import RoutingState
    from adapter_workbench.workbench.answering.joint_answers import Writers

    NumberedReply = tuple[int, Reply | Exception]

    Owners = tuple[Sequence[str | None], Routed | None]
    """The id of the adapter that answers each text, None for nobody; and how a router chose, if one did."""

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


# The replies to a batch of jobs; where answers are written word by word, others join while they are.


def replies(batch: Batch[Job, Reply]) -> Iterator[NumberedReply]:
    """Yield the number of each job with its reply, or with what went wrong with it, as soon as it is there.

    First come those that are computed at once, and how likely texts are. Then answers are written, those of one body
    together; jobs that come meanwhile join the last of these bodies as long as each of them can.
    """
    written = {number: writers for number, job in batch.jobs.items() if (writers := _writers(job))}
    measured = [number for number, job in batch.jobs.items() if job.most is not None]
    at_once = [number for number in batch.jobs if number not in written and number not in measured]
    yield from _at_once(batch, at_once)
    yield from zip(measured, likelihood_replies([batch.job(number) for number in measured]), strict=True)
    bodies = [*dict.fromkeys(written.values())]
    for writers in bodies:
        numbers = [number for number, others in written.items() if others is writers]
        yield from _written(batch, numbers, writers, is_last=writers is bodies[-1])


def replies_to(jobs: Sequence[Job]) -> list[Reply]:
    """Return the replies to jobs, all at once; texts for the same adapters are answered together."""
    results = [Reply([], owners, routed) for owners, routed in owners_of(jobs)]
    for current in {id(job.current): job.current for job in jobs}.values():
        indices = [index for index, job in enumerate(jobs) if job.current is current]
        questions = [
            Question(with_options(jobs[index].rows, jobs[index].options), results[index].adapters) for index in indices
        ]
        for index, answers in zip(indices, current.opened.answers(questions), strict=True):
            results[index] = replace(results[index], answers=answers)
    return results


def likelihood_replies(jobs: Sequence[Job]) -> list[Reply]:
    """Return how likely the texts of jobs are; all are read together, whosever adapters measure them."""
    measured: list[Reply] = [Reply([], [])] * len(jobs)
    for current in {id(job.current): job.current for job in jobs}.values():
        numbers = [number for number, job in enumerate(jobs) if job.current is current]
        texts = [_raw_texts(jobs[number]) for number in numbers]
        owners = [[str(jobs[number].adapter)] * len(jobs[number]) for number in numbers]
        rows = iter(current.opened.likelihoods([*chain(*texts)], [*chain(*owners)]))
        for number, own in zip(numbers, owners, strict=True):
            measured[number] = Reply([], own, likelihoods=[*islice(rows, len(own))])
    return measured


def _raw_texts(job: Job) -> list[RawText]:
    texts, given = job.rows["text"], job.rows[GIVEN]
    return [RawText(text, ids, job.most or 0, job.is_awaited) for text, ids in zip(texts, given, strict=True)]


def _at_once(batch: Batch[Job, Reply], numbers: Sequence[int]) -> Iterator[NumberedReply]:
    yield from zip(numbers, replies_to([batch.job(number) for number in numbers]), strict=True)


def _written(
    batch: Batch[Job, Reply], numbers: Sequence[int], writers: Writers, is_last: bool
) -> Iterator[NumberedReply]:
    waiting = deque(numbers)
    if (joint := _begun(batch, waiting, writers)) is None:
        yield from _at_once(batch, numbers)
        return

    def fits(job: Job) -> bool:
        return is_last and _writers(job) is writers

    def is_awaited() -> bool:
        return not waiting and batch.is_awaited(joint.rows, fits)

    while waiting or not joint.is_empty:
        for number, answers in joint.write(is_awaited).items():
            job = batch.job(number)
            yield number, answers if isinstance(answers, Exception) else Reply(answers, [job.adapter] * len(job))
        if not waiting and joint.rows:  # else the batch is over, and who comes is a batch anew
            waiting.extend(batch.more(joint.rows, fits))
        joint.join(_questions(batch, _with_room(batch, waiting, joint.rows)))


def _begun(batch: Batch[Job, Reply], waiting: deque[int], writers: Writers) -> JointAnswers | None:
    """Return a batch that the first jobs have joined; None where it turns out that rows cannot join each other."""
    if (running := writers.running()) is None:
        return None
    joint = JointAnswers(writers, running)
    try:
        joint.join(_questions(batch, _with_room(batch, waiting, 0)))
    except (OtherCacheError, UnmixableError):
        return None
    return joint


def _with_room(batch: Batch[Job, Reply], waiting: deque[int], rows: int) -> Iterator[int]:
    """Take the first jobs that wait as long as there is room for them beside so many rows."""
    while waiting and (not rows or rows + len(batch.job(waiting[0])) <= BATCH_SIZE):
        rows += len(batch.job(waiting[0]))
        yield waiting.popleft()


def _questions(batch: Batch[Job, Reply], numbers: Iterable[int]) -> dict[int, tuple[Dataset, Sequence[str]]]:
    jobs = {number: batch.job(number) for number in numbers}
    return {
        number: (with_options(job.rows, job.options), [str(job.adapter)] * len(job)) for number, job in jobs.items()
    }


def _writers(job: Job) -> Writers | None:
    """Return the adapters with which a job's adapter writes; None where all is computed at once.

    The latter holds for a job of more rows than a batch of ``predict`` has, and for one that asks how likely they are.
    """
    if job.adapter is None or job.most is not None or len(job) > BATCH_SIZE:
        return None
    return job.current.opened.group_of(job.adapter).writers(job.adapter)


# Who answers each text of several jobs; texts that a router chooses for are read together, whoever sent them.


def owners_of(jobs: Sequence[Job]) -> list[Owners]:
    """Return who answers the texts of each job, in order."""
    owners: list[Owners] = [([job.adapter] * len(job), None) for job in jobs]
    routed: dict[int, tuple[RoutingState, list[int]]] = {}
    for number, job in enumerate(jobs):
        if job.adapter is None:
            state = job.current.routers["text_pair" in job.rows.column_names]
            routed.setdefault(id(state), (state, []))[1].append(number)
    for state, numbers in routed.values():
        for number, chosen in zip(numbers, _chosen(state, [jobs[number] for number in numbers]), strict=True):
            owners[number] = chosen
    return owners


def _chosen(state: RoutingState, jobs: Sequence[Job]) -> list[Owners]:
    choice = adapters_for_texts(state, join_tables([job.rows for job in jobs]))
    nearest = [state.adapters[index].id for index in choice.adapters]
    owners = [None if rejected else name for name, rejected in zip(nearest, choice.rejected, strict=True)]
    scores = choice.scores.tolist()
    ends = [*accumulate(map(len, jobs))]
    parts = [slice(end - len(job), end) for end, job in zip(ends, jobs, strict=True)]
    return [(owners[part], Routed(nearest[part], scores[part])) for part in parts]
