"""Asking an adapter about a table of labelled rows, and judging what it answers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from adapter_workbench.experiments.answers.evaluated import Evaluated, JudgedRow, finite_or_none
from adapter_workbench.tasks.loading.labelled_table import labelled_rows
from adapter_workbench.tasks.reading.text_files import path_of
from adapter_workbench.tasks.rows.table_form import label_columns, text_form
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.measures.example_intervals import bootstrap, wilson
from adapter_workbench.workbench.measures.label_counts import macro_f1
from adapter_workbench.workbench.measures.statistics import Interval, finite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from datasets import Dataset

    from adapter_workbench.experiments.answers.predicting import Predictor
    from adapter_workbench.tasks.rows.row_files import FileRows
    from adapter_workbench.tasks.rows.table_form import NamedColumns
    from adapter_workbench.tasks.task_file.task_file import TaskFile
    from adapter_workbench.workbench.adapters.manifest import TaskReference
    from adapter_workbench.workbench.measures.label_counts import LabelCounts
    from adapter_workbench.workbench.measures.statistics import Array

MEANS = {"accuracy": "correct", "exact_match": "correct"}  # score → the column that it is the mean of
MOST = 2**24  # numbers of counts; of more, sums are not drawn again


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


# The scores of some answers, each with its 95 % interval over the examples where it has one.


def with_intervals(
    scores: Mapping[str, float], outcomes: pd.DataFrame, counts: LabelCounts | None
) -> dict[str, Interval]:
    """Return each score with its interval; bounds are None where there is none.

    A share of examples has Wilson's interval, all other means and what follows from sums have a bootstrap over
    examples. ``macro_f1`` is the mean over the labels that are there or given: a file need not have all of them.

    Args:
        scores: by name, as :meth:`adapter_workbench.workbench.methods.kind.Kind.scores` returns them.
        outcomes: of the examples, as :meth:`adapter_workbench.workbench.methods.kind.Kind.outcomes` returns them.
        counts: of the labels, if the kind has any.
    """
    ways = _ways(outcomes, counts)
    known = {name: ways[name]() if name in ways else _mean(name, score, outcomes) for name, score in scores.items()}
    if counts is None:
        return known
    if "macro_f1" in known or "words" in outcomes:
        known["macro_f1"] = (
            ways["macro_f1"]() if "macro_f1" in ways else Interval(macro_f1(counts.scores()), None, None)
        )
    return known


def _ways(outcomes: pd.DataFrame, counts: LabelCounts | None) -> dict[str, Callable[[], Interval]]:
    """Return how scores that are no means over examples are resampled, by name."""
    ways: dict[str, Callable[[], Interval]] = {}
    ones = np.ones(len(outcomes), dtype=np.int64)
    if "value" in outcomes:
        error, value = (outcomes[name].to_numpy(dtype=float) for name in ("error", "value"))
        centred = value - value.mean()  # else squares of large values hide their differences
        sums = np.stack([error**2, centred, centred**2, np.abs(error), np.ones_like(error)], axis=1)
        ways = {name: partial(bootstrap, sums, ones, way) for name, way in NUMBERS.items()}
    if "words" in outcomes:
        words = outcomes[["right", "words"]].to_numpy(dtype=float)
        ways["accuracy"] = partial(bootstrap, words, ones, lambda sums: np.asarray(sums[:, 0] / sums[:, 1]))
        ways |= {} if "hits" in outcomes else {"score": ways["accuracy"]}
    if counts is None or counts.wanted.size * 3 > MOST:
        return ways
    by_label = np.concatenate([counts.hits, counts.given, counts.wanted], axis=1).astype(float)  # (rows, 3 · labels)
    labels = {name: partial(bootstrap, by_label, counts.times, way) for name, way in LABELS.items()}
    if "hits" in outcomes:  # entities: their F1 is the main score
        labels["score"] = labels["entity_f1"] = labels["micro_f1"]
    return labels | ways


def _r2(sums: Array) -> Array:
    """Return 1 − Σ error² ÷ (Σ y² − (Σ y)² ÷ n)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - sums[:, 0] / (sums[:, 2] - sums[:, 1] ** 2 / sums[:, 4]))


NUMBERS: dict[str, Callable[[Array], Array]] = {
    "r2": _r2,
    "mae": lambda sums: np.asarray(sums[:, 3] / sums[:, 4]),
    "rmse": lambda sums: np.asarray(np.sqrt(sums[:, 0] / sums[:, 4])),
}


def _macro(sums: Array) -> Array:
    """Return the mean F1 of the labels that are there or given."""
    hits, predicted, right = np.split(sums, 3, axis=1)  # (resamples, labels) each
    known = predicted + right > 0
    f1 = np.divide(2 * hits, predicted + right, out=np.zeros_like(hits, dtype=float), where=known)
    return np.asarray(f1.sum(axis=1) / known.sum(axis=1))


def _ratio(reduce: Callable[[Array], Array], denominator: Callable[[Array, Array], Array]) -> Callable[[Array], Array]:
    def share(sums: Array) -> Array:
        hits, predicted, right = (reduce(counts) for counts in np.split(sums, 3, axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(hits / denominator(predicted, right))

    return share


def _total(counts: Array) -> Array:
    return np.asarray(counts.sum(axis=1))


LABELS: dict[str, Callable[[Array], Array]] = {
    "macro_f1": _macro,
    "micro_f1": _ratio(_total, lambda predicted, right: np.asarray((predicted + right) / 2)),
    "precision": _ratio(_total, lambda predicted, right: predicted),
    "recall": _ratio(_total, lambda predicted, right: right),
}


def _mean(name: str, score: float, outcomes: pd.DataFrame) -> Interval:
    """Return a score with the interval of the mean that it is; without bounds where it is none."""
    column = name if name in outcomes else MEANS.get(name)
    if column is None or column not in outcomes:
        return Interval(finite(score), None, None)
    values = outcomes[column].to_numpy(dtype=float)
    if np.isin(values, (0.0, 1.0)).all():
        return wilson(int(values.sum()), len(values))
    sums = np.stack([values, np.ones_like(values)], axis=1)
    return bootstrap(sums, np.ones(len(values), dtype=np.int64), lambda drawn: np.asarray(drawn[:, 0] / drawn[:, 1]))
