"""The numbers of docs/evidence/preregistered.md: each hypothesis beside its contrasts, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator

import measured_designs

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield the rows of the table of hypotheses."""
    yield from measured_designs.pieces()
