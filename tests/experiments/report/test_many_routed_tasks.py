"""A comparison of routers on a hundred tasks: nothing that people see grows with the square of the tasks."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from adapter_workbench.experiments.reporting.csv_tables import csv_tables
from adapter_workbench.experiments.reporting.files import files
from adapter_workbench.experiments.reporting.presentation import Presentation, Table
from adapter_workbench.experiments.reporting.terminal import show
from adapter_workbench.experiments.studies.core.report import LONG
from adapter_workbench.experiments.studies.routing.page import present
from adapter_workbench.experiments.studies.routing.record import Entry, EntryResult, RoutingOutcome, RoutingRecord
from adapter_workbench.experiments.studies.routing.report import RoutingReport, summarise

ROUTERS = ("oracle", "prototype", "mahalanobis")
TEXTS = 20


def invented(count: int) -> RoutingReport:
    """Return a report on so many tasks; the k-th text of task t is taken for task t + 1 where k < t mod 7."""
    tasks = tuple(f"task-{index}" for index in range(count))
    lost = [index % 7 for index in range(count)]
    counts = np.diag([TEXTS - own for own in lost])
    counts[np.arange(count), (np.arange(count) + 1) % count] += lost
    outcomes = {
        "oracle": RoutingOutcome(tuple(map(tuple, (TEXTS * np.eye(count, dtype=int)).tolist())), ("1" * TEXTS,) * count)
    }
    rest = RoutingOutcome(tuple(map(tuple, counts.tolist())), tuple("0" * own + "1" * (TEXTS - own) for own in lost))
    record = RoutingRecord(
        experiment="many",
        description="",
        backbone="tiny",
        seeds=(0,),
        reference="oracle",
        tasks=tasks,
        budget={},
        method="lora",
        settings={},
        entries=tuple(Entry(name, "router", name, {}, True) for name in ROUTERS),
        cells=tuple(EntryResult(outcomes.get(name, rest), 1.0, 1.0, name, 0) for name in ROUTERS),
    )
    return summarise(record, Path)


@pytest.fixture(scope="module")
def shown() -> Presentation:
    return present(invented(100))


def test_page_and_terminal_stay_small(shown: Presentation) -> None:
    screen = io.StringIO()
    show(shown, Console(file=screen, width=120))
    lines = screen.getvalue().splitlines()
    assert len(lines) < 60
    assert max(map(len, lines)) <= 120
    made = files(shown)
    assert len(made["report.html"]) < 500_000
    assert len(made["confusion.png"]) < 500_000


def test_the_pairs_that_are_confused_most_are_named(shown: Presentation) -> None:
    (table,) = (block for block in shown.blocks if isinstance(block, Table) and block.name == "confused-most")
    assert [row[0].text for row in table.rows] == ["prototype"] * 5 + ["mahalanobis"] * 5
    assert [row[1].text for row in table.rows[:5]] == [f"task-{index}" for index in (6, 13, 20, 27, 34)]
    assert [row[2].text for row in table.rows[:5]] == [f"task-{index}" for index in (7, 14, 21, 28, 35)]
    assert {row[3].value for row in table.rows} == {6 / TEXTS}


def test_every_cell_is_in_the_exports(shown: Presentation) -> None:
    matrix = csv_tables(shown)["confusion-prototype.csv"].decode().splitlines()
    assert len(matrix) == 1 + 100
    assert len(matrix[-1].split(",")) == 1 + 100


def test_few_tasks_show_their_matrices() -> None:
    for count, long in ((LONG, False), (LONG + 1, True)):
        names = [table.name for table in present(invented(count)).tables]
        assert ("confused-most" in names) == long
        assert "confusion-prototype" in names


def test_nobody_is_named_where_nothing_is_confused() -> None:
    report = invented(LONG + 1)
    perfect = [row for row in report.rows if row.entry.name == "oracle"]
    assert "confused-most" not in [
        table.name for table in present(RoutingReport(report.record, tuple(perfect), ())).tables
    ]
