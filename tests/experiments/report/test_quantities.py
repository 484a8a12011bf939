"""A quantity is declared once: its column, cell, key and metrics follow from the declaration."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from adapter_workbench.experiments.reporting.cells import score, written
from adapter_workbench.experiments.reporting.presentation import Column
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import megabytes
from adapter_workbench.experiments.studies.core.quantity import (
    Quantity,
    as_json,
    highest,
    last,
    means,
    points,
    shown_in,
    total,
)
from adapter_workbench.workbench.measures.statistics import Interval, interval


@dataclass(frozen=True)
class Stage:
    """What is measured at one stage: bytes that are kept."""

    kept: float | None


@dataclass(frozen=True)
class Entry:
    """An entry with two replications of some stages."""

    label: str
    replications: tuple[tuple[Stage, ...], ...]
    score: Interval


KEPT: Quantity[Stage] = Quantity(
    "kept_bytes",
    "bytes",
    lambda stage: stage.kept,
    written(megabytes, 1e-6),
    "what is kept",
    {"cost": Column("kept", unit="MB")},
    json="cost",
    tracked="cost",
    summed=True,
    within=last,
)
SCORE: Quantity[Entry] = Quantity(
    "score", "share", lambda entry: entry.score, score, "test score", {"cost": Column("score")}, json="", summed=True
)
ENTRY = (SCORE, KEPT.over(lambda entry: entry.replications))
MINE = Entry("mine", ((Stage(1e6), Stage(2e6)), (Stage(None), Stage(4e6))), interval([0.5, 0.7]))
NEW = Entry("new", (), interval([None, None]))


def test_a_table_has_its_column_and_a_cell_of_each_row() -> None:
    label = Shown(Column("entry"), lambda entry: written(lambda _: entry.label)(None))
    made = table("cost", "Cost", (MINE, NEW), [label, *shown_in("cost", ENTRY)])
    assert [column.head for column in made.columns] == ["entry", "score", "kept"]
    assert [[cell.text for cell in row] for row in made.rows] == [["mine", "60.0", "3.0 MB"], ["new", "–", "–"]]
    assert [cell.value for cell in made.rows[0][1:]] == [pytest.approx(0.6), 3.0], "in the column's unit"
    assert shown_in("no such table", ENTRY) == []


def test_the_document_has_its_key() -> None:
    document = as_json(ENTRY, MINE)
    assert document == {"score": MINE.score.as_json(), "cost": {"kept_bytes": 3e6}}
    assert as_json(ENTRY, NEW)["cost"] == {"kept_bytes": None}
    assert as_json([KEPT.placed(json=None)], Stage(1e6)) == {}


def test_mlflow_has_its_metrics() -> None:
    assert [*points([KEPT], Stage(1e6), 2, "animals")] == [("cost/kept_bytes/animals", 1e6, 2)]
    assert [*points([SCORE], MINE, 0)] == [], "not logged of a run"
    low, high = MINE.score.low, MINE.score.high
    assert [*means(ENTRY, MINE, "mine", 2)] == [
        ("mine/score", MINE.score.mean, 2),
        ("mine/score_low", low, 2),
        ("mine/score_high", high, 2),
        ("mine/kept_bytes", 3e6, 2),
    ]


def test_results_of_one_unit_come_together_as_the_quantity_says() -> None:
    assert (total([1, 2]), total([1, None]), total([])) == (3, None, None)
    assert (highest([1, None, 3]), highest([None])) == (3, None)
    assert (last([1, None]), last([2, 1]), last([])) == (None, 1, None)


def test_what_an_entry_has_no_part_for_is_not_measured() -> None:
    of_first = KEPT.of(lambda entry: entry.replications[0][0] if entry.replications else None)
    assert of_first.number(MINE) == 1e6
    assert of_first.number(NEW) is None
    assert of_first.cell(NEW).text == "–"
