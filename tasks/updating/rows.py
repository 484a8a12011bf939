"""A row of a task as versions compare it: by its id, its text, its label and the split that it belongs to."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adapter_workbench.workbench.methods.task import SPLITS

SIZE = 16  # bytes of a text's digest


@dataclass(frozen=True, slots=True)
class Row:
    id: str  # unique in the version; the same row has the same id in every version
    split: str  # ``train``, ``validation`` or ``test``
    text: str  # ``text_digest`` of what the model reads
    label: str  # the name of its class
    values: tuple[str, ...]  # the raw columns that the task reads, but for label and id


@dataclass(frozen=True, slots=True)
class GivenRow:
    """One row of an update; ``id`` if the task names a column of ids, ``split`` if the rows came in splits."""

    text: str
    label: str
    values: tuple[str, ...]
    id: str | None = None
    split: str | None = None


def text_digest(key: str) -> str:
    """Return a digest of a text as :func:`text_keys` gives it: without case and white space."""
    return hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=SIZE).hexdigest()


def by_split(rows: Iterable[Row]) -> dict[str, int]:
    """Return split → number of rows."""
    counts = Counter(row.split for row in rows)
    return {split: counts[split] for split in SPLITS}


def split_of(text: str, shares: Mapping[str, float]) -> str:
    """Return the split of a text that is new: the same for the same text, whatever comes with it.

    Args:
        text: its digest.
        shares: of all rows, for ``test`` and ``validation``.
    """
    drawn = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, person=b"split").digest()) / 2**64
    test, validation = shares.get("test", 0.0), shares.get("validation", 0.0)
    return "test" if drawn < test else "validation" if drawn < test + validation else "train"


def id_of_new(row: GivenRow, taken: Mapping[str, object]) -> str:
    """Return the id of a new row: its own, else one that follows from its text and label, and that no row has."""
    if row.id is not None:
        return row.id
    digest = hashlib.blake2b(f"{row.text}\0{row.label}".encode(errors="surrogatepass"), digest_size=8).hexdigest()
    name, times = f"row-{digest}", 1
    while name in taken:
        times += 1
        name = f"row-{digest}-{times}"
    return name
