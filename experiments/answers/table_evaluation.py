"""Asking an adapter about a table of labelled rows, and judging what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from adapter_workbench.experiments.answers.evaluated import Evaluated, JudgedRow, finite_or_none
from adapter_workbench.experiments.answers.score_intervals import with_intervals
from adapter_workbench.tasks.loading.labelled_table import labelled_rows
from adapter_workbench.tasks.reading.text_files import path_of
from adapter_workbench.tasks.rows.table_form import label_columns, text_form
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from datasets import Dataset

    from adapter_workbench.experiments.answers.predicting import Predictor
    from adapter_workbench.tasks.rows.row_files import FileRows
    from adapter_workbench.tasks.rows.table_form import NamedColumns
    from adapter_workbench.tasks.task_file.task_file import TaskFile
    from adapter_workbench.workbench.adapters.manifest import TaskReference
    from adapter_workbench.workbench.measures.label_counts import LabelCounts


def evaluate_table(
    predictor: Predictor, file: TaskFile | None, frame: pd.DataFrame, named: NamedColumns, where: str
) -> Evaluated:
    """Return how well an adapter answers a table; raises as :meth:`Workbench.evaluate`.

    Args:
        predictor: the adapter.
        file: its task's file; None where that is not to be seen from here.
        frame: the raw columns.
        named: what a person calls those that matter.
        where: the table, for messages.
    """
    task, kind = predictor.task, predictor.kind
    table = labelled_rows(task, file, frame, named, where)
    evaluation, answers = predictor.judged(table.rows)
    outcomes = evaluation.outcomes
    counts = kind.label_counts(outcomes, task.labels)
    right = right_answers(table.rows, kind.target, task.labels)
    number = kind.target == "value"
    pairs = table.rows["text_pair"][:] if task.pair else [None] * len(answers)
    columns = zip(table.row_numbers, table.rows["text"][:], pairs, right, answers, strict=True)
    correct = outcomes["correct"].tolist()
    scores = outcomes["score"].tolist() if kind.target == "answer" else [None] * len(answers)
    rows = tuple(
        JudgedRow(
            row=index + 1,
            text=text,
            text_pair=pair,
            right=wanted,
            value=answer.value,
            confidence=finite_or_none(answer.confidence),
            correct=None if number else bool(hit),
            score=score,
            error=answer.value - wanted if number else None,
            adapter=predictor.adapter.id,
        )
        for (index, text, pair, wanted, answer), hit, score in zip(columns, correct, scores, strict=True)
    )
    return Evaluated(
        adapter=predictor.adapter.id,
        task=task,
        metric=kind.metric,
        total=table.total,
        left_out=table.left_out,
        scores=with_intervals(evaluation.scores, outcomes, counts),
        labels=tuple(counts.scores()) if counts else None,
        confusion=_confusion(counts) if counts and kind.target == "label" else None,
        rows=rows,
    )


def file_or_columns(given: Any) -> Path | pd.DataFrame:
    """Return the file, or the columns in memory, that a person gave as a table: a path, pandas' or the Hub's.

    Raises:
        InputError: it is something else.
    """
    if isinstance(given, str | Path):
        return path_of(given)
    if hasattr(given, "to_pandas"):
        return cast("pd.DataFrame", given.to_pandas())
    if not hasattr(given, "iloc"):
        message = f"a {type(given).__name__} is no table"
        raise InputError(message, where="table", hint="Give the path of a file, a pandas DataFrame or a Dataset.")
    return cast("pd.DataFrame", given)


def table_of(rows: FileRows) -> pd.DataFrame:
    """Return the raw columns of a file, as they stand there; ``attrs["decimal"]`` is its decimal sign."""
    import pandas as pd

    frame = pd.DataFrame([*rows], columns=list(rows.columns), dtype=object)
    frame.attrs["decimal"] = rows.dialect.decimal
    return frame


def require_columns(
    task: TaskReference, file: TaskFile | None, columns: Sequence[str], named: NamedColumns, where: str
) -> None:
    """Raise InputError where a column is not there; it is said before anything heavy is imported."""
    text_form(file, columns, named, where, task.name)
    if file or named.label is not None:
        label_columns(file, "", columns, named, where)


def right_answers(rows: Dataset, target: str, labels: Sequence[str]) -> list[Any]:
    """Return what is right of each row, in the form of :attr:`Answer.value`."""
    values = rows[target][:]
    if target == "label":
        return [labels[value] for value in values]
    if target in ("labels", "tags"):
        return [[labels[value] for value in row] for row in values]
    return list(values)


def _confusion(counts: LabelCounts) -> tuple[tuple[int, ...], ...]:
    """Return how often each label got each answer, where every example has one of each."""
    matrix = (counts.wanted * counts.times[:, None]).T @ counts.given  # (labels, labels)
    return tuple(tuple(row) for row in matrix.tolist())
