"""Where the data of an experiment come from, and what its trainings computed in: known before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.cells import words
from adapter_workbench.experiments.reporting.presentation import Column, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import DASH, setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from adapter_workbench.workbench.methods.task import Task


@dataclass(frozen=True)
class DataSource:
    """Where a task's data come from; None for what its file does not say."""

    origin: str
    license: str | None = None
    homepage: str | None = None


def data_sources(tasks: Iterable[Task]) -> dict[str, DataSource]:
    """Return task → where its data come from."""
    return {task.name: DataSource(task.origin, task.license, task.homepage) for task in tasks}


def data_table(sources: Mapping[str, DataSource]) -> Iterable[Table]:
    """Yield the table of the data with their licences; nothing where a record of an earlier version has none."""
    if sources:
        left = partial(Column, left=True)
        columns = [
            Shown(left("task"), words),
            Shown(left("data"), lambda task: words(sources[task].origin)),
            Shown(left("licence"), lambda task: words(sources[task].license or DASH)),
            Shown(left("homepage"), lambda task: words(sources[task].homepage or DASH)),
        ]
        note = "A dash: the task's file does not tell."
        yield table("data", "Data and licences", sources, columns, note, media=Medium.PAGE)


def used(budget: Mapping[str, Any], precision: str) -> dict[str, str]:
    """Return a budget in words, with the arithmetic that was used in place of ``auto`` where the record has it."""
    given = {**budget, "precision": precision} if precision else budget
    return {
        name.replace("_", " "): "all" if value is None and name.endswith("_examples") else setting(value)
        for name, value in given.items()
    }
