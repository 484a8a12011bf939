"""A report as a run of MLflow: a description with verdict, table and figures, the files below it, and its children."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from adapter_workbench.experiments.reporting.cells import one_line
from adapter_workbench.workbench.measures.markdown import escape
from adapter_workbench.workbench.mlflow.run_record import NOTE_TAG, RUN_ID
from adapter_workbench.workbench.mlflow.view import EXPERIMENT_ID, TRAINING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from adapter_workbench.experiments.reporting.presentation import Cell, Presentation, Table, Tracking
    from adapter_workbench.workbench.mlflow.run_record import RunRecord

FOLDER = "report"  # of a run's artifacts
PREVIEWS = f"{FOLDER}/previews"
PAGE = "report.html"  # stands above that folder too: the UI opens no folder by itself
WIDEST = 700  # pixels of a picture in a description; beside 500 of the UI's own, the page has 1,200
GAP = "&emsp;"  # before a cell: the UI leaves no room between two
FRACTIONS = "MLflow's metrics are the same numbers as fractions: 93.1 here is 0.931 in its columns and charts."


def run_record(presentation: Presentation, files: Mapping[str, bytes] | None = None) -> RunRecord:
    """Return what MLflow should hold of a report; :meth:`Tracker.sync` takes it there.

    Args:
        presentation: of a finished or a running experiment.
        files: the report as files, which become artifacts; without them there are no models either, so that a sync
            after each stage costs nothing.
    """
    tracking = presentation.tracking()
    run = tracking.run
    tags = {NOTE_TAG: note(presentation, tracking, files or {}), **run.tags}
    run = run if run.finished else replace(run, title="")
    if files is None:
        children = tuple(replace(child, models=()) for child in run.children)
        return replace(run, tags=tags, children=children)
    artifacts = {f"{FOLDER}/{name}": content for name, content in files.items()}
    artifacts |= {name: content for name, content in files.items() if name == PAGE}
    return replace(run, tags=tags, artifacts=artifacts | _previews(files, exhibited_pictures(tracking, files)))


def progress(presentation: Presentation) -> RunRecord:
    """Return what MLflow can hold of a part of an experiment while the rest is still being worked on.

    Only children: what is said of the whole, and models, come with :func:`run_record` at the end.
    """
    run = presentation.tracking().run
    children = tuple(replace(child, models=()) for child in run.children)
    return replace(run, metrics=(), children=children, finished=False, title="")


def note(presentation: Presentation, tracking: Tracking, files: Iterable[str]) -> str:
    """Return the run's description in Markdown: verdict, its numbers, table, and what is among ``files`` to look at."""
    below = (*tracking.below, FRACTIONS)
    lines = [
        escape(presentation.verdict),
        "",
        *(f"- {escape(line)}" for line in (*presentation.listed, *presentation.evidence)),
        "",
        *markdown(tracking.table),
        "",
        " ".join(map(escape, below)),
    ]
    if view := tracking.run.view:
        lines += ["", view.links()]
    return "\n".join([*lines, *(exhibits(exhibited_pictures(tracking, files)) if files else ())])


def exhibited_pictures(tracking: Tracking, files: Iterable[str]) -> list[str]:
    """Return which pictures among ``files`` the description shows, by file name."""
    pictures = [name for name in files if name.endswith(".png")]
    if tracking.exhibits is None:
        return pictures
    return [f"{name}.png" for name in tracking.exhibits if f"{name}.png" in pictures]


def _previews(files: Mapping[str, bytes], names: Sequence[str]) -> dict[str, bytes]:
    """Return the named pictures, no wider than a description may be, as artifacts."""
    return {f"{PREVIEWS}/{name}": _resized(files[name]) for name in names}


def _resized(picture: bytes) -> bytes:
    """Return a PNG that is at most as wide as pictures in a description are; a narrower one is as it was."""
    from PIL import Image  # matplotlib, which drew it, needs the package too

    with Image.open(io.BytesIO(picture)) as drawn:
        if drawn.width <= WIDEST:
            return picture
        height = max(1, round(drawn.height * WIDEST / drawn.width))
        buffer = io.BytesIO()
        drawn.convert("RGB").resize((WIDEST, height), Image.Resampling.LANCZOS).save(buffer, format="png")
    return buffer.getvalue()


def markdown(table: Table) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield _line(escape(column.head) for column in table.columns)
    yield f"| --- |{' ---: |' * (len(table.columns) - 1)}"
    for row in table.rows:
        yield _line(map(_cell, row))


def _line(cells: Iterable[str]) -> str:
    return f"| {f' | {GAP}'.join(cells)} |"


def _cell(cell: Cell) -> str:
    """Return a cell of a table; what a number is written with needs no escape."""
    return escape(cell.text) if cell.value is None else one_line(cell)


def exhibits(figures: Iterable[str]) -> list[str]:
    """Return the lines of a description that link the report's page and show its ``figures``, given by file name."""
    page = f"#/experiments/{EXPERIMENT_ID}/runs/{RUN_ID}/artifacts/{FOLDER}/report.html?{TRAINING}"
    shown = [f"![{escape(name)}](get-artifact?path={PREVIEWS}/{quote(name)}&run_uuid={RUN_ID})" for name in figures]
    lines = [f"[The whole report]({page}) is among the artifacts, with its figures and all numbers as JSON.", *shown]
    return [part for line in lines for part in ("", line)]
