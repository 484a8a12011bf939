"""Texts that look like several rows read as one: with line breaks inside, or far longer than the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FAR_LONGER = 50  # times the median length
FEW = 0.5  # share of the texts; where more have line breaks, that is how they are written


@dataclass(frozen=True)
class OddTexts:
    broken: tuple[int, ...]  # positions of the texts with a line break inside; none where most texts have one
    long: tuple[int, ...]  # positions of the texts of 50 times the median length and more
    median: int  # characters of a text


def odd_texts(texts: pd.Series[str]) -> OddTexts:
    """Return which of ``texts`` are odd; blank ones count for nothing."""
    import numpy as np

    stripped = [text.strip() for text in texts]
    lengths = np.array([len(text) for text in stripped])
    filled = lengths > 0
    if not filled.any():
        return OddTexts((), (), 0)
    median = int(np.median(lengths[filled]))
    broken = [position for position, text in enumerate(stripped) if "\n" in text or "\r" in text]
    if len(broken) > FEW * int(filled.sum()):
        broken = []
    return OddTexts(tuple(broken), tuple(np.flatnonzero(lengths >= FAR_LONGER * max(1, median)).tolist()), median)
