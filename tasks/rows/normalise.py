"""Raw columns into ``id, text[, text_pair]``, label or answer; complaints name the line, the column, what exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.reading.raw_values import raw, restore_whole_numbers
from adapter_workbench.tasks.rows import label_sets
from adapter_workbench.tasks.rows.answers import free_answers
from adapter_workbench.tasks.rows.column_traits import is_blank
from adapter_workbench.tasks.rows.cutting import without_duplicates
from adapter_workbench.tasks.rows.labels import raw_labels
from adapter_workbench.tasks.rows.values import numbers, parsed_numbers
from adapter_workbench.tasks.task_file.spec import TaskSpec
from adapter_workbench.tasks.task_file.task_file import PLACEHOLDER, Bounds
from adapter_workbench.workbench.errors import DataError, suggest
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.task import SPLITS

if TYPE_CHECKING:
    import pandas as pd

    from adapter_workbench.tasks.sources import Table

SHOWN = 5


@dataclass(frozen=True)
class Rows:
    """One split of the source in the form that every task has."""

    # ``id`` (str), ``text`` (str), ``text_pair`` (str, pairs only), and what is right, under the name that the kind
    # has for it: ``label`` (str, a raw value), ``labels`` or ``tags`` (lists of such), ``value`` (float) or
    # ``answer`` (str)
    frame: pd.DataFrame
    empty: int  # how many rows were dropped for want of a text
    untold: int = 0  # how many were dropped for want of a label or an answer
    duplicates: int = 0  # how many were dropped because another row has their text


def unique_texts(splits: Mapping[str, Rows]) -> dict[str, Rows]:
    """Return the splits with one row for each text (``on_duplicate: drop``)."""
    frames = without_duplicates({split: splits[split].frame for split in SPLITS if split in splits})
    return {
        split: replace(rows, frame=frames[split], duplicates=len(rows.frame) - len(frames[split]))
        for split, rows in splits.items()
    }


def rows_of(spec: TaskSpec, split: str, table: Table) -> Rows:
    """Return the rows of one split of the source, labels still raw.

    Raises:
        DataError: a column that does not exist, holds something else than text, or rows without a label or an answer.
    """
    import pandas as pd

    columns = spec.file.columns
    kind = KINDS.get(spec.file.kind)
    target = [columns.answer] if columns.answer else columns.labels
    needed = [*columns.texts, *target, *spec.file.where]
    needed += [name for name in (columns.text_pair, columns.id) if name]
    _require(spec, split, list(table.columns) if _is_frame(table) else list(table.column_names))
    frame = frame_of(table, list(dict.fromkeys(needed)))
    frame.insert(0, "\0id", [f"{split}-{number}" for number in range(len(frame))])
    for column, value in spec.file.where.items():
        frame = frame[_holds(spec, split, frame[column], column, value)]
    data: dict[str, Any] = {"id": frame[columns.id].map(raw) if columns.id else frame["\0id"]}
    raws = [_words(frame[name]) if kind.target == "tags" else frame[name] for name in columns.texts]
    texts = [_text(spec, split, text, str(text.name), "text") for text in raws]
    data["text"] = _join_columns(texts)
    if columns.text_pair:
        data["text_pair"] = _text(spec, split, frame[columns.text_pair], columns.text_pair, "text_pair")
    data["target"] = frame[target[0]] if isinstance(columns.label, str) else label_sets.columns_set(spec, split, frame)
    rows = pd.DataFrame(data)
    filled = rows["text"].str.strip() != ""
    if spec.file.prompt is not None:
        rows["text"] = _prompts(spec.file.prompt, columns.texts, texts)
    if columns.text_pair:
        filled &= rows["text_pair"].str.strip() != ""
    if spec.file.on_missing == "error" and not filled.all():
        _refuse_empty(spec, split, rows["id"][~filled], len(rows))
    labelled = _with_target(spec, kind.target, rows["target"])
    complete = rows[filled & labelled].reset_index(drop=True)
    decoded = _READERS[kind.target](spec, split, complete)
    untold = int((filled & ~labelled).sum())
    return Rows(complete.drop(columns="target").assign(**{kind.target: decoded}), int((~filled).sum()), untold)


def _with_target(spec: TaskSpec, target: str, values: pd.Series[Any]) -> pd.Series[bool]:
    """Return which rows are kept, judged by their label or answer; no labels are a set of labels too."""
    dropped = spec.file.on_missing == "drop" and target != "labels"
    return values.map(lambda value: not (dropped and is_blank(value))).astype(bool)


def _refuse_empty(spec: TaskSpec, split: str, ids: pd.Series[str], rows: int) -> None:
    raise DataError(
        f"{len(ids)} of {rows} rows of split {split!r} have no text (rows {', '.join(ids.head(SHOWN))})",
        where=spec.document.where("on_missing"),
        hint="Add the texts, or leave the rows out with `on_missing: drop`.",
    )


_READERS: Mapping[str, Callable[[TaskSpec, str, pd.DataFrame], pd.Series[Any]]] = {
    "label": raw_labels,
    "labels": label_sets.raw_sets,
    "tags": label_sets.raw_tags,
    "value": numbers,
    "answer": free_answers,
}


def _words(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Return texts of which some are lists of words as texts, words parted by a space; a missing word is empty."""
    return texts.map(lambda text: " ".join(map(_word, text)) if label_sets.is_list(text) else text)


