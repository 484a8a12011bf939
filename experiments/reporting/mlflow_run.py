"""A report as a run of MLflow: a description with verdict, table and figures, the files below it, and its children."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from experiments.reporting.cells import one_line
from workbench.markdown import escape
from workbench.mlflow.run_record import EXPERIMENT_ID, NOTE_TAG, RUN_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from experiments.reporting.presentation import Cell, Presentation, Table, Tracking
    from workbench.mlflow.run_record import RunRecord

FOLDER = "report"  # of a run's artifacts


def run_record(presentation: Presentation, files: Mapping[str, bytes] | None = None) -> RunRecord:
    """Return what MLflow should hold of a report; :meth:`workbench.mlflow.tracker.Tracker.sync` takes it there.

    Args:
        presentation: of a finished or a running experiment.
        files: the report as files, which become artifacts; without them there are no models either, so that a sync
            after each stage costs nothing.
    """
    tracking = presentation.tracking()
    run = tracking.run
    tags = {NOTE_TAG: note(presentation.verdict, tracking, files or {}), **run.tags}
    if files is None:
        children = tuple(replace(child, models=()) for child in run.children)
        return replace(run, tags=tags, children=children)
    return replace(run, tags=tags, artifacts={f"{FOLDER}/{name}": content for name, content in files.items()})


def progress(presentation: Presentation) -> RunRecord:
    """Return what MLflow can hold of a part of an experiment while the rest is still being worked on.

    Only children: what is said of the whole, and models, come with :func:`run_record` at the end.
    """
    run = presentation.tracking().run
    children = tuple(replace(child, models=()) for child in run.children)
    return replace(run, metrics=(), children=children, finished=False)


def note(verdict: str, tracking: Tracking, files: Iterable[str]) -> str:
    """Return the run's description in Markdown: verdict, table, and what is among ``files`` to look at."""
    lines = [escape(verdict), "", *markdown(tracking.table), "", " ".join(map(escape, tracking.below))]
    pictures = [name for name in files if name.endswith(".png")]
    if tracking.exhibits is not None:
        pictures = [f"{name}.png" for name in tracking.exhibits if f"{name}.png" in pictures]
    return "\n".join([*lines, *(exhibits(pictures) if files else ())])


def markdown(table: Table) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield f"| {' | '.join(escape(column.head) for column in table.columns)} |"
    yield f"| --- |{' ---: |' * (len(table.columns) - 1)}"
    for row in table.rows:
        yield f"| {' | '.join(_shown(cell) for cell in row)} |"


def _shown(cell: Cell) -> str:
    """Return a cell of a table; what a number is written with needs no escape."""
    return escape(cell.text) if cell.value is None else one_line(cell)


def exhibits(figures: Iterable[str]) -> list[str]:
    """Return the lines of a description that link the report's page and show its ``figures``, given by file name."""
    page = f"#/experiments/{EXPERIMENT_ID}/runs/{RUN_ID}/artifacts/{FOLDER}/report.html"
    shown = [f"![{escape(name)}](get-artifact?path={FOLDER}/{quote(name)}&run_uuid={RUN_ID})" for name in figures]
    lines = [f"[The whole report]({page}) is among the artifacts, with its figures and all numbers as JSON.", *shown]
    return [part for line in lines for part in ("", line)]
