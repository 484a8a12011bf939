"""The key of an import: a digest of the folder's files and of the import's options. An id ends as its key begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.answering.elsewhere.model_files import WORDS
from workbench.backbone.model_folder import MODULES
from workbench.files.digest import digest, key

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.adapters.store import AdapterStore
    from workbench.adapters.stored_adapter import StoredAdapter

READ = ("*.json", "*.safetensors", *WORDS)
IN_MODULES = tuple(f"*/{pattern}" for pattern in READ)  # of sentence-transformers, which keeps each module in a folder
SHORT = 8  # characters of a key at the end of an id


def key_of(folder: Path, *facts: Any) -> str:
    """Return the key of a folder: equal for equal files with equal names; the adapter's name does not count.

    Args:
        folder: of the sender.
        facts: what the folder does not say and its answers depend on, as values that JSON has.

    Raises:
        OSError: a file cannot be read.
    """
    patterns = READ + IN_MODULES * (folder / MODULES).is_file()
    files = {
        path.relative_to(folder).as_posix(): digest(path)
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }
    return key([files, facts])


def stored_as(store: AdapterStore, ending: str) -> StoredAdapter | None:
    """Return the adapter that was imported with a key that begins so; None where there is none or it is damaged."""
    for name in store.ids():
        if name.rpartition("-")[2] == ending and store.damage(name) is None and store.get(name).manifest.elsewhere:
            return store.get(name)
    return None
