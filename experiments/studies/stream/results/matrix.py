"""The accuracy matrix R: of one replication from what was recorded, and its mean over replications."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from adapter_workbench.experiments.studies.stream.work.stage_outcome import CellStatus
from adapter_workbench.workbench.measures.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageOutcome
    from adapter_workbench.workbench.measures.statistics import Array

Grid: TypeAlias = tuple[tuple[float | None, ...], ...]
Statuses: TypeAlias = tuple[tuple[CellStatus | None, ...], ...]


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
