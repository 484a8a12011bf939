"""Labels of rows: two that look the same on a page would show the numbers of one as those of the other."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from workbench.errors import Problem


def same(label: str) -> str:
    """Return what a reader takes a label for: without case, width of its letters, and spaces that were doubled."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def collisions(labels: Iterable[tuple[str, str]], taken: Iterable[str] = ()) -> Iterator[Problem]:
    """Yield a problem for each label that another row of the same tables has.

    Args:
        labels: each with the place where it stands.
        taken: labels of rows that the tables have anyway.
    """
    rows = {same(label): label for label in taken}
    for label, where in labels:
        read = same(label)
        if read in rows:
            what = f"{label!r} and {rows[read]!r} would be the same row of the tables"
            yield Problem(what, where, "Give it another label.")
        rows.setdefault(read, label)
