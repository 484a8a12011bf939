"""What raw rows hold in the columns of a draft, before any of it is loaded as a task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.drafting.guess import Guess
from adapter_workbench.tasks.reading.formats import lines_of
from adapter_workbench.tasks.reading.raw_values import raw
from adapter_workbench.tasks.rows.column_traits import is_blank
from adapter_workbench.tasks.rows.cutting import text_keys
from adapter_workbench.tasks.rows.label_sets import FALSE, SEPARATOR, is_list, labels_of, tags_of
from adapter_workbench.tasks.rows.odd_texts import OddTexts, odd_texts
from adapter_workbench.workbench.methods.kinds import KINDS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Findings:
    """What the training rows hold."""

    rows: int  # how many there are
    empty: int  # rows without a text, which are left out
    unlabelled: int  # rows without what is asked for, which have to be mended
    duplicates: int  # rows beyond the first with their text
    odd: OddTexts  # texts that look like several rows read as one, by their position among the rows
    lines: int | None  # how many lines of the file hold rows; None where rows are no lines
    counts: Mapping[str, int]  # label, tag or answer → how often it stands, most frequent first; empty for numbers


def findings(columns: Guess, frame: pd.DataFrame) -> Findings:
    """Return what ``frame`` holds in ``columns``; in a multilabel task a text may have no labels."""
    import pandas as pd

    texts = {"text": columns.text, **({"text_pair": columns.text_pair} if columns.text_pair else {})}
    words = pd.DataFrame({part: frame[name].map(_words) for part, name in texts.items()})
    filled = (words != "").all(axis=1)
    rows = frame[filled]
    target = [columns.answer] if columns.answer else list(columns.label)
    blank = rows[target[0]].map(is_blank) if columns.kind != "multilabel" else pd.Series(False, rows.index)
    labelled = rows[~blank]
    return Findings(
        rows=len(frame),
        empty=int((~filled).sum()),
        unlabelled=int(blank.sum()),
        duplicates=int(text_keys(words[filled]).duplicated().sum()),
        odd=odd_texts(words["text"]),
        lines=lines_of(frame),
        counts=dict(Counter(_values(columns, labelled, target)).most_common()),
    )


def _values(columns: Guess, rows: pd.DataFrame, target: list[str]) -> Iterable[str]:
    kind = KINDS.get(columns.kind).target
    if kind == "value":
        return ()
    if len(target) > 1:
        return (
            name for name in target for value in rows[name] if not is_blank(value) and raw(value).lower() not in FALSE
        )
    values = rows[target[0]]
    if kind == "labels":
        return (label for value in values for label in labels_of(value, columns.separator or SEPARATOR))
    if kind == "tags":
        return (tag for value in values for tag in tags_of(value))
    return values.map(raw)


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if is_list(value) else "" if is_blank(value) else str(value).strip()
