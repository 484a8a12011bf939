"""Whether cached files are still what was written: by their digests, which large files need not show each time.

What was found right is remembered with a file's size, times and inode. A change of content moves the time of change
(ctime), which no program can set back, so that a byte that was flipped under the old time of modification is found too.
What the disk itself corrupts moves no time: small files are read each time, and large ones again after a day.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.atomic import write_whole
from adapter_workbench.workbench.files.digest import digest

Stamp = tuple[int, int, int, int]  # size, times of modification and change, inode
DIGESTS, SEEN = "digests.json", "verified.json"
SMALL = 1 << 23  # bytes; hashed in some milliseconds
STAMPS: TypeAdapter[dict[str, tuple[float, Stamp]]] = TypeAdapter(dict[str, tuple[float, Stamp]])
TRUSTED = 86_400.0  # seconds for which a large file that has not been touched is taken as it was


def seal(folder: Path) -> None:
    """Write down the digests of the files in ``folder``."""
    (folder / DIGESTS).write_text(json.dumps(checksummed.digests(folder)), encoding="utf-8")


def first_damaged(folder: Path) -> str | None:
    """Return the name of the first file that is not what :func:`seal` saw, or None."""
    try:
        digests = checksummed.require(checksummed.FILES, folder / DIGESTS)
    except (IntegrityError, OSError):
        return DIGESTS
    seen, now = _seen_stamps(folder), time.time()
    right: dict[str, tuple[float, Stamp]] = {}
    for name, expected in digests.items():
        try:
            stamp = _stamp(folder / name)
            at, seen_stamp = seen.get(name, (0.0, None))
            fresh = seen_stamp == stamp and stamp[0] > SMALL and 0 <= now - at < TRUSTED
            if not fresh and digest(folder / name) != expected:
                return name
        except OSError:
            return name
        right[name] = (at if fresh else now, stamp)
    if any(stamp[0] > SMALL for _, stamp in right.values()) and right != seen:
        with suppress(OSError):  # a cache that may only be read is hashed each time
            write_whole(folder / SEEN, json.dumps(right))
    return None


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _seen_stamps(folder: Path) -> dict[str, tuple[float, Stamp]]:
    try:
        return checksummed.read(STAMPS, folder / SEEN) or {}
    except (IntegrityError, OSError):
        return {}
