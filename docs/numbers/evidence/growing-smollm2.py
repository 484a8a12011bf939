"""The numbers of docs/evidence/growing-smollm2.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import read
from measured_updates import entry_rows

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield both tables, and what the first seeds and the later ones came to."""
    yield from entry_rows("growing-smollm2")
    yield from entry_rows("growing-smollm2-longer")
    gains = [100 * gain for gain in read("growing-smollm2")["updates"]["continue-all"]["difference"]["values"]]
    yield f"was {sum(gains[:3]) / 3:.1f} points above `anew`"
    yield f"the two that were added since, {gains[3]:.1f} and {gains[4]:.1f} points"
