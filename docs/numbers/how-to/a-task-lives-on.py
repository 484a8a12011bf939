"""The numbers of docs/a-task-lives-on.md."""

from __future__ import annotations

from collections.abc import Iterator

STATED = ["(0.2 for test and 0.1 for validation if it names none)"]


def pieces() -> Iterator[str]:
    """Yield nothing: what the page shows is the output of commands."""
    yield from ()
