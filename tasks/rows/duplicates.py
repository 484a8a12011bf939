"""When two rows hold the same text: equal but for case and white space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def text_keys(rows: pd.DataFrame) -> pd.Series[str]:
    """Return a string for each row that is the same for rows with the same text (and the same second text).

    Args:
        rows: has the column ``text`` and, for pairs, ``text_pair``.
    """
    import pandas as pd

    keys = [" ".join(text.split()).casefold() for text in rows["text"]]
    if "text_pair" in rows:
        pairs = (" ".join(text.split()).casefold() for text in rows["text_pair"])
        keys = [f"{key}\0{pair}" for key, pair in zip(keys, pairs, strict=True)]
    return pd.Series(keys, index=rows.index, dtype="str")


def without_duplicates(splits: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Drop rows whose text is also in a later split, or earlier in the same split."""
    import pandas as pd

    keys = {split: text_keys(rows) for split, rows in splits.items()}
    every = pd.concat(reversed(keys.values()), ignore_index=True)
    first = iter(~every.duplicated())
    kept = {split: [next(first) for _ in rows] for split, rows in reversed(keys.items())}
    return {split: rows[kept[split]].reset_index(drop=True) for split, rows in splits.items()}
