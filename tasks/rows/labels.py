"""From raw values to class indices: which labels there are, what they are called, and which rows do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from adapter_workbench.tasks.reading.raw_values import by_size, raw
from adapter_workbench.tasks.rows.column_traits import is_blank
from adapter_workbench.tasks.rows.label_sets import UNKNOWN_HINTS, unknown_in
from adapter_workbench.tasks.rows.values import numbers
from adapter_workbench.tasks.task_file.spec import TaskSpec
from adapter_workbench.workbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MOST_LABELS = 1000
SHOWN = 5


def raw_labels(spec: TaskSpec, split: str, rows: pd.DataFrame) -> pd.Series[str]:
    """Return the labels of ``rows`` as the strings that they are compared by.

    Raises:
        DataError: rows without a label, with several, or with a fraction.
    """
    import numpy as np

    if spec.file.ranges:
        return in_ranges(numbers(spec, split, rows), spec.file.ranges)
    labels = rows["target"]
    missing = labels.map(is_blank).astype(bool)
    where = spec.document.where("columns", "label")
    if missing.any():
        examples = ", ".join(rows["id"][missing].head(SHOWN))
        raise DataError(
            f"{int(missing.sum())} of {len(rows)} rows of split {split!r} have no label (rows {examples})",
            where=where,
            hint="Add the labels, leave the rows out with `on_missing: drop`, or name another split under `splits`.",
        )
    if not (single := labels.map(lambda value: not isinstance(value, list | tuple | dict | np.ndarray))).all():
        example = labels[~single].iloc[0]
        raise DataError(
            f"column {spec.file.columns.label!r} holds several values in one row (for example {example})",
            where=where,
            hint="A classification task has one label for each row.",
        )
    if labels.dtype.kind == "f" and (labels % 1 != 0).any():
        raise DataError(
            f"column {spec.file.columns.label!r} holds fractions (for example {labels[labels % 1 != 0].iloc[0]})",
            where=where,
            hint="A class label is a name or a whole number.",
        )
    return labels.map(raw).astype("str")


def in_ranges(values: pd.Series[float], ranges: Mapping[str, tuple[float, float]]) -> pd.Series[str]:
    """Return for each number the name of its range, "" where it is in none."""
    import pandas as pd

    range_names = pd.Series("", index=values.index, dtype="str")
    for name, (low, high) in ranges.items():
        range_names[values.between(low, high)] = name
    return range_names


def label_names(spec: TaskSpec, train: pd.Series[str]) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Return the label names in order, and raw value → name.

    Declared names stand for themselves, unless they are raw values that are mapped onto another name; where the data
    hold whole numbers instead of a declared list, a number is the position in it. Undeclared labels are the distinct
    values of train, sorted (numbers by size); where some are declared and others kept, they come after those.

    Raises:
        DataError: labels have to be discovered and cannot be: one distinct value, or very many.
    """
    declared = spec.file.labels or (list(spec.file.ranges) if spec.file.ranges else [])
    values = sorted(train.unique())
    names = tuple(dict.fromkeys(declared.values() if isinstance(declared, dict) else declared))
    positions = {} if isinstance(declared, dict) else {str(index): name for index, name in enumerate(names)}
    if names and values and not set(values) & set(names) and set(values) <= set(positions):
        return names, positions
    named = {name: name for name in names} | (declared if isinstance(declared, dict) else {})
    if names and spec.file.unlisted != "keep":
        return names, named
    others = by_size([value for value in values if value not in named])
    names += tuple(others)
    _require_classes(spec, names, len(train))
    return names, named | {value: value for value in others}


def _require_classes(spec: TaskSpec, names: Sequence[str], rows: int) -> None:
    if len(names) < 2 or len(names) > min(MOST_LABELS, max(2, rows // 2)):
        shown = ", ".join(repr(name[:40]) for name in names[:SHOWN])
        raise DataError(
            f"column {spec.file.columns.label!r} holds {len(names)} distinct values ({shown}, …) in {rows} rows",
            where=spec.document.where("columns", "label"),
            hint="A class label has at least 2 and few distinct values. Name another column, or list `labels`.",
        )


def decode(
    spec: TaskSpec, split: str, frame: pd.DataFrame, names: Sequence[str], named: Mapping[str, str]
) -> pd.DataFrame:
    """Return ``frame`` with ``label`` as an index into ``names``.

    Raises:
        DataError: labels that are not declared (with ``other_labels: keep``: nor in train), with counts and examples,
            unless ``other_labels: drop``.
    """
    index = {name: position for position, name in enumerate(names)}
    positions = frame["label"].map({value: index[name] for value, name in named.items()})
    unknown = positions.isna()
    if unknown.any() and spec.file.unlisted != "drop" and not spec.file.ranges:
        counts = frame["label"][unknown].value_counts()
        shown = ", ".join(f"{value!r} ({count} rows)" for value, count in counts.head(SHOWN).items())
        example = frame[unknown].iloc[0]
        listed = ", ".join(named) if len(named) <= 2 * SHOWN else f"{', '.join([*named][: 2 * SHOWN])}, …"
        raise DataError(
            f"split {split!r} has labels that are {unknown_in(spec)}: {shown}{', …' if len(counts) > SHOWN else ''}; "
            f"for example row {example['id']}: {example['text'][:60]!r}",
            where=spec.document.where("labels") if spec.file.labels else spec.document.where("columns", "label"),
            hint=f"Known labels: {listed}. {UNKNOWN_HINTS[spec.file.unlisted]}",
        )
    return frame[~unknown].assign(label=positions[~unknown].astype("int64")).reset_index(drop=True)
