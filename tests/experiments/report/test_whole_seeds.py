"""A report that is read before a seed is whole: its difference over seeds and that over test rows are of one quantity.

Seed 0 has both tasks, seed 1 only the first. There the entry loses 14 points, which a mean over the tasks that are
there would count as a loss of 2.5 points, where seed 0 says a gain of 2.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from adapter_workbench.experiments.reporting.plain_verdicts import SCORED, ComparisonInWords, Named
from adapter_workbench.experiments.studies.compositions import record as composed
from adapter_workbench.experiments.studies.compositions import summary as compositions
from adapter_workbench.experiments.studies.methods import report as methods
from adapter_workbench.experiments.studies.updates import report as updates
from adapter_workbench.experiments.studies.updates.report import ROW
from tests.experiments.report.finished import FINISHED, TASKS, Results

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter

ROWS = 100
RIGHT = {  # task, seed → rows of 100 that the entry gets right, and its reference
    (TASKS[0], 0): (80, 76),
    (TASKS[1], 0): (80, 80),
    (TASKS[0], 1): (70, 84),
}
ENTRIES = {"methods": ("small", "full"), "updates": ("goes-on", "anew"), "compositions": ("ties", "fresh")}


def write(path: Path, right: int) -> None:
    ids = [f"{row:03}" for row in range(ROWS)]
    correct = [row < right for row in range(ROWS)]
    pd.DataFrame({"id": ids, "prediction": "cat", "correct": correct}).to_parquet(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Hold a file of answers for each score."""
    for right in {score for pair in RIGHT.values() for score in pair}:
        write(tmp_path / str(right), right)
    return tmp_path


def right(study: str, label: str, task: str, seed: int) -> int:
    return RIGHT[task, seed][ENTRIES[study].index(label)]


def of_methods(folder: Path) -> Any:
    record: Any = FINISHED["methods"]().record
    cells = tuple(answered(cell, "methods", cell) for cell in record.cells if (cell.task, cell.seed) in RIGHT)
    return methods.summarise(replace(record, cells=cells), folder.joinpath).rows[-1].difference


def of_updates(folder: Path) -> Any:
    record: Any = FINISHED["updates"]().record
    cells = tuple(
        replace(cell, fitted=answered(cell.fitted, "updates", cell))
        for cell in record.cells
        if (cell.task, cell.seed) in RIGHT
    )
    return updates.summarise(replace(record, cells=cells), folder.joinpath).rows[-1].differences["score"]


def answered(fit: FittedAdapter, study: str, cell: Any) -> FittedAdapter:
    rows = right(study, cell.label, cell.task, cell.seed)
    return replace(fit, evaluation=str(rows), score=rows / ROWS)


def of_compositions(folder: Path) -> Any:
    record: Any = FINISHED["compositions"]().record
    cells = tuple(
        cell for cell in record.cells if cell.label in ENTRIES["compositions"] and (cell.target, cell.seed) in RIGHT
    )
    row = compositions.summarise(replace(record, cells=cells), Answers(folder)).row("ties")  # type: ignore[arg-type]
    assert row
    return row.difference


class Answers(Results):
    """The results of trials, whose answers are in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def require(self, key: str) -> composed.Result:
        return replace(super().require(key), score=self._right(key) / ROWS)

    def outcomes(self, key: str) -> Path:  # type: ignore[override]
        return self.folder / str(self._right(key))

    def _right(self, key: str) -> int:
        label, task, _, seed = key.split("/")
        return right("compositions", label, task, int(seed))


@pytest.mark.parametrize("difference", [of_methods, of_updates, of_compositions])
def test_a_seed_without_all_tasks_counts_neither_over_seeds_nor_over_rows(
    difference: Callable[[Path], Any], folder: Path
) -> None:
    measured = difference(folder)
    assert measured.seeds.values == (pytest.approx(0.02), None)
    assert measured.seeds.mean == pytest.approx(0.02)
    assert measured.examples.mean == pytest.approx(0.02)
    assert measured.reading == "higher"
    sentence = ComparisonInWords(Named("m"), Named("full"), SCORED, measured).sentence
    assert sentence == "m scored 2.0 points higher than full."


def test_the_cost_of_updates_is_that_of_all_of_them(folder: Path) -> None:
    """Of three versions there are all with seed 0; with seed 1 the second update is still to come."""
    record: Any = FINISHED["updates"]().record
    further = [replace(cell, version=3) for cell in record.cells if cell.version == 2 and cell.seed == 0]
    (steps,) = (quantity for quantity in ROW if quantity.name == "steps")

    def of_last_entry(**changed: Any) -> float | None:
        return steps.number(updates.summarise(replace(record, **changed), folder.joinpath).rows[-1])

    assert of_last_entry(versions=3, cells=(*record.cells, *further)) == 2 * (of_last_entry() or 0)
    assert of_last_entry(versions=3) is None
