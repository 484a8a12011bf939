"""What is reported of one strategy with one seed in one order of the stream."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from adapter_workbench.experiments.studies.stream.work.stage_outcome import CellStatus
from adapter_workbench.workbench.measures.forgetting import forgetting_by_task
from adapter_workbench.workbench.measures.statistics import finite, interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageOutcome
    from adapter_workbench.workbench.measures.statistics import Array

Grid: TypeAlias = tuple[tuple[float | None, ...], ...]
Statuses: TypeAlias = tuple[tuple[CellStatus | None, ...], ...]


@dataclass(frozen=True)
class ReplicationReport:
    """One strategy with one seed in one order of the stream."""

    seed: int  # the seed
    order: int  # which of the record's orders
    tasks: tuple[str, ...]  # the stream as it was learned here, which is the order of the columns of R
    matrix: Grid  # R (T + 1, T); of checkpoints that all tasks count in, a row for each
    # the metrics by name after each stage, had the stream ended there, None where not defined; entry i is of
    # stage i + 1
    metrics_by_stage: tuple[Mapping[str, float | None], ...]
    outcomes: tuple[StageOutcome, ...]  # what was recorded, in the order of the stages
    since: tuple[int, ...] | None = None  # from which stage each task counts; None: task j from stage j
    needed: bool = True  # whether it is planned: an entry that is decided needs no more seeds

    @property
    def last(self) -> int:
        """The last stage."""
        return len(self.matrix) - 1

    @property
    def learned_at(self) -> dict[str, int]:
        """Task → the stage from which it counts."""
        return dict(zip(self.tasks, self.since or range(1, len(self.tasks) + 1), strict=True))

    @property
    def earlier(self) -> dict[str, int]:
        """The same of the tasks that count from a stage before the last: those that can have been forgotten."""
        return {task: stage for task, stage in self.learned_at.items() if stage < self.last}

    @property
    def forgotten(self) -> dict[str, float | None]:
        """Task → best earlier score less the last one, of the tasks that can have been forgotten."""
        since = None if self.since is None else np.array(self.since)
        lost = forgetting_by_task(np.array(self.matrix, dtype=float), since)
        return {task: finite(float(drop)) for task, drop in zip(self.earlier, lost, strict=True)}

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """The metrics of the whole stream, by name."""
        return self.metrics_by_stage[-1]

    @property
    def statuses(self) -> Statuses:
        """How each cell of R came about, rows stage 0..T, None where it was not measured."""
        return self.statuses_by_task(self.tasks)

    def by_task(self, tasks: Sequence[str]) -> Grid:
        """Return R (T + 1, T) with its columns in the order of ``tasks``."""
        columns = [self.tasks.index(task) for task in tasks]
        return tuple(tuple(row[column] for column in columns) for row in self.matrix)

    def statuses_by_task(self, tasks: Sequence[str]) -> Statuses:
        """Return how each of these cells came about, None where it was not measured."""
        by_cell = {(cell.stage, cell.task): cell.status for outcome in self.outcomes for cell in outcome.cells}
        return tuple(tuple(by_cell.get((stage, task)) for task in tasks) for stage in range(self.last + 1))

    @property
    def finished(self) -> int:
        """How many stages have finished."""
        return sum(outcome.stage > 0 for outcome in self.outcomes)

    @property
    def complete(self) -> bool:
        """Whether the last stage has finished; a strategy that learns all tasks at once has no other."""
        return self.last in self._by_stage

    @cached_property
    def seconds(self) -> float:
        """What learning, tests and probes took."""
        outcomes = self.outcomes
        tests = math.fsum(cell.seconds for outcome in outcomes for cell in outcome.cells)
        return tests + math.fsum(outcome.cost.train_seconds + outcome.probe_seconds for outcome in outcomes)

    @property
    def planned(self) -> int:
        """How many stages there will be, as far as is known before the last."""
        return self.finished if self.complete or not self.needed else self.last

    def probed(self, probe: str, quantity: str, stage: int) -> float | None:
        """Return what a probe found after a stage, None where it was not measured."""
        outcome = self._by_stage.get(stage)
        return outcome.probes.get(probe, {}).get(quantity) if outcome else None

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the entry of ``seeds`` in ``report --json``: the metrics can be computed again from it.

        ``full`` adds what ``report --json --full`` says more.
        """
        since = {} if self.since is None else {"since": list(self.since)}
        document = {"seed": self.seed, "order": self.order, "tasks": list(self.tasks), **since, "matrix": self.matrix}
        if not full:
            return document
        return {
            **document,
            "statuses": self.statuses,
            "metrics": dict(self.metrics),
            "finished": self.finished,
            "chosen": [dict(outcome.chosen) for outcome in self.outcomes],
        }

    @cached_property
    def _by_stage(self) -> dict[int, StageOutcome]:
        return {outcome.stage: outcome for outcome in self.outcomes}


# The accuracy matrix R: of one replication from what was recorded, and its mean over replications.


def accuracy_matrix(tasks: Sequence[str], outcomes: Iterable[StageOutcome], last: int) -> Array:
    """Return R (last + 1, T), rows from stage 0, columns in the order of ``tasks``, NaN where it was not measured."""
    matrix = np.full((last + 1, len(tasks)), np.nan)
    for outcome in outcomes:
        for cell in outcome.cells:
            matrix[cell.stage, tasks.index(cell.task)] = cell.score
    return matrix


def grid(matrix: Array) -> Grid:
    """Return an array as rows of numbers, None for NaN."""
    return tuple(tuple(float(value) if np.isfinite(value) else None for value in row) for row in matrix)


def mean_grid(grids: Sequence[Grid]) -> Grid:
    """Return the mean over seeds (T + 1, T) of the cells that were measured; None where no seed measured one."""
    return tuple(tuple(interval(cells).mean for cells in zip(*rows, strict=True)) for rows in zip(*grids, strict=True))


def shared_statuses(grids: Sequence[Statuses]) -> Statuses:
    """Return the weakest status of each cell over the seeds: carried before measured before verified."""
    weakness = {None: 3, "verified": 2, "measured": 1, "carried": 0}
    return tuple(
        tuple(min(cells, key=lambda status: weakness[status]) for cells in zip(*rows, strict=True))
        for rows in zip(*grids, strict=True)
    )
