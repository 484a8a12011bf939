"""The numbers of docs/evidence/growing.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured_updates import entry_rows

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield both tables."""
    yield from entry_rows("growing")
    yield from entry_rows("growing-new-rows")
