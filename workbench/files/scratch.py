"""Folders for what a process needs only while it lives, in the system's temporary folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapter_workbench.workbench.files.atomic import folder_beside

NAME = "adapter-workbench"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder that only this user reads; it vanishes after the block.

    Unlike a folder of the standard library's, one whose process was killed is deleted by the next one that needs any.

    Raises:
        UnwritableError: the temporary folder cannot be written, or a file in it becomes too large.
    """
    with folder_beside(Path(tempfile.gettempdir()) / f"{NAME}-{os.geteuid()}") as folder:
        folder.chmod(0o700)
        yield folder
