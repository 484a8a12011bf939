"""Temporary folders that live as long as their process; those of a killed process are deleted by the next one."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import UnwritableError
from adapter_workbench.workbench.files.locks import hold

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = "lock"
NEW = 60.0  # seconds in which a folder may not be locked yet


@contextmanager
def process_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder in ``parent`` whose name begins with ``prefix``; it is deleted after the block."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        with hold(folder / LOCK, wait=True):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def delete_abandoned(parent: Path, prefix: str, new: float = NEW) -> int:
    """Delete the folders of processes that have ended, and return how many folders remain.

    Args:
        parent: where they are.
        prefix: which their names begin with.
        new: age in seconds up to which a folder is not touched.
    """
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError, UnwritableError):
            if time.time() - folder.stat().st_mtime > new:
                with hold(folder / LOCK, wait=False) as acquired:
                    if acquired:
                        shutil.rmtree(folder, ignore_errors=True)
    return len(list(parent.glob(f"{prefix}*")))
