"""Raw values, from whatever file they come, as the strings they are compared by."""

from __future__ import annotations

import re

WHOLE = re.compile(r"-?[0-9]{1,400}")


def raw(value: object) -> str:
    """Return a raw value as the string it is compared by: ``1`` for 1 and 1.0, ``true`` for True."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def by_size(values: list[str]) -> list[str]:
    """Return ``values`` in order: by size where all of them are whole numbers in ASCII digits, else as strings."""
    values = sorted(values)
    return sorted(values, key=int) if are_whole(values) else values


def are_whole(values: list[str]) -> bool:
    """Return whether all values are whole numbers in ASCII digits; ``²`` and numbers of a thousand digits are words."""
    return all(WHOLE.fullmatch(value) for value in values)
