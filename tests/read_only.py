"""A folder that can only be read, or less, for root too."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

VERSION, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 0x20080522, 1, 2  # of linux/capability.h


@contextmanager
def read_only(root: Path) -> Iterator[None]:
    """Let nothing at or below ``root`` be written inside the block."""
    paths = [root, *(path for path in root.rglob("*") if not path.is_symlink())]
    writing = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    with with_modes({path: path.stat().st_mode & ~writing for path in paths}):
        yield


@contextmanager
def with_modes(modes: Mapping[Path, int]) -> Iterator[None]:
    """Give paths other modes inside the block.

    Root may read and write whatever the modes say, by capabilities that this thread, and those it starts, do without
    meanwhile.
    """
    before = {path: path.stat().st_mode for path in modes}
    for path, mode in sorted(modes.items(), reverse=True):  # what is inside a folder first
        path.chmod(mode)
    effective = _replaced_effective(None) if os.geteuid() == 0 else None
    try:
        yield
    finally:
        if effective is not None:
            _replaced_effective(effective)
        for path, mode in sorted(before.items()):
            if path.exists():
                path.chmod(mode)


def _replaced_effective(wanted: int | None) -> int:
    """Set the thread's effective capabilities, by default all but the two; return what they were."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, data):
        raise OSError(ctypes.get_errno(), "capget")
    before = data[0]
    data[0] = before & ~(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH) if wanted is None else wanted
    if libc.capset(header, data):
        raise OSError(ctypes.get_errno(), "capset")
    return before
