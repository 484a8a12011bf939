"""A queue that does jobs in batches: which jobs share one, what is refused, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import wait
from threading import Event, Thread

import pytest

from adapter_workbench.workbench.errors import BusyError, StoppedError
from adapter_workbench.workbench.machine.batch_queue import Batch, Batching, BatchQueue
from tests.messages import naming
from tests.patience import PATIENCE

Jobs = BatchQueue[str, str]


class Worker:
    """Answers each job in capitals, and can be held up; a job is a text, its rows are the characters."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun, self.go = Event(), Event()

    def __call__(self, batch: Batch[str, str]) -> list[tuple[int, str]]:
        jobs = [*batch.jobs.values()]
        self.batches.append(jobs)
        self.begun.set()
        assert self.go.wait(PATIENCE)
        if "bad" in jobs:
            raise ValueError("a bad job")
        return [(number, job.upper()) for number, job in enumerate(jobs)]


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def queue_of(worker: Worker) -> Iterator[Callable[[Batching], Jobs]]:
    """Make queues whose worker is busy with a first job, ``x``, until ``worker.go`` is set."""
    made = []

    def queue_of(batching: Batching) -> Jobs:
        queue: Jobs = BatchQueue(worker, batching)
        made.append(queue)
        queue.submit("x")
        assert worker.begun.wait(PATIENCE)
        return queue

    yield queue_of
    worker.go.set()
    for queue in made:
        queue.stop()
        queue.join(PATIENCE)


def test_whole_jobs_share_a_batch_in_their_order_up_to_its_size(
    worker: Worker, queue_of: Callable[[Batching], Jobs]
) -> None:
    queue = queue_of(Batching(rows=4, seconds=0))
    futures = [queue.submit(job) for job in ("ab", "c", "de", "longer", "f", "g")]
    assert queue.waiting == 13
    worker.go.set()
    assert [future.result(PATIENCE) for future in futures] == ["AB", "C", "DE", "LONGER", "F", "G"]
    assert worker.batches == [["x"], ["ab", "c"], ["de"], ["longer"], ["f", "g"]]
    assert queue.waiting == 0


def test_with_one_row_no_two_jobs_share_a_batch(worker: Worker, queue_of: Callable[[Batching], Jobs]) -> None:
    queue = queue_of(Batching(rows=1, seconds=10))
    futures = [queue.submit(job) for job in ("a", "b", "cd")]
    worker.go.set()
    assert not wait(futures, 5).not_done, "and none waits for another"
    assert worker.batches == [["x"], ["a"], ["b"], ["cd"]]


def test_a_batch_waits_for_more_until_it_is_full(worker: Worker) -> None:
    worker.go.set()
    queue: Jobs = BatchQueue(worker, Batching(rows=2, seconds=60))
    first = queue.submit("a")
    assert not worker.begun.wait(0.3)
    assert not first.done()
    assert queue.submit("b").result(PATIENCE) == "B"
    assert worker.batches == [["a", "b"]]
    queue.submit("c")
    queue.stop()
    queue.join(PATIENCE)
    assert worker.batches[1:] == [["c"]], "what is told to stop does not wait"


def test_more_than_may_wait_is_refused(worker: Worker, queue_of: Callable[[Batching], Jobs]) -> None:
    queue = queue_of(Batching(rows=64, waiting=3))
    queue.submit("ab")
    with pytest.raises(BusyError, match=naming("2 texts are waiting", "3")):
        queue.submit("cd")
    assert queue.submit("c")
    worker.go.set()


def test_a_job_that_is_larger_than_may_wait_is_taken_when_none_waits(
    worker: Worker, queue_of: Callable[[Batching], Jobs]
) -> None:
    queue = queue_of(Batching(waiting=3))
    large = queue.submit("larger")
    worker.go.set()
    assert large.result(PATIENCE) == "LARGER"


def test_a_job_that_is_cancelled_while_it_waits_is_not_done(
    worker: Worker, queue_of: Callable[[Batching], Jobs]
) -> None:
    queue = queue_of(Batching(seconds=0))
    dropped, kept = queue.submit("dropped"), queue.submit("kept")
    assert dropped.cancel()
    worker.go.set()
    assert kept.result(PATIENCE) == "KEPT"
    assert worker.batches == [["x"], ["kept"]]


def test_jobs_that_were_cancelled_keep_no_others_out(worker: Worker, queue_of: Callable[[Batching], Jobs]) -> None:
    queue = queue_of(Batching(seconds=0, waiting=3))
    dropped = [queue.submit(job) for job in ("ab", "c")]
    assert dropped[0].cancel()
    assert queue.waiting == 1
    kept = queue.submit("de")
    worker.go.set()
    assert (dropped[1].result(PATIENCE), kept.result(PATIENCE)) == ("C", "DE")
    assert worker.batches == [["x"], ["c", "de"]]
    assert queue.waiting == 0


def test_only_the_job_that_is_to_blame_fails(worker: Worker, queue_of: Callable[[Batching], Jobs]) -> None:
    queue = queue_of(Batching())
    good, bad, other = (queue.submit(job) for job in ("good", "bad", "other"))
    worker.go.set()
    assert (good.result(PATIENCE), other.result(PATIENCE)) == ("GOOD", "OTHER")
    with pytest.raises(ValueError, match="a bad job"):
        bad.result(PATIENCE)
    assert queue.is_alive


