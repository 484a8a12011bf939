"""What a person sees of raw rows: the first ones, and those that show whether the encoding is right."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FIRST = 3
MORE = 2  # rows with characters beyond ASCII
COMPARED = 200  # of such rows: those are shown in which such a character comes first, since a terminal cuts long texts


def shown_rows(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    """Return the first three rows of some columns and, if these are all ASCII, two that are not."""
    records = frame[list(columns)]
    first = records.head(FIRST).to_dict("records")
    if any(_begin(row.values()) is not None for row in first):
        return _with_text_keys(first)
    beyond = heapq.nsmallest(MORE, islice(_beyond_ascii(records), COMPARED))
    return _with_text_keys(
        [*first, *(records.iloc[position].to_dict() for position in sorted(row for _, row in beyond))]
    )


def characters_beyond_ascii(frame: pd.DataFrame) -> Mapping[str, int]:
    """Return the count of each non-ASCII character in the strings of a frame, most frequent first."""
    values = chain.from_iterable(frame[name] for name in frame.columns)
    texts = (value for value in values if isinstance(value, str) and not value.isascii())
    counts = Counter(character for text in texts for character in text if not character.isascii())
    return dict(counts.most_common())


def _beyond_ascii(records: pd.DataFrame) -> Iterator[tuple[int, int]]:
    """Yield the position of the first non-ASCII character in its text, and that of the row."""
    for position, row in enumerate(records.itertuples(index=False, name=None)):
        if (begin := _begin(row)) is not None:
            yield begin, position


def _begin(values: Any) -> int | None:
    texts = [value for value in values if isinstance(value, str) and not value.isascii()]
    return min((next(n for n, character in enumerate(text) if not character.isascii()) for text in texts), default=None)


def _with_text_keys(rows: Sequence[Mapping[Any, Any]]) -> tuple[Mapping[str, Any], ...]:
    return tuple({str(name): value for name, value in row.items()} for row in rows)
