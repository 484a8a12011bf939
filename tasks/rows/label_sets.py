"""Several labels in a row: a set of them for a text, or a tag for each of its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.reading.raw_values import raw
from adapter_workbench.tasks.task_file.spec import TaskSpec
from adapter_workbench.workbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 5
SEPARATOR = ","  # where a file does not say
UNKNOWN_HINTS = {
    "refuse": "Add them to `labels`, keep them as they are with `other_labels: keep`, or leave them out with "
    "`other_labels: drop`.",
    "keep": "Give train examples of them, map them onto known labels in `labels`, or list the labels and leave the "
    "others out with `other_labels: drop`.",
}
TRUE, FALSE = frozenset({"1", "true", "yes"}), frozenset({"0", "false", "no", ""})


def is_list(value: object) -> bool:
    """Return whether a raw value is a list, in any of the forms that readers give."""
    import numpy as np

    return isinstance(value, list | tuple | np.ndarray)


def is_missing(value: Any) -> bool:
    """Return whether a raw value, or an entry of a list, stands for no value: None, not a number, pandas' NA."""
    if is_list(value):
        return False
    try:
        return value is None or bool(value != value)
    except TypeError:  # of pandas' NA
        return True


def raw_sets(spec: TaskSpec, split: str, rows: pd.DataFrame) -> pd.Series[Any]:
    """Return the labels of each row as strings, without those that are blank; nothing is the empty set."""
    separator = spec.file.columns.separator or SEPARATOR
    known = frozenset([*(spec.file.labels or ()), *spec.file.columns.labels])
    return rows["target"].map(lambda value: labels_of(value, separator, known))


def labels_of(value: Any, separator: str, known: frozenset[str] = frozenset()) -> list[str]:
    """Return the labels of one raw value without the white space around them, each once.

    Args:
        value: a list, or a string that is parted at ``separator``.
        separator: between labels in a string.
        known: labels that stay as they are where a list holds them.
    """
    if is_list(value):
        entries = [raw(entry) for entry in value if not is_missing(entry)]
    else:
        entries = [] if is_missing(value) else [label.strip() for label in raw(value).split(separator)]
    stripped = (entry if entry in known else entry.strip() for entry in entries)
    return list(dict.fromkeys(label for label in stripped if label))


def columns_set(spec: TaskSpec, split: str, frame: pd.DataFrame) -> pd.Series[Any]:
    """Return for each row the names of those label columns that hold 1 (true, yes).

    Raises:
        DataError: a column holds something else than 1 and 0.
    """
    import pandas as pd

    columns = spec.file.columns.labels
    values = pd.DataFrame({name: frame[name].fillna("").map(lambda value: raw(value).lower()) for name in columns})
    for name in columns:
        if (odd := ~values[name].isin(TRUE | FALSE)).any():
            raise DataError(
                f"column {name!r} of split {split!r} holds {frame[name][odd].iloc[0]!r}, not 1 or 0",
                where=spec.document.where("columns", "label"),
                hint="Of several label columns each holds 1 or 0. If one column holds all labels, name only that.",
            )
    sets = [[name for name, value in zip(columns, row, strict=True) if value in TRUE] for row in values.to_numpy()]
    return pd.Series(sets, index=frame.index, dtype=object)


def raw_tags(spec: TaskSpec, split: str, rows: pd.DataFrame) -> pd.Series[Any]:
    """Return the tags of each row as strings, one for each word of its text; a string is parted at white space.

    Raises:
        DataError: a text has not as many words as tags.
    """
    tags = rows["target"].map(tags_of)
    counts = rows["text"].map(lambda text: len(text.split()))
    wrong = tags.map(len) != counts
    if wrong.any():
        first = rows[wrong].iloc[0]
        raise DataError(
            f"{int(wrong.sum())} of {len(rows)} rows of split {split!r} have not one tag for each word; "
            f"row {first['id']} has {counts[wrong].iloc[0]} words and {len(tags[wrong].iloc[0])} tags",
            where=spec.document.where("columns", "label"),
            hint="Words are separated by white space; no word of a list may be empty or hold a space.",
        )
    return tags


def tags_of(value: Any) -> list[str]:
    """Return the tags of one raw value: a list, or a string split at white space; missing tags are left out."""
    if is_list(value):
        return [raw(tag) for tag in value if not is_missing(tag)]
    return [] if is_missing(value) else raw(value).split()


def unknown_in(spec: TaskSpec) -> str:
    """Return what an unknown label is not, in words: kept ones are those of train."""
    return "not in train" if spec.file.unlisted == "keep" else "not declared"


def decode(
    spec: TaskSpec, split: str, frame: pd.DataFrame, label_names: Sequence[str], named: Mapping[str, str]
) -> pd.DataFrame:
    """Return ``frame`` with labels or tags as indices into ``label_names``; labels of a set are sorted.

    With ``other_labels: drop`` an unlisted label is left out of its set, and a text with an unlisted tag altogether.

    Raises:
        DataError: labels that are not declared (with ``other_labels: keep``: nor in train), unless ``other_labels:
            drop``.
    """
    column = "tags" if "tags" in frame else "labels"
    index = {value: label_names.index(name) for value, name in named.items()}
    unknown = frame[column].map(lambda values: [value for value in values if value not in index])
    odd = unknown.map(len) > 0
    if odd.any() and spec.file.unlisted != "drop":
        shown = ", ".join(map(repr, list(dict.fromkeys(unknown[odd].explode()))[:SHOWN]))
        raise DataError(
            f"split {split!r} has labels that are {unknown_in(spec)}: {shown}; "
            f"for example row {frame[odd].iloc[0]['id']}",
            where=spec.document.where("labels") if spec.file.labels else spec.document.where("columns", "label"),
            hint=UNKNOWN_HINTS[spec.file.unlisted],
        )
    if column == "tags":
        known_rows = frame[~odd]
        return known_rows.assign(tags=known_rows["tags"].map(lambda tags: [index[tag] for tag in tags])).reset_index(
            drop=True
        )
    return frame.assign(
        labels=frame["labels"].map(lambda values: sorted({index[value] for value in values if value in index}))
    )