class Joined:
    """Does a batch row by row, and lets others in before each but the first; a job is done when its last row is."""

    def __init__(self) -> None:
        self.let_in: list[list[str]] = []
        self.begun, self.go = Event(), Event()

    def __call__(self, batch: Batch[str, str]) -> Iterator[tuple[int, str]]:
        left = {number: len(job) for number, job in batch.jobs.items()}
        self.begun.set()
        assert self.go.wait(PATIENCE)
        while left:
            left = {number: rows - 1 for number, rows in left.items()}
            for number in [number for number, rows in left.items() if not rows]:
                del left[number]
                if "bad" in batch.job(number):
                    raise ValueError("a bad job")
                yield number, batch.job(number).upper()
            awaited = batch.is_awaited(sum(left.values()), str.islower)
            numbers = batch.more(sum(left.values()), str.islower) if left else []
            assert not left or bool(numbers) == awaited
            left |= {number: len(batch.job(number)) for number in numbers}
            self.let_in.append([batch.job(number) for number in numbers])


@pytest.fixture
def joined() -> Iterator[tuple[Joined, Jobs]]:
    worker = Joined()
    queue: Jobs = BatchQueue(worker, Batching(rows=6, seconds=0))
    yield worker, queue
    worker.go.set()
    queue.stop()
    queue.join(PATIENCE)


def test_jobs_join_a_batch_in_their_order_as_long_as_there_is_room(joined: tuple[Joined, Jobs]) -> None:
    worker, queue = joined
    futures = [queue.submit("abcd")]
    assert worker.begun.wait(PATIENCE)
    futures += [queue.submit(job) for job in ("ef", "ghi", "j")]
    worker.go.set()
    assert [future.result(PATIENCE) for future in futures] == ["ABCD", "EF", "GHI", "J"]
    # 3 rows are left after a turn, and 2 more have room; then there are 3, and 3 more have room; then 2 + 1
    assert worker.let_in[:3] == [["ef"], ["ghi"], ["j"]]


def test_no_job_overtakes_one_that_cannot_join(joined: tuple[Joined, Jobs]) -> None:
    worker, queue = joined
    futures = [queue.submit("abcd")]
    assert worker.begun.wait(PATIENCE)
    futures += [queue.submit(job) for job in ("e", "F", "g")]
    worker.go.set()
    assert [future.result(PATIENCE) for future in futures] == ["ABCD", "E", "F", "G"]
    assert worker.let_in[:4] == [["e"], [], [], []], "who stands behind waits with it for the next batch"


def test_a_job_that_was_cancelled_does_not_join(joined: tuple[Joined, Jobs]) -> None:
    worker, queue = joined
    first = queue.submit("abc")
    assert worker.begun.wait(PATIENCE)
    dropped, kept = queue.submit("d"), queue.submit("e")
    assert dropped.cancel()
    worker.go.set()
    assert (first.result(PATIENCE), kept.result(PATIENCE)) == ("ABC", "E")
    assert worker.let_in[0] == ["e"]


def test_a_job_that_was_cancelled_does_not_let_those_behind_it_wait(joined: tuple[Joined, Jobs]) -> None:
    worker, queue = joined
    first = queue.submit("abcd")
    assert worker.begun.wait(PATIENCE)
    cannot_join, behind = queue.submit("E"), queue.submit("f")
    assert cannot_join.cancel()
    worker.go.set()
    assert (first.result(PATIENCE), behind.result(PATIENCE)) == ("ABCD", "F")
    assert worker.let_in[0] == ["f"]


def test_only_the_job_that_is_to_blame_fails_where_others_have_joined(joined: tuple[Joined, Jobs]) -> None:
    worker, queue = joined
    futures = [queue.submit("abcd")]
    assert worker.begun.wait(PATIENCE)
    futures += [queue.submit(job) for job in ("bad", "efgh")]
    worker.go.set()
    assert (futures[0].result(PATIENCE), futures[2].result(PATIENCE)) == ("ABCD", "EFGH")
    with pytest.raises(ValueError, match="a bad job"):
        futures[1].result(PATIENCE)
    assert queue.is_alive


def test_a_batch_that_others_keep_joining_keeps_nothing_of_those_that_are_answered() -> None:
    go, held, taken = Event(), list[int](), list[int]()

    def work(batch: Batch[str, str]) -> Iterator[tuple[int, str]]:
        assert go.wait(PATIENCE)
        while batch.jobs:
            batch.more(len(batch.jobs), str.islower)
            held.append(len(batch.jobs))
            number = min(batch.jobs)
            yield number, batch.job(number).upper()
        taken.append(batch.taken)

    queue: Jobs = BatchQueue(work, Batching(rows=2, seconds=0))
    futures = [queue.submit("a") for _ in range(50)]
    go.set()
    assert [future.result(PATIENCE) for future in futures] == ["A"] * 50
    queue.stop()
    queue.join(PATIENCE)
    assert sum(taken) == 50
    assert len(taken) <= 2, "the first may have begun before the others came"
    assert max(held) == 2


def test_what_was_taken_is_done_after_a_stop_and_nothing_more_is_taken(
    worker: Worker, queue_of: Callable[[Batching], Jobs]
) -> None:
    queue = queue_of(Batching(rows=1))
    taken = [queue.submit(job) for job in "abc"]
    queue.stop()
    with pytest.raises(StoppedError):
        queue.submit("d")
    worker.go.set()
    queue.join(PATIENCE)
    assert [future.result(0) for future in taken] == ["A", "B", "C"]
    assert not queue.is_alive


def test_jobs_of_many_threads_are_all_answered(worker: Worker) -> None:
    worker.go.set()
    queue: Jobs = BatchQueue(worker, Batching(rows=16, waiting=10_000))
    answers: dict[str, str] = {}

    def ask(number: int) -> None:
        for index in range(50):
            job = f"job {number} {index}"
            answers[job] = queue.submit(job).result(PATIENCE)

    threads = [Thread(target=ask, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {f"job {number} {index}": f"JOB {number} {index}" for number in range(8) for index in range(50)}
    queue.stop()
    queue.join(PATIENCE)
