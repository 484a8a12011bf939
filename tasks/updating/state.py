"""A version in memory: its rows, what was ever in which split, and how rows of a person's file are read for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.loading.loading import CUT, make_content
from adapter_workbench.tasks.loading.version_folders import TASK_FILE
from adapter_workbench.tasks.reading.known_dialect import KnownDialect
from adapter_workbench.tasks.reading.raw_values import raw, with_point
from adapter_workbench.tasks.rows import normalise
from adapter_workbench.tasks.rows.cutting import text_keys
from adapter_workbench.tasks.sources import SOURCES
from adapter_workbench.tasks.sources.version import file_of, read_split
from adapter_workbench.tasks.task_file.spec import TaskSpec, parse
from adapter_workbench.tasks.task_file.task_file import Bounds
from adapter_workbench.tasks.updating.rows import Row, text_digest
from adapter_workbench.tasks.updating.version import facts_of, forgotten_in
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.task import SPLITS
from adapter_workbench.workbench.settings.base import Document

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.tasks.loading.stored_rows import Content
    from adapter_workbench.tasks.sources import Table

OWN_ID = "row id"  # the column of ids where the task's own file names none


@dataclass(frozen=True)
class State:
    """A version in memory."""

    number: int  # of the version
    labels: tuple[str, ...]  # in the order of the classes
    rows: tuple[Row, ...]  # train, validation, test, each in its order
    forgotten: Mapping[str, str]  # text → split of the texts that earlier versions had
    columns: tuple[str, ...]  # names of the raw columns that ``values`` of a row hold
    document: Mapping[str, Any]  # the keys of its task file but for the source, the labels and the splits
    names: Mapping[str, str]  # raw label → label
    shares: Mapping[str, float]  # of new texts, for ``test`` and ``validation``
    fingerprint: str  # of the task's data
    known_dialect: KnownDialect | None  # how the files of its first version were written; None where that is not known

    @property
    def id_column(self) -> str:
        return str(self.document["columns"]["id"])

    @property
    def label_column(self) -> str:
        return str(self.document["columns"]["label"])

    @property
    def has_ids(self) -> bool:
        """Whether a person's rows bring ids along."""
        return self.id_column != OWN_ID


def require_updatable(spec: TaskSpec) -> None:
    """Raise InputError unless versions of this task can be kept: a classification task with a column of labels."""
    where = spec.document.where("kind")
    if spec.file.kind != "classification":
        message = f"{spec.name} is a {spec.file.kind} task; only classification tasks have versions"
        raise InputError(message, where=where, hint="Change its data, and train again: that is another task then.")
    if spec.file.ranges:
        message = f"{spec.name} makes its labels of numbers (`ranges`), and such a task has no versions"
        raise InputError(message, where=spec.document.where("ranges"), hint="Give it a column of labels.")
    if spec.file.pairs:
        message = f"{spec.name} makes pairs of its rows (`pairs`), and such a task has no versions"
        hint = "Make a task of the pairs themselves: columns for both texts and the label."
        raise InputError(message, where=spec.document.where("pairs"), hint=hint)
    mapping = spec.file.labels if isinstance(spec.file.labels, dict) else {}
    twice = [value for value, name in mapping.items() if value != name and value in mapping.values()]
    if twice:  # a version stores names, and could not tell them from such values in a file that comes later
        message = f"{twice[0]!r} is a label of {spec.name}, and a raw value that means {mapping[twice[0]]!r}"
        hint = "Versions need labels that are no raw values of others: map onto other names, and train again."
        raise InputError(message, where=spec.document.where("labels"), hint=hint)


def first_state(spec: TaskSpec) -> State:
    """Return version 1 of a task: the rows that its own file gives today.

    Raises:
        DataError: the data do not fit the file.
        AssetError: the source cannot be fetched.
    """
    tables = SOURCES.get(spec.source).read(spec.source_settings, spec.folder)
    content = make_content(numbered(spec), tables)
    fingerprint = make_content(spec, tables).fingerprint if spec.file.columns.id else content.fingerprint
    columns = _columns_kept(spec)
    id_column = spec.file.columns.id or OWN_ID
    raw_rows = {name: _raw_rows(spec, table) for name, table in tables.items() if _is_read(name, content)}
    rows, names = [], {name: name for name in content.labels}
    for split in SPLITS:
        frame = content.tables[split].to_pandas()
        for row_id, text, label in zip(frame["id"], text_keys(frame), frame["label"], strict=True):
            source, _, number = row_id.rpartition("-")
            values = raw_rows[source][int(number)]
            name = content.labels[label]
            names.setdefault(raw(values[spec.file.columns.labels[0]]), name)
            own_id = raw(values[id_column]) if spec.file.columns.id else row_id
            kept = tuple(kept_text(spec, column, values[column]) for column in columns)
            rows.append(Row(own_id, split, text_digest(text), name, kept))
    if isinstance(spec.file.labels, dict):
        names = {**spec.file.labels, **names}
    document = _document(spec, id_column)
    facts = (columns, document, names, _shares(spec), fingerprint, spec.known_dialect)
    return State(1, content.labels, tuple(rows), {}, *facts)


