"""The replies to a batch of jobs; where answers are written word by word, others join while they are."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.http_server.current import Reply
from adapter_workbench.experiments.answers.http_server.routed_jobs import owners_of
from adapter_workbench.workbench.answering.adapter_set import Question
from adapter_workbench.workbench.answering.joint_answers import JointAnswers
from adapter_workbench.workbench.answering.predictor import with_options
from adapter_workbench.workbench.answering.text_likelihood import RawText
from adapter_workbench.workbench.backbone.answer_options import GIVEN
from adapter_workbench.workbench.backbone.batching import BATCH_SIZE
from adapter_workbench.workbench.backbone.running_batch import OtherCacheError
from adapter_workbench.workbench.methods.library import UnmixableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from datasets import Dataset

    from adapter_workbench.experiments.answers.http_server.current import Job
    from adapter_workbench.workbench.answering.joint_answers import Writers
    from adapter_workbench.workbench.machine.batch_queue import Batch

    NumberedReply = tuple[int, Reply | Exception]


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
