"""An adapter's folder: what it is, and whether each of its files is the one that was written."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from adapter_workbench.workbench.adapters.manifest import AGAIN, MANIFEST, Manifest
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.digest import below, size

README = "README.md"
MOST = 5  # of the files that a message names
FRONT_MATTER = re.compile(rb"\A---\n.*?\n---\n", re.DOTALL)
OF_THE_HUB = {".cache", ".git", ".gitattributes"}  # names in a folder that was fetched from the hub


@dataclass(frozen=True)
class StoredAdapter:
    """A manifest and its folder."""

    manifest: Manifest
    folder: Path

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def model_folder(self) -> Path:
        """Where the files of a whole model lie: the adapter's own folder, or the one that is linked."""
        return Path(self.manifest.linked.folder) if self.manifest.linked else self.folder

    def path(self, file: str) -> Path:
        """Return where a file of the manifest is."""
        return (self.folder if file in self.manifest.files else self.model_folder) / file

    @cached_property
    def identity(self) -> str:
        """SHA-256 over all that determines its answers; see :attr:`Manifest.identity`."""
        return self.manifest.identity

    @property
    def bytes(self) -> int:
        """Size on disk, of all files together."""
        return size(self.folder)

    @property
    def sizes(self) -> dict[str, int]:
        """The bytes of each file in the folder, by its path there."""
        files = [entry for entry in below(self.folder) if entry.is_file()]
        return {Path(file.path).relative_to(self.folder).as_posix(): file.stat().st_size for file in files}


def check_files(stored: StoredAdapter, exported: bool = False) -> None:
    """Compare every file of an adapter's folder with its digest.

    Of an ``exported`` one the front matter of its README does not count, nor do the files that the hub adds.

    Raises:
        IntegrityError: a file is missing, was added, or has changed; all of them are named. Of a linked model, files
            that were added are not its own.
    """
    digests = _exported_digests(stored.folder) if exported else checksummed.digests(stored.folder, MANIFEST)
    wanted = stored.manifest.files
    problems = [
        *(f"{file} is missing" for file in sorted(wanted.keys() - digests.keys())),
        *(f"{file} was added" for file in sorted(digests.keys() - wanted.keys())),
        *(f"{file} has changed" for file in sorted(digests.keys() & wanted.keys()) if digests[file] != wanted[file]),
    ]
    if problems:
        raise IntegrityError(
            f"adapter {stored.id}: {'; '.join(problems[:MOST])}{_more(problems)}",
            where=str(stored.folder),
            hint=AGAIN,
        )
    _check_linked(stored)


def _check_linked(stored: StoredAdapter) -> None:
    if (linked := stored.manifest.linked) is None:
        return
    checks = (
        checksummed.problem_of(Path(linked.folder), name, sha256) for name, sha256 in sorted(linked.files.items())
    )
    if problems := [problem for problem in checks if problem]:
        message = f"adapter {stored.id}: its model is linked, and {'; '.join(problems[:MOST])}{_more(problems)}"
        hint = "Put back what it was, or remove the adapter and import the model again."
        raise IntegrityError(message, where=linked.folder, hint=hint)


def _exported_digests(folder: Path) -> dict[str, str]:
    """Return the digests of an exported folder's files as they were when it was stored."""
    digests = checksummed.digests(folder, MANIFEST)
    own = {name: digest for name, digest in digests.items() if name.partition("/")[0] not in OF_THE_HUB}
    if README in own:
        own[README] = hashlib.sha256(text_below(folder / README)).hexdigest()
    return own


def text_below(card: Path) -> bytes:
    """Return the stored README without its front matter."""
    return FRONT_MATTER.sub(b"", card.read_bytes(), count=1)


def _more(problems: list[str]) -> str:
    return f"; and {len(problems) - MOST} more" if len(problems) > MOST else ""
