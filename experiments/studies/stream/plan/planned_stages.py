"""The stages of a stream: every entry learns every stage, in every order and with every seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.workbench.files.digest import key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from adapter_workbench.experiments.strategies._checkpoint import GivenStage
    from adapter_workbench.experiments.studies.stream.plan.entry import PlannedEntry
    from adapter_workbench.workbench.methods.task import Task

Stream = tuple[str, float, int, int]


@dataclass(frozen=True)
class PlannedStage:
    """Learn the task of one stage, with one strategy, seed and order."""

    entry: PlannedEntry
    seed: int
    order: int  # which of the plan's orders of the stream
    tasks: tuple[Task, ...]  # those of all stages up to this one, in that order
    # SHA-256 over everything that determines the state after this stage: strategy, method, settings, backbone,
    # precision, scenario, budget, seed, versions, and ``tasks``
    key: str
    # the key of the state that this stage starts from; None where it starts from the pretrained weights
    before: str | None
    # the checkpoint that stands for it, where nothing is learned; ``tasks`` are all of the stream then
    given: GivenStage | None = None

    @property
    def stage(self) -> int:
        """How many tasks have been learned after it; of checkpoints their number."""
        return self.given.number if self.given else len(self.tasks)

    @property
    def task(self) -> Task:
        """The task of its stage; of a checkpoint, the last task of the stream."""
        return self.tasks[-1]

    @property
    def learned(self) -> tuple[Task, ...]:
        """The tasks that count from this stage on."""
        if self.given:
            return tuple(task for task in self.tasks if task.name in self.given.learned)
        return self.tasks if self.before is None else (self.task,)

    @property
    def newest(self) -> Task:
        """The task learned last; of checkpoints that are asked about all tasks alike, the last task of the stream."""
        return (self.learned or self.tasks)[-1]

    @property
    def name(self) -> str:
        """The task that it learned, or the checkpoint."""
        return self.given.checkpoint.name if self.given else self.task.name

    @property
    def label(self) -> str:
        """What to call the stage on a screen."""
        order = f" · order {self.order}" if self.order else ""
        return f"{self.entry.label} · seed {self.seed}{order} · stage {self.stage} · {self.name}"


def stream_of(planned: PlannedStage) -> Stream:
    """Return what identifies the stream of a stage; an entry that tries learning rates has one at each."""
    return planned.entry.label, planned.entry.learning_rate, planned.seed, planned.order


def all_stages(
    replications: Sequence[tuple[int, int]],
    orders: Sequence[tuple[Task, ...]],
    entries: Sequence[PlannedEntry],
    start_key: Callable[[PlannedEntry, int], str],
    given: Mapping[tuple[str, int], tuple[GivenStage, ...]],
) -> Iterator[PlannedStage]:
    """Yield all stages, replication by replication, so that the first complete comparison is there early.

    Args:
        replications: each a seed, and the index of an order.
        orders: the stream's tasks, in each order that they are learned in.
        entries: those that try several learning rates take all stages at each of them.
        start_key: what determines the state of an entry before its first task, with a seed.
        given: label, seed → checkpoints, of entries that are not learned.
    """
    for seed, order in replications:
        tasks = orders[order]
        for entry in (variant for own in entries for variant in _at_each_rate(own)):
            before, start = start_key(entry, seed), True
            if (entry.label, seed) in given:
                yield from _given_stages(entry, seed, order, tasks, before, given[entry.label, seed])
                continue
            for stage, task in enumerate(tasks, start=1):
                after = key([before, task.name, task.fingerprint])
                if stage == len(tasks) or STRATEGIES.get(entry.strategy).stages == "each":
                    yield PlannedStage(entry, seed, order, tasks[:stage], after, None if start else before)
                    start = False
                before = after


def _given_stages(
    entry: PlannedEntry, seed: int, order: int, tasks: tuple[Task, ...], start: str, stages: Sequence[GivenStage]
) -> Iterator[PlannedStage]:
    """Yield the stages of an entry of checkpoints; each needs the one before, whose heads may answer for its tasks."""
    data = [[task.name, task.fingerprint] for task in tasks]
    before = None
    for stage in stages:
        heads = {task: labels for task, labels in stage.checkpoint.heads.items() if stage.ways[task] == "own head"}
        answers = [stage.checkpoint.digest, dict(stage.ways), heads, [*stage.learned]]
        after = key([before or start, *answers, data])
        yield PlannedStage(entry, seed, order, tasks, after, before, stage)
        before = after


def _at_each_rate(entry: PlannedEntry) -> tuple[PlannedEntry, ...]:
    return tuple(entry.at(tried.learning_rate) for tried in entry.tried) or (entry,)
