"""A report's tables as CSV: one file each, with every number as it was computed and not as it was rounded."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.wording import DASH
from adapter_workbench.tasks.reading.delimited import literal
from adapter_workbench.workbench.mlflow.mlflow_names import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.presentation import Cell, Column, Presentation, Table


def csv_tables(presentation: Presentation) -> dict[str, bytes]:
    """Return the content of each file by its name, in UTF-8."""
    return {f"{plain_name(table.name)}.csv": _content(table).encode() for table in presentation.tables}


def _content(table: Table) -> str:
    lines = io.StringIO()
    parts = [[*_parts(column, [row[index] for row in table.rows])] for index, column in enumerate(table.columns)]
    csv.writer(lines, lineterminator="\n").writerows(zip(*(part for column in parts for part in column), strict=True))
    return lines.getvalue()


def _parts(column: Column, cells: list[Cell]) -> Iterator[list[object]]:
    """Yield what a column becomes, head first: its values, the bounds of their intervals, what those say."""
    unit = f" in {column.unit}" if column.unit else ""
    yield [literal(f"{column.head}{unit}"), *map(_value, cells)]
    if any(cell.interval for cell in cells):
        for bound in ("low", "high"):
            yield [literal(f"{column.head} {bound}"), *(getattr(cell.interval, bound, None) for cell in cells)]
        if any(cell.badge for cell in cells):
            yield [literal(f"{column.head} reading"), *(cell.badge for cell in cells)]


def _value(cell: Cell) -> object:
    if cell.value is not None or cell.text == DASH:
        return cell.value
    return literal(cell.text)
