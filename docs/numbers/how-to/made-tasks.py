"""The names of skills and conventions that have to stand in docs/how-to/made-tasks.md."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_workbench.tasks.problems.conventions import CONVENTIONS
from adapter_workbench.tasks.problems.skills import SKILLS

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield every skill and convention; the page has no measured number."""
    yield from (f"`{name}`" for name in (*SKILLS.names(), *CONVENTIONS.names()))
