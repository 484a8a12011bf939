"""The labels that stand in a file whose texts are answered, beside the answers: how many are the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.loading.labelled_table import names_of
from adapter_workbench.tasks.reading.raw_values import raw
from adapter_workbench.tasks.rows.column_traits import is_blank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from adapter_workbench.experiments.answers.predicting import Ask
    from adapter_workbench.tasks.rows.row_files import Row
    from adapter_workbench.tasks.task_file.task_file import TaskFile
    from adapter_workbench.workbench.adapters.manifest import TaskReference

    TextOf: TypeAlias = Callable[[Row], Any]

KIND = "classification"  # the kind whose answers are simply the same or not


@dataclass
class KnownLabels:
    """Rows that are answered in batches; each batch is read, and then asked about."""

    text: TextOf  # row → its text; None for a blank one, which is not asked about
    answer: Ask  # texts → an answer to each
    task: TaskReference | None  # of the adapter that answers; None where several adapters do
    file: TaskFile | None  # the task's file; None where it is not to be seen from here
    column: str | None  # with the labels; None where there is none, and nothing is compared
    _labels: list[str | None] = field(default_factory=list)  # of the texts that are not answered yet
    _pairs: Counter[tuple[str, str]] = field(default_factory=Counter)  # label and answer

    def text_of(self, row: Row) -> Any:
        """Return a row's text, and remember its label."""
        text = self.text(row)
        if text is not None and self.column is not None:
            self._labels.append(self._label_of(row))
        return text

    def ask(self, texts: Sequence[Any]) -> Sequence[Any]:
        """Return the answers to the texts that were read, and remember them beside their labels."""
        answers = self.answer(texts)
        if self.column is not None:
            pairs = zip(self._labels, answers, strict=True)
            self._pairs.update((label, answer.value) for label, answer in pairs if label is not None)
            self._labels.clear()
        return answers

    @cached_property
    def names(self) -> dict[str, str]:
        """The labels of the file that the task knows → the task's names for them; when all rows were answered."""
        given = {label for label, _ in self._pairs}
        if self.task is None or not given:
            return {}
        names = names_of(self.task, self.file, given)
        return {label: names[label] for label in given if names.get(label) in self.task.labels}

    def right_of(self, row: Row) -> str | None:
        """Return the task's name for a row's label; None where it has none that the task knows."""
        return self.names.get(self._label_of(row) or "")

    @property
    def accuracy(self) -> tuple[float, int] | None:
        """Accuracy, and over how many rows: those with a label that the task knows. None where there is none."""
        known = {pair: count for pair, count in self._pairs.items() if pair[0] in self.names}
        number = sum(known.values())
        hits = sum(count for (label, answer), count in known.items() if self.names[label] == answer)
        return (hits / number, number) if number else None

    def __str__(self) -> str:
        """Return the accuracy in one line; nothing where no label is known."""
        if self.accuracy is None:
            return ""
        share, number = self.accuracy
        return f"Accuracy: {100 * share:.1f} %, on {number:,} rows whose label in column {self.column!r} is known."

    def _label_of(self, row: Row) -> str | None:
        value = row.get(self.column) if self.column is not None else None
        return None if is_blank(value) else raw(value)


def label_column(task: TaskReference, file: TaskFile | None, columns: Sequence[str]) -> str | None:
    """Return the column of a file that holds one label a row; None where there is none."""
    if task.kind != KIND or (file and (file.ranges or file.kind != KIND)):
        return None
    column = file.columns.labels[0] if file else "label"
    return column if column in columns else None
