"""The accuracy matrix R of one strategy in one replication, read from a record."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias, get_args

import numpy as np

from experiments.studies.stream.stage_outcome import CellStatus
from workbench.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from experiments.studies.stream.record import Record
    from experiments.studies.stream.stage_outcome import Cell, StageOutcome
    from workbench.statistics import Array

Grid: TypeAlias = tuple[tuple[float | None, ...], ...]
Statuses: TypeAlias = tuple[tuple[CellStatus | None, ...], ...]


def finished_stages(record: Record, label: str, seed: int, order: int) -> list[StageOutcome]:
    """Return what was recorded for one contender and replication, in the order of the stages."""
    key = (label, seed, order)
    found = (outcome for outcome in record.outcomes if (outcome.strategy, outcome.seed, outcome.order) == key)
    return sorted(found, key=lambda outcome: outcome.stage)


def accuracy_matrix(tasks: Sequence[str], outcomes: Iterable[StageOutcome]) -> Array:
    """Return R (T + 1, T), rows stage 0..T, columns in the order of ``tasks``, NaN where a cell was not measured."""
    matrix = np.full((len(tasks) + 1, len(tasks)), np.nan)
    for cell in _cells(outcomes):
        matrix[cell.stage, tasks.index(cell.task)] = cell.score
    return matrix


def statuses(tasks: Sequence[str], outcomes: Iterable[StageOutcome]) -> Statuses:
    """Return how each cell of R came about, rows stage 0..T, None where it was not measured."""
    known = {(cell.stage, cell.task): cell.status for cell in _cells(outcomes)}
    return tuple(tuple(known.get((stage, task)) for task in tasks) for stage in range(len(tasks) + 1))


def count_statuses(grids: Iterable[Statuses]) -> dict[str, int]:
    """Return how many cells were measured, verified and carried."""
    counts = Counter(status for grid in grids for row in grid for status in row if status)
    return {status: counts[status] for status in get_args(CellStatus)}


def shared_statuses(grids: Sequence[Statuses]) -> Statuses:
    """Return the weakest status of each cell over the seeds: carried before measured before verified."""
    weakness = {None: 3, "verified": 2, "measured": 1, "carried": 0}
    return tuple(
        tuple(min(cells, key=lambda status: weakness[status]) for cells in zip(*rows, strict=True))
        for rows in zip(*grids, strict=True)
    )


def mean_grid(matrices: Sequence[Array]) -> Grid:
    """Return the mean over seeds (T + 1, T) of the cells that were measured; None where no seed measured one."""
    stack = np.stack(matrices)  # (seeds, T + 1, T)
    return tuple(tuple(interval(cells).mean for cells in row.T) for row in stack.transpose(1, 0, 2))


def grid(matrix: Array) -> Grid:
    """Return an array as rows of numbers, None for NaN."""
    return tuple(tuple(float(value) if np.isfinite(value) else None for value in row) for row in matrix)


def _cells(outcomes: Iterable[StageOutcome]) -> Iterator[Cell]:
    return (cell for outcome in outcomes for cell in outcome.cells)
