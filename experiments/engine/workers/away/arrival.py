"""Files that come from another machine: beside the place where they belong until all are whole, then in it."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from experiments.engine.workers.away.files import inside
from workbench.errors import IntegrityError
from workbench.files import atomic

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from experiments.engine.workers.away.files import Part


class Arrival:
    """Files that gather in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        """Gather files in ``folder``, which is empty."""
        self._folder = folder
        self._whole: set[str] = set()
        self._growing, self._digest = "", hashlib.sha256()

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
                self._whole.add(part.name)
            else:
                self._write(part, path)

    def require(self, names: Collection[str]) -> None:
        """Make sure that exactly these files are here, and whole; raises IntegrityError otherwise."""
        if self._growing or self._whole != set(names):
            wrong = sorted(self._whole.symmetric_difference(names)) or [self._growing]
            raise IntegrityError(f"not all files of another machine have come: {', '.join(wrong[:5])}")

    def settle(self, root: Path, names: Sequence[str], again: Collection[str] = ()) -> None:
        """Put the files in place below ``root``, in the order of ``names``, once all of them are here.

        What has no folder there yet gets it by one rename, with everything that came for it, when the last of its files
        is due. What is there already stays as it is, unless it is among ``again``.

        Raises:
            IntegrityError: not all are here.
            UnwritableError: nothing can be written there.
        """
        self.require(names)
        whole: dict[str, None] = {}
        for name in names:
            unit = _unit(root, name)
            whole.pop(unit, None)
            whole[unit] = None
        for unit in whole:
            self._place(self._folder / unit, inside(root, unit), {inside(root, name) for name in again})

    def _place(self, source: Path, target: Path, again: Collection[Path]) -> None:
        folders = source.is_dir() and target.is_dir()
        there = os.path.lexists(target)
        if folders or (there and target not in again) or not atomic.put_whole(source, target):
            for path in sorted(source.iterdir()) if source.is_dir() and target.is_dir() else ():
                self._place(path, target / path.name, again)

    def _write(self, part: Part, path: Path) -> None:
        if not part.offset:
            self._growing, self._digest = part.name, hashlib.sha256()
        with path.open("ab" if part.offset else "xb") as stream:
            if part.name != self._growing or stream.tell() != part.offset:
                raise IntegrityError("a part of this file is missing", where=part.name)
            stream.write(part.content)
        self._digest.update(part.content)
        if part.sha256:
            if self._digest.hexdigest() != part.sha256:
                raise IntegrityError("this file is not what another machine has sent", where=part.name)
            self._whole.add(part.name)
            self._growing = ""


def _unit(root: Path, name: str) -> str:
    """Return the highest folder above a file that is not there yet, below those that every workspace has; or the file.

    Those are the folders of the first level, such as ``steps``: others put their own things there at the same time.
    """
    steps = name.removesuffix("/").split("/")
    for depth in range(2, len(steps)):
        if not root.joinpath(*steps[:depth]).exists():
            return "/".join(steps[:depth])
    return "/".join(steps)
