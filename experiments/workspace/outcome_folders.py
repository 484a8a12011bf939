"""A model's answers to each example of a test split, beside its scores: a folder for each model and test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from adapter_workbench.experiments.workspace.documents import form_of
from adapter_workbench.experiments.workspace.example_scores import FILE, require_readable
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import atomic, checksummed

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from adapter_workbench.experiments.workspace.access import Access
    from adapter_workbench.experiments.workspace.documents import Known

T = TypeVar("T")


class OutcomeFolders(Generic[T]):
    """The folders ``KEY/`` with a document of one type and ``outcomes.parquet``, complete or not at all."""

    def __init__(self, root: Path, file: str, kind: type[T], about: str, access: Access, known: Known) -> None:
        """Keep folders below ``root``, each with a document called ``file``.

        ``about`` is what is in them, for messages; ``known`` has what was read and compared already.
        """
        self.root, self.access = root, access
        self._file, self._kind, self._about, self._known = file, form_of(kind), about, known

    def get(self, key: str) -> T | None:
        """Return what is under ``key``, or None.

        Raises:
            IntegrityError: a file of it is damaged or missing, and the workspace does not mend damage.
        """
        folder = self.root / key
        return self.access.read(folder, lambda: self._read(folder) if folder.is_dir() else None)

    def require(self, key: str) -> T:
        """Return what was stored under ``key``; raises IntegrityError if it is missing."""
        value = self.get(key)
        if value is None:
            raise IntegrityError(f"{self._about} is missing", where=str(self.root / key))
        return value

    def outcomes(self, key: str) -> Path:
        """Return the path of the per-example outcomes, whether or not they are there."""
        self.access.fetch(self.root / key)
        return self.root / key / FILE

    def require_outcomes(self, key: str) -> Path:
        """Return the path of the per-example outcomes; raises IntegrityError as :meth:`require`."""
        self.require(key)
        return self.outcomes(key)

    def write(self, key: str, value: T, outcomes: pd.DataFrame) -> T:
        """Store a document with its per-example outcomes, and return it."""
        with atomic.written_whole(self.root / key) as folder:
            outcomes.to_parquet(folder / FILE, index=False)
            (folder / self._file).write_text(checksummed.text_of(self._kind, value, key), encoding="utf-8")
            checksummed.seal(folder, key)
        return value

    def remove(self, key: str) -> None:
        """Delete what is under ``key``, if something is; no reader ever sees a part of it."""
        self._known.sound.discard(key)
        atomic.remove_whole(self.root / key)

    def _read(self, folder: Path) -> T:
        """Return the document of a folder; it is read again only if its files have changed."""
        return self._known.documents.value(folder, checksummed.stamp(folder), lambda: self._read_anew(folder))

    def _read_anew(self, folder: Path) -> T:
        if folder.name not in self._known.sound:
            require_readable(folder)
        value = checksummed.read(self._kind, folder / self._file, folder.name)
        if value is None:
            raise IntegrityError(f"damaged: {self._file} is missing", where=str(folder))
        self._known.sound.add(folder.name)
        return value
