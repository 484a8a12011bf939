"""What a column of raw values looks like: numbers, few distinct values, lists, several labels in one string."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.reading.raw_values import has_comma, raw, with_point
from adapter_workbench.tasks.rows.label_sets import is_list, is_missing

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (",", ";", "|")  # between labels that stand in one string, the likeliest first
MOST_LABELS = 200
SEVERAL = 0.05  # share of the values that hold several labels, at least
LABEL_WORDS = 4  # of one label among several, at most
FILLED = 2 / 3  # a column is preferred to others if more than this share of the rows holds something
BINARY = frozenset({"0", "1", "true", "false"})


@dataclass(frozen=True)
class Traits:
    """What is known of a column from a sample of its rows; missing and blank values count for nothing but ``rows``."""

    name: str  # the column
    rows: int  # of the sample
    filled: int  # how many of them hold something
    distinct: int  # how many values there are
    numeric: bool  # all values are finite numbers
    fractions: bool  # some of them are not whole
    counter: bool  # whole numbers at even distances: a row's number, not what is asked for
    binary: bool  # there are values of 0 and 1 (or false and true) alone
    lists: bool  # all values are lists
    parts: int  # distinct entries of the lists, or of the strings parted at ``separator``
    # what parts several labels that stand in one string, where their parts come together in many ways
    separator: str | None
    length: float  # mean characters of a string; 0 where there is none
    shown: str  # two values, for people

    @property
    def gappy(self) -> bool:
        """Whether so many rows hold nothing that it is hardly what a task is about."""
        return self.filled <= FILLED * self.rows

    @property
    def few(self) -> bool:
        """Whether the values can be classes: at least two, and each seen twice on average."""
        return not self.lists and 2 <= self.distinct <= min(MOST_LABELS, self.rows // 2)

    @property
    def sets(self) -> bool:
        """Whether the values can be sets of labels, as lists or as strings."""
        parted = self.lists or self.separator is not None
        return parted and 2 <= self.parts <= min(MOST_LABELS, self.rows // 2)

    @property
    def quantity(self) -> bool:
        """Whether the values can be a number that is asked for."""
        return self.numeric and not self.counter and self.distinct > 2

    def __str__(self) -> str:
        """Return the name, two values, the number of distinct values, and the number of empty rows if it is large."""
        empty = f", empty in {self.rows - self.filled:,} of {self.rows:,} rows" if self.gappy else ""
        return f"{self.name}: {self.shown}, … ({self.distinct} distinct{empty})"


def traits_of(frame: pd.DataFrame) -> dict[str, Traits]:
    """Return the traits of each column of a sample, by name."""
    comma = has_comma(frame)
    return {str(name): _traits(str(name), frame[name], comma) for name in frame.columns}


def _traits(name: str, column: pd.Series[Any], comma: bool) -> Traits:
    filled = [value for value in column if not is_blank(value)]
    strings = [value for value in filled if isinstance(value, str)]
    lists = bool(filled) and all(map(is_list, filled))
    values = [_in_text(value) for value in filled]
    distinct = set(values)
    numbers = [] if lists else [_number(with_point(value) if comma else value) for value in filled]
    numeric = bool(numbers) and all(map(math.isfinite, numbers))
    is_whole = numeric and all(number.is_integer() for number in numbers)
    separator = _separator(strings, distinct) if strings and len(strings) == len(filled) and not numeric else None
    entries = (raw(entry) for value in filled for entry in value) if lists else _entries_of(distinct, separator)
    return Traits(
        name=name,
        rows=len(column),
        filled=len(filled),
        distinct=len(distinct),
        numeric=numeric,
        fractions=numeric and not is_whole,
        counter=is_whole and len({b - a for a, b in pairwise(numbers)} - {0.0}) == 1 and len(distinct) == len(numbers),
        binary=bool(distinct) and {value.lower() for value in distinct} <= BINARY,
        lists=lists,
        parts=len(set(entries)) if lists or separator else 0,
        separator=separator,
        length=sum(map(len, strings)) / len(strings) if strings else 0.0,
        shown=", ".join(repr(value)[:40] for value in column.head(2)),
    )


def is_blank(value: Any) -> bool:
    """Return whether a raw value is missing: nothing, not a number, or white space alone."""
    return not value.strip() if isinstance(value, str) else is_missing(value)


def _in_text(value: Any) -> str:
    return " ".join(map(raw, value)) if is_list(value) else raw(value)


def _number(value: Any) -> float:
    try:
        return math.nan if isinstance(value, bool) or "_" in str(value)[:400] else float(value)  # 1_1 is an id
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _separator(strings: list[str], distinct: set[str]) -> str | None:
    """Return what parts the labels of ``strings``: the parts are fewer than the ways in which they come together."""
    for separator in SEPARATORS:
        several = sum(separator in value for value in strings)
        entries = _entries_of(distinct, separator)
        short = all(len(entry.split()) <= LABEL_WORDS for entry in entries)
        if several >= SEVERAL * len(strings) and short and 2 <= len(entries) < len(distinct):
            return separator
    return None


def _entries_of(values: set[str], separator: str | None) -> set[str]:
    return {entry.strip() for value in values for entry in value.split(separator)} - {""} if separator else set()
