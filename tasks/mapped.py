"""Files mapped into memory, whose pages can be let go: a hundred tasks are open at once, and one is read at a time."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

_MAPPED: WeakSet[mmap.mmap] = WeakSet()


def mapped(path: Path) -> pa.Buffer:
    """Return the bytes of a file, which come into memory as they are read."""
    import pyarrow as pa

    with path.open("rb") as stream:
        whole = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    _MAPPED.add(whole)
    return pa.py_buffer(whole)


def let_go() -> None:
    """Give back the memory that the pages of all mapped files take here; who reads one again gets it from the file."""
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapping in list(_MAPPED):
            mapping.madvise(mmap.MADV_DONTNEED)
