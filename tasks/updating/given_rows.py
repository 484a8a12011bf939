"""The rows of a person's file as an update reads them: by the columns and the labels of the task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.tasks.reading.dialect import DialectSettings
from adapter_workbench.tasks.reading.raw_values import raw
from adapter_workbench.tasks.rows import normalise
from adapter_workbench.tasks.rows.cutting import text_keys
from adapter_workbench.tasks.task_file.spec import TaskSpec, parse
from adapter_workbench.tasks.updating.label_map import LabelMap
from adapter_workbench.tasks.updating.rows import GivenRow, text_digest
from adapter_workbench.tasks.updating.state import State, kept_text, numbered
from adapter_workbench.workbench.errors import DataError
from adapter_workbench.workbench.methods.task import SPLITS
from adapter_workbench.workbench.settings.base import Document

if TYPE_CHECKING:
    from adapter_workbench.tasks.sources import Table

SHOWN = 5


@dataclass(frozen=True)
class GivenRows:
    rows: tuple[GivenRow, ...]  # that can be read
    empty: int = 0  # how many have no text
    unlabelled: int = 0  # how many have no label, and were left out as the task's file says
    unlisted: int = 0  # how many have a label that the task does not know, and were left out as its file says


def label_names(state: State, labels: LabelMap) -> dict[str, str]:
    """Return raw label → label of the new version; a raw value whose label was split or retired means none.

    The names of labels come first, in the order of the classes; each stands for itself.
    """
    later = {value: labels.later(name) for value, name in state.names.items() if name in labels.before}
    names = {name: name for name in labels.labels}
    return {**names, **{value: after[0] for value, after in later.items() if len(after) == 1 and value not in names}}


def given_rows(name: str, state: State, tables: Mapping[str, Table], labels: LabelMap, origin: str) -> GivenRows:
    """Return the rows of a person's tables; without ids where a table has no such column.

    Args:
        name: of the task.
        state: the newest version.
        tables: split → raw rows; ``data`` for rows that came in no split.
        labels: of the new version.
        origin: where the tables come from, for messages.

    Raises:
        DataError: columns that are not there, rows without a label, unknown labels, or an id that comes twice.
    """
    names = label_names(state, labels)
    spec = _reading_spec(name, state, names, origin)
    read: list[GivenRow] = []
    empty = unlabelled = 0
    unknown: Counter[str] = Counter()
    frames = {split: normalise.frame_of(table) for split, table in tables.items()}
    with_ids = state.has_ids and all(state.id_column in frame for frame in frames.values())
    for split, frame in frames.items():
        read_as = replace(spec, source_settings=DialectSettings(decimal=frame.attrs.get("decimal")))
        rows = normalise.rows_of(numbered(read_as), split, frame)
        raw_rows = frame.to_dict("records")
        empty, unlabelled = empty + rows.empty, unlabelled + rows.untold
        for row_id, text, label in zip(rows.frame["id"], text_keys(rows.frame), rows.frame["label"], strict=True):
            if label not in names:
                unknown[label] += 1
                continue
            values = raw_rows[int(row_id.rpartition("-")[2])]
            kept = tuple(kept_text(read_as, column, values[column]) for column in state.columns)
            own_id = raw(values[state.id_column]) if with_ids else None
            read.append(GivenRow(text_digest(text), names[label], kept, own_id, split if split in SPLITS else None))
    if unknown and spec.file.unlisted != "drop":
        _refuse_unknown(unknown, labels.labels, origin)
    _require_unique_ids(read, state, origin)
    return GivenRows(tuple(read), empty, unlabelled, sum(unknown.values()))


def _reading_spec(name: str, state: State, names: Mapping[str, str], origin: str) -> TaskSpec:
    """Return a task file that reads a person's table; what is wrong with that is said of the table."""
    document = {**state.document, "labels": dict(names), "files": {"data": "rows.csv"}}
    return replace(parse(Document(document, origin), name, Path()), document=Document({}, origin))


def _refuse_unknown(unknown: Counter[str], labels: tuple[str, ...], origin: str) -> None:
    shown = ", ".join(f"{label!r} ({count} rows)" for label, count in unknown.most_common(SHOWN))
    more = ", …" if len(unknown) > SHOWN else ""
    known = ", ".join(labels[: 2 * SHOWN]) + (", …" if len(labels) > 2 * SHOWN else "")
    raise DataError(
        f"labels that the task does not have: {shown}{more}",
        where=origin,
        hint=f"Known labels: {known}. New ones are named in a file for --labels, under `add`.",
    )


def _require_unique_ids(rows: list[GivenRow], state: State, origin: str) -> None:
    twice = [row_id for row_id, times in Counter(row.id for row in rows if row.id is not None).items() if times > 1]
    if twice:
        raise DataError(
            f"ids are not unique: {', '.join(twice[:SHOWN])} ({len(twice)} come more than once)",
            where=origin,
            hint=f"Column {state.id_column!r} says which row of the task is meant: give each row an id of its own.",
        )
