"""Where fetched and prepared bytes are kept, and the error where they cannot be kept."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapter_workbench.workbench.errors import InputError, UnwritableError, says_full
from adapter_workbench.workbench.files.size_limit import says_too_large


def cache_folder() -> Path:
    """Return where fetched bytes are kept: ``$WORKBENCH_CACHE``, else ``~/.cache/adapter-workbench``."""
    return Path(os.environ.get("WORKBENCH_CACHE") or Path.home() / ".cache" / "adapter-workbench")


@contextmanager
def writing_cache() -> Iterator[None]:
    """Turn what the system says of a cache that cannot be written into one message; a full disk has its own.

    Raises:
        InputError: the cache's folder is a file, may not be written, or the like; said before anything is made for it.
    """
    folder = cache_folder()
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not existing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(existing))
        yield
    except (OSError, UnwritableError) as error:
        cause = error.__cause__ if isinstance(error, UnwritableError) else error
        if not isinstance(cause, OSError) or says_full(cause) or says_too_large(cause):
            raise
        raise InputError(
            f"the cache cannot be used: {cause.strerror or cause}",
            where=str(cause.filename or folder),
            hint="Set WORKBENCH_CACHE to a folder that can be written.",
        ) from None
