"""Files that come from another machine: collected in a temporary folder until all are complete, then moved."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.workers.remote.file_parts import inside
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import atomic

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.engine.workers.remote.file_parts import Part


class IncomingFiles:
    """Files that are collected in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        """Collect files in ``folder``, which is empty."""
        self._folder = folder
        self._complete: set[str] = set()
        self._unfinished, self._digest = "", hashlib.sha256()

    def take(self, parts: Sequence[Part]) -> None:
        """Write the next parts; those of one file come in a row.

        Raises:
            IntegrityError: a part is missing before one of them, or a file is not what was sent.
        """
        for part in parts:
            path = inside(self._folder, part.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if part.name.endswith("/"):
                path.mkdir(exist_ok=True)
                self._complete.add(part.name)
            else:
                self._write(part, path)

    def require(self, names: Collection[str]) -> None:
        """Make sure that exactly these files are here, and complete; raises IntegrityError otherwise."""
        if self._unfinished or self._complete != set(names):
            wrong = sorted(self._complete.symmetric_difference(names)) or [self._unfinished]
            raise IntegrityError(f"not all files of another machine have arrived: {', '.join(wrong[:5])}")

    def move_to(self, root: Path, names: Sequence[str], replacing: Collection[str] = ()) -> None:
        """Move the files below ``root``, in the order of ``names``, once all of them are here.

        A folder that is not there yet appears by one rename with all of its files, at the turn of the last of them.
        A file that is there already stays as it is, unless it is among ``replacing``.

        Raises:
            IntegrityError: not all of them are here.
            UnwritableError: nothing can be written there.
        """
        self.require(names)
        paths: dict[str, None] = {}  # in the order of the last file in each
        for name in names:
            path = topmost_missing(root, name)
            paths.pop(path, None)
            paths[path] = None
        replaced = {inside(root, name) for name in replacing}
        for path in paths:
            self._move(self._folder / path, inside(root, path), replaced)

    def _move(self, source: Path, target: Path, replaced: Collection[Path]) -> None:
        both_folders = source.is_dir() and target.is_dir()
        exists = os.path.lexists(target)
        if both_folders or (exists and target not in replaced) or not atomic.put_whole(source, target):
            for path in sorted(source.iterdir()) if source.is_dir() and target.is_dir() else ():
                self._move(path, target / path.name, replaced)

    def _write(self, part: Part, path: Path) -> None:
        if not part.offset:
            self._unfinished, self._digest = part.name, hashlib.sha256()
        with path.open("ab" if part.offset else "xb") as stream:
            if part.name != self._unfinished or stream.tell() != part.offset:
                raise IntegrityError("a part of this file is missing", where=part.name)
            stream.write(part.content)
        self._digest.update(part.content)
        if part.sha256:
            if self._digest.hexdigest() != part.sha256:
                raise IntegrityError("this file differs from what another machine has sent", where=part.name)
            self._complete.add(part.name)
            self._unfinished = ""


def topmost_missing(root: Path, name: str) -> str:
    """Return the topmost folder above a file that does not exist, or the file itself.

    Folders of the first level, such as ``steps``, are not counted: others put things of their own there.
    """
    components = name.removesuffix("/").split("/")
    for depth in range(2, len(components)):
        if not root.joinpath(*components[:depth]).exists():
            return "/".join(components[:depth])
    return "/".join(components)
