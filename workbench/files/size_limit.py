"""The largest file that may be written: the process's limit (``ulimit -f``), or the file system's.

The kernel writes up to the limit and then refuses. Python ignores the signal that goes with it; some libraries hand on
the refusal, and some say only that they have failed, so that the size of what they left tells it.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import UnwritableError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NO_ROOM_AT_ALL = "No usable temporary directory"  # what Python says where not one byte can be written


def largest_file() -> int | None:
    """Return how many bytes a file of this process may have; None without a limit."""
    import resource  # not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if soft == resource.RLIM_INFINITY else soft


def in_words() -> str | None:
    """Return the limit of this process as a sentence; None without a limit."""
    largest = largest_file()
    return None if largest is None else f"this process may write files of at most {largest:,} bytes (ulimit -f)"


def says_too_large(error: BaseException | None) -> bool:
    """Return whether an error means that a file would become too large; libraries raise their own error for it."""
    if os.strerror(errno.EFBIG) in str(error):
        return True
    return NO_ROOM_AT_ALL in str(error) and largest_file() is not None


def too_large(where: str | None) -> UnwritableError:
    """Return the error for a file that would become too large at a path or in a folder."""
    limit = in_words()
    message = f"{limit}, and this one would be larger" if limit else "the file system takes no file of this size"
    hint = "Raise the limit with `ulimit -f`, and run it again." if limit else "Write to another disk."
    return UnwritableError(f"cannot write here: {message}", where=where, hint=hint)


def reach_limit(files: Iterable[Path]) -> bool:
    """Return whether one of the files is as large as a file of this process may be."""
    largest = largest_file()
    if largest is None:
        return False
    for file in files:
        with suppress(OSError):
            if file.is_file() and file.stat().st_size >= largest:
                return True
    return False
