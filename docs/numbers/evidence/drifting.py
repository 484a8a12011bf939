"""The numbers of docs/evidence/drifting.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured_updates import entry_rows

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield both tables."""
    yield from entry_rows("drifting")
    yield from entry_rows("drifting-new-rows")
