"""A report of a hundred tasks is as legible as one of four: its page, its figures and its terminal stay bounded."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from adapter_workbench.experiments.reporting.csv_tables import csv_tables
from adapter_workbench.experiments.reporting.figures import NO_WIDTH
from adapter_workbench.experiments.reporting.files import files
from adapter_workbench.experiments.reporting.presentation import Presentation, Table
from adapter_workbench.experiments.reporting.terminal import show
from adapter_workbench.experiments.studies.stream.page.long_figures import lost_through_the_stream
from adapter_workbench.experiments.studies.stream.page.long_streams import LONG, by_task, losses
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.page.tracking import tracking
from adapter_workbench.experiments.studies.stream.plan.entry import Entry
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.report import Report
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.experiments.studies.stream.work.stage_outcome import Cell, Cost, StageOutcome
from adapter_workbench.workbench.measures.forgetting import forgetting_by_task
from tests.experiments.report.conftest import ENTRIES

SHOWN = ENTRIES[:3]


def invented(record: Record, count: int, entries: tuple[Entry, ...] = SHOWN) -> Report:
    """Return a report of so many tasks, of which a shared model loses some at each stage."""
    tasks = tuple(f"task-{number:03d}" for number in range(1, count + 1))
    random, outcomes = np.random.default_rng(0), []
    for entry in entries:
        drop = 0.0 if entry.strategy == "isolated" else 0.004
        for stage in range(1, count + 1):
            scores = [0.9 - drop * (stage - learned) + 0.02 * float(random.random()) for learned in range(1, stage + 1)]
            if not drop:
                scores = [0.9 + index / 1000 for index in range(stage)]
            cells = (Cell(task, stage, score, 300, "measured", 1.0) for task, score in zip(tasks, scores, strict=False))
            outcomes.append(
                StageOutcome(entry.label, 0, stage, tasks[stage - 1], tuple(cells), Cost(9.0, 900.0, 1000, 10**6), 0.9)
            )
    fields = {"tasks": tasks, "test_sizes": (300,) * count, "majority": (0.5,) * count, "orders": (tasks,)}
    made = replace(record, **fields, entries=entries, seeds=(0,), outcomes=tuple(outcomes), examples={})
    return summarise(made)


@pytest.fixture(scope="module")
def hundred(record: Record) -> Report:
    return invented(record, 100)


@pytest.fixture(scope="module")
def shown(hundred: Report) -> Presentation:
    return present(hundred)


def lines(presentation: Presentation) -> int:
    screen = io.StringIO()
    show(presentation, Console(file=screen, width=120))
    return screen.getvalue().count("\n")


def test_page_and_terminal_stay_small(shown: Presentation) -> None:
    made = files(shown)
    assert len(made["report.html"]) < 2_000_000
    assert lines(shown) < 100
    assert {"accuracy-matrices.png", "forgetting-curves.png"} <= made.keys()
    assert b"<details><summary>Every task" in made["report.html"]


def test_many_strategies_stay_legible_too(record: Record) -> None:
    shared = next(entry for entry in ENTRIES if entry.strategy != "isolated")
    ways = (ENTRIES[0], *(replace(shared, label=f"way-{number}") for number in range(1, 31)))
    presentation = present(invented(record, 8, ways))
    assert len(files(presentation)["report.html"]) < 2_000_000
    assert lines(presentation) < 5 * len(ways) + 50, (
        "some tables have a line for each, and nothing has one for each task"
    )
    tables = {block.name: block for block in presentation.blocks if isinstance(block, Table)}
    assert [row[0].text for row in tables["lost-most"].rows] == [
        way.label for way in ways if way.label.startswith("way")
    ]
    assert [len(tables["by-task"].rows), len(tables["by-task"].columns)] == [len(ways), 9]


def test_tasks_that_lost_most_are_named(shown: Presentation, hundred: Report) -> None:
    (table,) = (block for block in shown.blocks if isinstance(block, Table) and block.name == "lost-most")
    assert {row[0].text for row in table.rows} == {"full-sequential", "lora-sequential"}, "isolated adapters lost none"
    strategy = hundred.strategies[1]
    worst = max(losses(strategy, hundred.record.tasks), key=lambda loss: loss.lost)
    assert (table.rows[0][1].text, table.rows[0][5].value) == (worst.task, worst.lost)
    index = hundred.record.tasks.index(worst.task)
    column = [row[index] for row in strategy.matrix if row[index] is not None]
    assert worst.lost == pytest.approx(max(column[:-1]) - column[-1])


def test_a_note_keeps_the_capitals_of_names(hundred: Report) -> None:
    kinds = {task: "regression" if task == "task-001" else "classification" for task in hundred.record.tasks}
    note = by_task(replace(hundred, record=replace(hundred.record, kinds=kinds))).note
    assert note.startswith("Percent (R² × 100 for task-001), mean over seeds. ")


def test_every_cell_is_in_the_exports(shown: Presentation) -> None:
    matrix = csv_tables(shown)["matrix-full-sequential.csv"].decode().splitlines()
    assert len(matrix) == 1 + 100
    assert len(matrix[-1].split(",")) == 1 + 100


def test_short_streams_show_their_matrices(record: Record) -> None:
    for count, long in ((LONG, False), (LONG + 1, True)):
        names = [table.name for table in present(invented(record, count)).tables]
        assert ("by-task" in names) == long
        assert "matrix-full-sequential" in names


def test_a_change_is_that_of_each_seed_and_of_all_tasks() -> None:
    n = None
    first = ((n, n, n), (0.9, n, n), (0.8, 0.7, n), (0.6, 0.7, 0.5))
    second = ((n, n, n), (0.5, n, n), (n, 0.9, n), (n, 0.8, 0.9))  # the first task was not tested again
    seeds = [SimpleNamespace(matrix=matrix, tasks=("a", "b", "c")) for matrix in (first, second)]
    strategy: Any = SimpleNamespace(label="_merged", one_a_seed=seeds)
    figure = lost_through_the_stream(SimpleNamespace(strategies=[strategy]))  # type: ignore[arg-type]
    assert figure
    (mean,) = (line for line in figure.axes[0].lines if line.get_label() == f"{NO_WIDTH}_merged")
    assert mean.get_xydata() == pytest.approx(np.array([[2, -10], [3, -15]])), "of the first seed alone"
    assert len(figure.legends[0].get_texts()) == 1
    lost = [(loss.task, loss.best, loss.end) for loss in losses(strategy, ("a", "b", "c"))]
    assert lost == [("a", 0.9, 0.6), ("b", pytest.approx(0.8), 0.75)]


def test_what_was_answered_before_it_was_learned_is_not_lost() -> None:
    """A language model answers all tasks before it learns them; forgetting counts from the stage that learned one."""
    matrix = ((0.95, 0.9, 0.5), (0.9, 0.99, 0.5), (0.92, 0.8, 0.5), (0.91, 0.8, 0.7))
    strategy: Any = SimpleNamespace(label="lora", one_a_seed=[SimpleNamespace(matrix=matrix, tasks=("a", "b", "c"))])
    lost = [loss.lost for loss in losses(strategy, ("a", "b", "c"))]
    assert lost == pytest.approx(forgetting_by_task(np.array(matrix)))
    assert lost == pytest.approx([0.01, 0.0])


def test_the_outcomes_of_a_long_stream_are_counted_once_for_mlflow(
    hundred: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting them for each metric of each stage would take time that grows with the square of the tasks."""
    counted = []

    def done(record: Record) -> int:
        counted.append(record)
        return record.planned

    monkeypatch.setattr(Record, "done", property(done))
    assert len(tracking(hundred).run.metrics) > 100
    assert len(counted) < 10
