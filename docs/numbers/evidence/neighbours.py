"""The numbers of docs/neighbours.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import read

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield which version of each neighbour ran, and what was compared, with how many cases and the difference."""
    for row in read("neighbours")["compared"]:
        yield f"| {row['program']} | {row['version']} |"
        difference = "equal" if row["difference"] is None else f"{row['difference']:.1g}"
        yield f"| {row['what']} | {row['cases']:,} | {difference} |"