def stored_state(spec: TaskSpec) -> State:
    """Return a version as it is stored.

    Raises:
        IntegrityError: a file of it is damaged.
    """
    folder = spec.folder
    version = facts_of(folder)
    tables = SOURCES.get(spec.source).read(spec.source_settings, folder)
    columns = _columns_kept(spec)
    rows = [row for split in SPLITS for row in _rows_in(spec, split, tables[split])]
    names = dict(spec.file.labels) if isinstance(spec.file.labels, dict) else {}
    document = {key: value for key, value in spec.document.data.items() if key not in {spec.source, "labels", "splits"}}
    forgotten, shares = forgotten_in(folder, version), version.shares
    fingerprint = version.fingerprint
    facts = (columns, document, names, shares, fingerprint, spec.known_dialect)
    return State(version.number, version.labels, tuple(rows), forgotten, *facts)


def stored_rows(spec: TaskSpec, split: str) -> list[Row]:
    """Return the rows of one split of a stored version; the files of the others are not read.

    Raises:
        IntegrityError: the file is missing or damaged.
    """
    settings: Any = spec.source_settings
    return list(_rows_in(spec, split, read_split(settings, spec.folder, split)))


def has_rows(spec: TaskSpec, split: str) -> bool:
    """Return whether the file of a split of a stored version is there."""
    return file_of(split, spec.folder).exists()


def _rows_in(spec: TaskSpec, split: str, table: Table) -> Iterator[Row]:
    frame = normalise.rows_of(spec, split, table).frame
    columns = [table[column] for column in _columns_kept(spec)]
    kept = zip(*columns, strict=True) if columns else repeat((), len(frame))  # none but those of id and label
    for row_id, text, label, values in zip(frame["id"], text_keys(frame), frame["label"], kept, strict=True):
        yield Row(row_id, split, text_digest(text), label, values)


def spec_of(name: str, document: Mapping[str, Any], folder: Path) -> TaskSpec:
    """Return the task that a version's document describes, whether it is written or not."""
    return parse(Document(dict(document), str(folder / TASK_FILE)), name, folder)


def numbered(spec: TaskSpec) -> TaskSpec:
    """Return the task with ids that tell the split of the source, and the row in it."""
    columns = spec.file.columns.model_copy(update={"id": None})
    return replace(spec, file=spec.file.model_copy(update={"columns": columns}))


def _columns_kept(spec: TaskSpec) -> tuple[str, ...]:
    columns = spec.file.columns
    pair = [columns.text_pair] if columns.text_pair else []
    names = dict.fromkeys([*columns.texts, *pair, *spec.file.where])
    return tuple(name for name in names if name not in {*columns.labels, columns.id})


def _is_read(name: str, content: Content) -> bool:
    """Return whether a split of the source gave rows."""
    prefix = f"{name}-"
    return any(row_id.startswith(prefix) for table in content.tables.values() for row_id in table["id"].to_pylist())


def _raw_rows(spec: TaskSpec, table: Table) -> list[dict[str, Any]]:
    columns = [*_columns_kept(spec), *spec.file.columns.labels]
    columns += [spec.file.columns.id] if spec.file.columns.id else []
    frame: pd.DataFrame = normalise.frame_of(table, list(dict.fromkeys(columns)))
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def kept_text(spec: TaskSpec, column: str, value: Any) -> str:
    """Return a raw value as it is kept: a text as it is; what `where` compares in the form that it is compared in."""
    condition = spec.file.where.get(column)
    if spec.has_comma and isinstance(condition, Bounds) and condition.are_numbers:
        return raw(with_point(value))
    if isinstance(value, str):
        return value
    return raw(value) if column in spec.file.where else ""  # a text that is missing beside others of the same row


def _document(spec: TaskSpec, id_column: str) -> dict[str, Any]:
    """Return the keys of a version's task file: those of the task's own, without what its rows have behind them."""
    gone = {spec.source, "labels", "splits", "name", "family", "on_duplicate", "where"}
    document = {key: value for key, value in spec.document.data.items() if key not in gone}
    label = spec.file.columns.labels[0]
    where = {key: value for key, value in spec.document.data.get("where", {}).items() if key != label}
    columns = {key: value for key, value in spec.document.data["columns"].items() if key != "id"}
    document = {**document, "columns": {**columns, "label": label, "id": id_column}}
    return {**document, "where": where} if where else document


def _shares(spec: TaskSpec) -> dict[str, float]:
    """Return the shares that the task's file cuts; the usual ones where it does not say, or names a split."""
    given = {"test": spec.file.splits.test, "validation": spec.file.splits.validation}
    return {
        split: float(value) if isinstance(value, float) and value < 1 else CUT[split] for split, value in given.items()
    }
