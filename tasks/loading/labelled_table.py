"""A user's table of texts and right answers as examples of an adapter's task; rows left out are counted by reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from adapter_workbench.tasks.loading.stored_rows import dataset, table_of
from adapter_workbench.tasks.reading.dialect import DialectSettings
from adapter_workbench.tasks.rows import normalise
from adapter_workbench.tasks.rows.fingerprint import LISTS
from adapter_workbench.tasks.rows.label_sets import is_list
from adapter_workbench.tasks.rows.table_form import label_columns, text_form
from adapter_workbench.tasks.task_file.spec import TaskSpec
from adapter_workbench.tasks.task_file.task_file import METRIC, NEW_TOKENS, TaskFile
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.settings.base import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from datasets import Dataset

    from adapter_workbench.tasks.reading.dialect import Decimal
    from adapter_workbench.tasks.rows.table_form import NamedColumns, TextForm
    from adapter_workbench.workbench.adapters.manifest import TaskReference

NAME = "file"  # rows are called file-0, file-1, … in messages
SHOWN = 10
NOUNS = {"value": "a number", "answer": "an answer", "tags": "tags"}  # what is right, where it is no label


@dataclass(frozen=True)
class LeftOut:
    """Rows of a table that cannot be judged."""

    without_text: int = 0  # how many have no text, or lack one of a pair
    without_label: int = 0  # how many have a text, but no label (number, answer, tags)
    unknown_label: int = 0  # how many have a label that the task does not have
    # those labels, and how many rows have each, the most frequent first
    unknown_labels: tuple[tuple[str, int], ...] = ()
    noun: str = "a label"  # what a label is called

    @property
    def rows(self) -> int:
        """How many rows that are."""
        return self.without_text + self.without_label + self.unknown_label

    @property
    def reasons(self) -> list[str]:
        """Each reason in words, with how many rows it is of; the commonest unknown labels are named."""
        named = ", ".join(f"{label!r} {count:,}" for label, count in self.unknown_labels[:SHOWN])
        more = len(self.unknown_labels) - SHOWN
        unknown = f"{named}, and {more:,} more" if more > 0 else named
        counts = {
            "without a text": self.without_text,
            f"without {self.noun}": self.without_label,
            f"with a label that the task does not have ({unknown})": self.unknown_label,
        }
        return [f"{count:,} {reason}" for reason, count in counts.items() if count]


@dataclass(frozen=True)
class LabelledRows:
    """The rows of a table that can be judged."""

    rows: Dataset  # as a kind's answers and outcomes read them
    row_numbers: tuple[int, ...]  # where each stands in the table, from 0
    total: int  # how many rows the table has
    left_out: LeftOut  # the others


def labelled_rows(
    task: TaskReference, file: TaskFile | None, frame: pd.DataFrame, named: NamedColumns, where: str
) -> LabelledRows:
    """Return the rows of a table that have a text, and a right answer that the task knows.

    Args:
        task: as the adapter was trained on it.
        file: the task's file as it is today; None where it is not to be seen from here.
        frame: the raw columns; ``attrs["decimal"]`` is the decimal sign of numbers that stand there as text.
        named: what a person calls them.
        where: the table, for messages.

    Raises:
        InputError: a column is not there, or no row can be judged.
        DataError: a column holds something else than its kind of task needs.
    """
    unseen = task.name if file is None else None
    file = file if file is not None and file.kind == task.kind else None
    columns = [str(name) for name in frame.columns]
    form = text_form(file, columns, named, where, unseen)
    if task.pair and form.pair is None:
        raise InputError(f"{task.name} answers for pairs of texts", where=where, hint="--pair names the second column.")
    if form.pair is not None and not task.pair:
        raise InputError(f"{task.name} answers for single texts", where="--pair", hint="Leave it out.")
    target = KINDS.get(task.kind).target
    labels = label_columns(file, target, columns, named, where, unseen)
    table, text, pair = _with_texts(frame, form)
    texts = {"text": text, **({"text_pair": pair} if task.pair else {})}
    spec = _spec(task, file, texts, labels, frame.attrs.get("decimal"), where)
    read = normalise.rows_of(spec, NAME, table)
    known, unknown = _decode_labels(task, file, read.frame, target)
    counts = Counter(label for row in unknown for label in dict.fromkeys(row))
    noun = NOUNS.get(target, LeftOut.noun)
    left_out = LeftOut(read.empty, read.untold, len(unknown), tuple(counts.most_common()), noun)
    if target == "labels" and len(known) and not known["labels"].map(len).any():  # no labels are a set of labels too
        left_out, known = replace(left_out, without_label=len(known)), known[:0]
    if not len(known):
        _refuse(task, left_out, where)
    row_numbers = tuple(int(name.rpartition("-")[2]) for name in known["id"])
    rows = dataset(table_of(known), f"{where} {task.fingerprint}", task.labels)
    return LabelledRows(rows, row_numbers, len(frame), left_out)


def _refuse(task: TaskReference, left_out: LeftOut, where: str) -> NoReturn:
    more = ", …" if len(task.labels) > SHOWN else ""
    known = f" Known labels: {', '.join(task.labels[:SHOWN])}{more}." if task.labels else ""
    hint = f"--label-column names the column with the right answers.{known} Without it, `workbench predict` answers."
    raise InputError(
        f"no row can be judged: {'; '.join(left_out.reasons) or 'the table is empty'}", where=where, hint=hint
    )


def names_of(task: TaskReference, file: TaskFile | None, values: Iterable[str]) -> dict[str, str]:
    """Return raw label → the task's name for it, for the labels in a user's table.

    As when the task is loaded: a raw value that the task file maps stands for what it is mapped onto, and else a name
    for itself. Where the table has no such label and the file lists names, a whole number is the place in that list.
    """
    names = {name: name for name in task.labels}
    if file is not None and isinstance(file.labels, dict):
        return {**names, **file.labels}
    if file is not None and file.labels and not names.keys() & set(values):
        return {str(number): name for number, name in enumerate(file.labels)}
    return names


def _spec(
    task: TaskReference,
    file: TaskFile | None,
    texts: Mapping[str, str],
    labels: Sequence[str],
    decimal: Decimal | None,
    where: str,
) -> TaskSpec:
    """Return a task file that reads a table's columns of texts and right answers without changing them."""
    columns: dict[str, Any] = {**texts}
    data: dict[str, Any] = {"description": task.name, "kind": task.kind, "on_missing": "drop", "columns": columns}
    if KINDS.get(task.kind).target == "answer":
        columns["answer"] = labels[0]
        data |= {"metric": task.metric or METRIC, "max_new_tokens": task.max_new_tokens or NEW_TOKENS}
        data |= {"answers": file.answers} if file and file.answers else {}
    else:
        columns["label"] = [*labels] if len(labels) > 1 else labels[0]
        data |= {"ranges": file.ranges} if file and file.ranges else {}
        columns |= {"separator": file.columns.separator} if file and file.columns.separator is not None else {}
    document = Document(data, where)
    settings = DialectSettings(decimal=decimal)
    return TaskSpec(task.name, document.parse(TaskFile), "files", settings, Document({}, where), Path())


