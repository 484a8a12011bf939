"""Raw values of any file as strings, in which form they are compared."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

COMMA_NUMBER = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+)?,\d+|[-+]?\d{1,3}(\.\d{3})*|[-+]?\d+", re.ASCII)
WHOLE = re.compile(r"-?[0-9]{1,400}")
EXACT = 2**53  # up to here a float has every whole number


def raw(value: object) -> str:
    """Return a raw value as the string it is compared by: ``1`` for 1 and 1.0, ``true`` for True."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def has_comma(frame: pd.DataFrame) -> bool:
    """Return whether the file that a frame was read from writes numbers with a decimal comma."""
    return bool(frame.attrs.get("decimal") == ",")


def with_point(value: Any) -> Any:
    """Return a number that was written with a decimal comma (``1.234,5``) as Python writes it; else the value itself.

    ``1.5`` is no such number: with a decimal comma, points part thousands.
    """
    if not isinstance(value, str) or not COMMA_NUMBER.fullmatch(value.strip()):
        return value
    return value.strip().replace(".", "").replace(",", ".")


def restore_whole_numbers(column: pd.Series[Any], read: Callable[[], Iterable[Any]]) -> pd.Series[Any]:
    """Return ``column`` with its whole numbers as they were read, where pandas has rounded them.

    Where a row has no number, pandas makes floats of the others. A column without such large numbers, or with
    fractions, comes back as it is.

    Args:
        column: what pandas made of the values.
        read: gives the values themselves, None where there is none; called only where a number may be rounded.
    """
    import pandas as pd

    if column.dtype != "float64" or not (column.abs() >= EXACT).any():
        return column
    values = [math.nan if value is None else value for value in read()]
    if any(isinstance(value, float) and not math.isnan(value) for value in values):
        return column
    return pd.Series(values, index=column.index, dtype=object, name=column.name)


def by_size(values: list[str]) -> list[str]:
    """Return ``values`` in order: by size where all of them are whole numbers in ASCII digits, else as strings."""
    values = sorted(values)
    return sorted(values, key=int) if are_whole(values) else values


def are_whole(values: list[str]) -> bool:
    """Return whether all values are whole numbers in ASCII digits; ``²`` and numbers of a thousand digits are words."""
    return all(WHOLE.fullmatch(value) for value in values)
