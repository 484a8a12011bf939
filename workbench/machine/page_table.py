"""What the system knows of a process's memory: which pages of a mapped file were written to since it was mapped.

A file is mapped privately: its pages are shared by all who map it, until somebody writes to one, who then has a copy of
that page alone. Linux tells of each page whether it is still the file's (``/proc/self/pagemap``, bit 61; kernel
documentation, admin-guide/mm/pagemap). So it cannot be missed however a page was written to.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TABLE = Path("/proc/self/pagemap")
SOMEWHERE, OF_A_FILE = 3 << 62, 1 << 61  # in memory or swapped out; a page of a file


def are_unwritten(ranges: Iterable[tuple[int, int]]) -> bool:
    """Return whether nothing was written to mapped files at ``ranges`` of memory since they were mapped.

    Args:
        ranges: first address and number of bytes of each.

    Returns:
        False also where this machine does not tell, and for memory that is of no file.
    """
    if not is_told():
        return False
    with TABLE.open("rb", buffering=0) as table:
        return all(_are_of_a_file(table.fileno(), address, size) for address, size in ranges)


@cache
def is_told() -> bool:
    """Return whether this system reports written pages; tested on two pages, one of them written."""
    if not (hasattr(os, "memfd_create") and TABLE.exists()):
        return False
    file = os.memfd_create("tried", os.MFD_CLOEXEC)
    try:
        os.ftruncate(file, 2 * mmap.PAGESIZE)
        with mmap.mmap(file, 2 * mmap.PAGESIZE, mmap.MAP_PRIVATE) as memory:
            first = ctypes.c_char.from_buffer(memory)
            address = ctypes.addressof(first)
            del first  # else the map cannot be closed
            read = memory[0] + memory[mmap.PAGESIZE]
            memory[mmap.PAGESIZE] = read + 1
            with TABLE.open("rb", buffering=0) as table:
                unwritten = [_are_of_a_file(table.fileno(), address + page, 1) for page in (0, mmap.PAGESIZE)]
    except OSError:
        return False
    finally:
        os.close(file)
    return unwritten == [True, False]


def _are_of_a_file(table: int, address: int, size: int) -> bool:
    """Return whether no page of ``size`` bytes from ``address`` on is the process's own."""
    import numpy as np

    if not size:
        return True
    first, last = address // mmap.PAGESIZE, (address + size - 1) // mmap.PAGESIZE
    entries = np.frombuffer(os.pread(table, 8 * (last - first + 1), 8 * first), dtype=np.uint64)
    if len(entries) != last - first + 1:
        return False
    there = entries & np.uint64(SOMEWHERE) != 0  # what is in no memory yet will be read from the file
    return not bool((there & (entries & np.uint64(OF_A_FILE) == 0)).any())
