"""The rows in question: the texts of a file, and their right answers where a column has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.experiments.answers.table_evaluation import file_or_columns, require_columns, table_of
from adapter_workbench.tasks.loading.labelled_table import labelled_rows
from adapter_workbench.tasks.rows.row_files import FileRows, ListedRows
from adapter_workbench.tasks.rows.table_form import expected_columns, text_form
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from datasets import Dataset

    from adapter_workbench.tasks.loading.labelled_table import LabelledRows
    from adapter_workbench.tasks.reading.known_dialect import KnownDialect
    from adapter_workbench.tasks.rows.row_files import Row, Rows
    from adapter_workbench.tasks.rows.table_form import NamedColumns
    from adapter_workbench.tasks.task_file.task_file import TaskFile
    from adapter_workbench.workbench.adapters.manifest import TaskReference

MOST = 2000  # rows of each sample that are compared; of more, so many are drawn
SEED = 0


@dataclass(frozen=True)
class NewRows:
    """The rows of a file that are compared with those of a task."""

    texts: tuple[Any, ...]  # of each row, or pairs of texts
    numbers: tuple[int, ...]  # where each stands in the file, from 1
    total: int  # how many rows the file has
    empty: int  # how many of those that were drawn have no text
    # those with a right answer, numbered from 0 among the rows that were drawn; None without labels
    labelled: LabelledRows | None
    drawn: tuple[int, ...]  # the numbers of all rows that were drawn, from 1


def unlabelled(rows: Rows, text_of: Callable[[Row], Any], where: str) -> NewRows:
    """Return the rows of a file, at most :data:`MOST` of them, drawn at random.

    Args:
        rows: of the file.
        text_of: row → its text, or pair; None for a blank one.
        where: the file, for messages.

    Raises:
        InputError: no row has a text.
    """
    drawn = _drawn(rows.count)
    wanted = set(drawn)
    texts = [text_of(row) for number, row in enumerate(rows, start=1) if number in wanted]
    return _new_rows(texts, drawn, rows.count, None, where)


def labelled(
    task: TaskReference, file: TaskFile | None, frame: pd.DataFrame, named: NamedColumns, where: str
) -> NewRows:
    """Return the rows of a table with their right answers; raises as :func:`labelled_rows`, which has the arguments."""
    drawn = _drawn(len(frame))
    some = frame.iloc[[number - 1 for number in drawn]].reset_index(drop=True)
    some.attrs.update(frame.attrs)
    judged = labelled_rows(task, file, some, named, where)
    same_kind = file if file is not None and file.kind == task.kind else None
    form = text_form(same_kind, [str(name) for name in some.columns], named, where, task.name)
    texts = [form.text_of({str(name): value for name, value in row.items()}) for row in some.to_dict("records")]
    return _new_rows(texts, drawn, len(frame), judged, where)


def labelled_file(
    task: TaskReference, file: TaskFile | None, rows: FileRows, named: NamedColumns, where: str
) -> NewRows:
    """Return the rows of a file with their right answers; a column that is not there is refused before they are read.

    Raises as :func:`labelled`.
    """
    require_columns(task, file, rows.columns, named, where)
    return labelled(task, file, table_of(rows), named, where)


def of_table(
    task: TaskReference,
    file: TaskFile | None,
    table: Path | str | pd.DataFrame | Dataset,
    named: NamedColumns,
    known: KnownDialect | None,
) -> NewRows:
    """Return the rows of a file with columns, or of a table in memory; with right answers if ``named`` has a label.

    ``known`` is how the task's own files are written.

    Raises:
        InputError: no such file or column, no table at all, no row with a text, or none that can be judged.
        DataError: the file cannot be read.
    """
    table = file_or_columns(table)
    if not isinstance(table, Path):
        if named.label is not None:
            return labelled(task, file, table, named, "table")
        records = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
        rows: Rows = ListedRows([str(name) for name in table.columns], records)
        return unlabelled(rows, text_form(file, rows.columns, named, "table", task.name).text_of, "table")
    read, where = FileRows(table, expected_columns(file, named), known), str(table)
    if named.label is not None:
        return labelled_file(task, file, read, named, where)
    return unlabelled(read, text_form(file, read.columns, named, where, task.name).text_of, where)


def _new_rows(
    texts: Sequence[Any], drawn: tuple[int, ...], total: int, judged: LabelledRows | None, where: str
) -> NewRows:
    filled = [(text, number) for text, number in zip(texts, drawn, strict=True) if text is not None]
    if not filled:
        raise InputError("no row has a text", where=where, hint="--column names the column with the texts.")
    some, numbers = zip(*filled, strict=True)
    return NewRows(some, numbers, total, len(texts) - len(filled), judged, drawn)


def _drawn(total: int) -> tuple[int, ...]:
    """Return the numbers of the rows that are compared, from 1, in their order."""
    if total <= MOST:
        return tuple(range(1, total + 1))
    picked = np.random.default_rng(SEED).choice(total, MOST, replace=False)
    return tuple(int(index) + 1 for index in np.sort(picked))
