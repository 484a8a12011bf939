"""Files mapped into memory, whose pages can be let go: a hundred tasks are open at once, and one is read at a time."""

from __future__ import annotations

import mmap
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

MOST_FILES = 65_536  # open at once, where the system allows it: a task has up to three
_MAPPED: WeakSet[mmap.mmap] = WeakSet()


def map_file(path: Path) -> pa.Buffer:
    """Return the bytes of a file, which come into memory as they are read."""
    import pyarrow as pa

    _allow_many_files()
    with path.open("rb") as stream:
        whole = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    _MAPPED.add(whole)
    return pa.py_buffer(whole)


@cache
def _allow_many_files() -> None:
    """Let this process open as many files as it may: each mapping keeps one open, and often 1,024 are allowed."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        allowed = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
        if soft != resource.RLIM_INFINITY and soft < allowed:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def release_pages() -> None:
    """Give back the memory that the pages of all mapped files take here; who reads one again gets it from the file."""
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapping in list(_MAPPED):
            mapping.madvise(mmap.MADV_DONTNEED)