def _with_texts(frame: pd.DataFrame, form: TextForm) -> tuple[pd.DataFrame, str, str]:
    """Return the table with its texts as `predict` makes them of its rows, and the names of those two columns."""
    own, other = _free("texts", frame), _free("second texts", frame)
    rows = ({str(name): value for name, value in row.items()} for row in frame.to_dict("records"))
    texts = [form.text_of(row) for row in rows]
    if not form.pair:
        return frame.assign(**{own: [text or "" for text in texts]}), own, other
    pairs = [text or ("", "") for text in texts]
    return frame.assign(**{own: [pair[0] for pair in pairs], other: [pair[1] for pair in pairs]}), own, other


def _free(name: str, frame: pd.DataFrame) -> str:
    """Return a name that no column has."""
    while name in frame.columns:
        name += "_"
    return name


def _decode_labels(
    task: TaskReference, file: TaskFile | None, frame: pd.DataFrame, target: str
) -> tuple[pd.DataFrame, list[list[str]]]:
    """Return the rows whose right answer the task knows, as a kind reads them; and the unknown labels of the others."""
    import pandas as pd

    if target == "value":
        centre, spread = task.scale or (0.0, 1.0)
        return frame.assign(centre=centre, spread=spread), []
    if target == "answer":
        return frame.assign(metric=task.metric or METRIC, max_new_tokens=task.max_new_tokens or NEW_TOKENS), []
    given = [[*value] if is_list(value) else [value] for value in frame[target]]
    named = names_of(task, file, {label for row in given for label in row})
    unknown = [[label for label in row if named.get(label) not in task.labels] for row in given]
    known = frame[[not row for row in unknown]].reset_index(drop=True)
    index = {label: task.labels.index(name) for label, name in named.items() if name in task.labels}
    numbers = [[index[label] for label in row] for row, odd in zip(given, unknown, strict=True) if not odd]
    odd = [[label or "a number in no range" for label in row] for row in unknown if row]
    if target not in LISTS:
        return known.assign(label=[row[0] for row in numbers]), odd
    lists = [sorted(set(row)) if target == "labels" else row for row in numbers]
    return known.assign(**{target: pd.Series(lists, dtype=object)}), odd
