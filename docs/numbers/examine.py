"""The numbers of docs/examine.md."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.measures.verdicts import LEVEL

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield the level of the tests."""
    yield f"if this p is below {LEVEL}, and undecided otherwise"