def _word(value: Any) -> str:
    return "" if label_sets.is_missing(value) else raw(value)


def _is_frame(table: Table) -> bool:
    return hasattr(table, "iloc")


def frame_of(table: Any, columns: list[str] | None = None) -> pd.DataFrame:
    """Return the columns (all if None) as a frame; a Dataset's class numbers become the names it declares for them.

    A number that stands for no class, as -1 does, becomes a missing value.
    """
    if _is_frame(table):
        frame: pd.DataFrame = table[columns or list(table.columns)].reset_index(drop=True)
        plain = {name: dtype for name, column in frame.items() if (dtype := _plain_type(column)) is not None}
        return frame.astype(plain)
    columns = columns or table.column_names
    frame = table.select_columns(columns).to_pandas()
    for name in columns:
        feature = table.features[name]
        if declared := getattr(feature, "names", None):
            frame[name] = frame[name].map(dict(enumerate(declared)))
        elif declared := getattr(getattr(feature, "feature", None), "names", None):
            by_number = dict(enumerate(declared))
            frame[name] = frame[name].map(partial(_label_names, by_number))
        elif str(getattr(feature, "dtype", "")).startswith(("int", "uint")):
            frame[name] = restore_whole_numbers(frame[name], partial(table.__getitem__, name))
    return frame


def _label_names(by_number: Mapping[int, str], numbers: Any) -> list[str | None] | None:
    return None if label_sets.is_missing(numbers) else [by_number.get(number) for number in numbers]


def _plain_type(column: pd.Series[Any]) -> Any:
    """Return the type without categories or pandas' NA that holds a column; None where it has neither, or text."""
    import pandas as pd

    if column.dtype == "category":
        return object
    nullable = pd.api.types.is_extension_array_dtype(column.dtype) and not isinstance(column.dtype, pd.StringDtype)
    if not nullable or not column.isna().any():
        return None
    return column.dtype.type if column.dtype.kind == "f" else object


def _require(spec: TaskSpec, split: str, existing: list[str]) -> None:
    columns = spec.file.columns
    needed = [(("columns", "text"), name) for name in columns.texts]
    target = "answer" if columns.answer else "label"
    needed += [(("columns", target), name) for name in ([columns.answer] if columns.answer else columns.labels)]
    needed += [(("columns", key), name) for key in ("text_pair", "id") if (name := getattr(columns, key))]
    needed += [(("where", name), name) for name in spec.file.where]
    for key, name in needed:
        if name not in existing:
            message = f"split {split!r} has no column {name!r}"
            raise DataError(message, where=spec.document.where(*key), hint=suggest(name, map(str, existing)))


def _text(spec: TaskSpec, split: str, values: pd.Series[Any], column: str, key: str) -> pd.Series[str]:
    texts = values.fillna("")
    wrong = ~texts.map(lambda value: isinstance(value, str)).astype(bool)
    if wrong.any():
        example = values[wrong].iloc[0]
        raise DataError(
            f"column {column!r} of split {split!r} holds {raw(example)} ({type(example).__name__}), not text",
            where=spec.document.where("columns", key),
        )
    return texts.astype("str")


def _join_columns(columns: list[pd.Series[str]]) -> pd.Series[str]:
    joined = columns[0]
    for column in columns[1:]:
        joined = joined.str.cat(column, sep=" ").str.strip()
    return joined


def _prompts(prompt: str, names: list[str], texts: list[pd.Series[str]]) -> list[str]:
    """Return the prompt of each row, each column's text in its place."""
    return [_prompt(prompt, dict(zip(names, row, strict=True))) for row in zip(*texts, strict=True)]


def _prompt(prompt: str, row: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: row[match[1]], prompt)


def _holds(spec: TaskSpec, split: str, values: pd.Series[Any], column: str, value: object) -> pd.Series[bool]:
    raw_values = values.map(raw).astype("str")
    if isinstance(value, Bounds):
        wanted, filled = str(value), ~values.map(is_blank).astype(bool)
        holds = filled & _lies_between(parsed_numbers(spec, raw_values) if value.are_numbers else raw_values, value)
    else:
        allowed = {raw(entry) for entry in (value if isinstance(value, list) else [value])}
        wanted = f"= {' or '.join(sorted(allowed))}"
        if allowed <= {"true", "false"}:
            raw_values = raw_values.str.lower()
        holds = raw_values.isin(allowed)
    if not holds.any():
        counts = ", ".join(f"{entry!r} ({count})" for entry, count in raw_values.value_counts().head(SHOWN).items())
        raise DataError(
            f"no row of split {split!r} has {column!r} {wanted}",
            where=spec.document.where("where", column),
            hint=f"Most frequent values: {counts or 'none'}.",
        )
    return holds


def _lies_between(values: pd.Series[Any], bounds: Bounds) -> pd.Series[bool]:
    """Return which values lie between the bounds; NaN lies between none."""
    holds = values.notna()
    if bounds.at_least is not None:
        holds &= values >= bounds.at_least
    if bounds.below is not None:
        holds &= values < bounds.below
    return holds
