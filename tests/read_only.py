"""A folder that can only be read, for root too."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION, CAP_DAC_OVERRIDE = 0x20080522, 1  # of linux/capability.h


@contextmanager
def read_only(root: Path) -> Iterator[None]:
    """Let nothing at or below ``root`` be written inside the block.

    Root may write whatever the modes say, by a capability that this thread, and those it starts, do without meanwhile.
    """
    paths = [root, *root.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    effective = _replaced_effective(None) if os.geteuid() == 0 else None
    try:
        yield
    finally:
        if effective is not None:
            _replaced_effective(effective)
        for path, mode in modes.items():
            path.chmod(mode)


def _replaced_effective(wanted: int | None) -> int:
    """Set the thread's effective capabilities, by default all but the one; return what they were."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, data):
        raise OSError(ctypes.get_errno(), "capget")
    before = data[0]
    data[0] = before & ~(1 << CAP_DAC_OVERRIDE) if wanted is None else wanted
    if libc.capset(header, data):
        raise OSError(ctypes.get_errno(), "capset")
    return before
