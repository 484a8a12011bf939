"""When two rows hold the same text: equal but for case and white space."""

from __future__ import annotations

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
