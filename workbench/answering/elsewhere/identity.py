"""The key of an import: a digest of the files that are read and of its options. An id ends as its key begins."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.name_resolution import readable
from adapter_workbench.workbench.backbone.model_folder import MODULES
from adapter_workbench.workbench.backbone.tokenizer_files import WORDS
from adapter_workbench.workbench.files.digest import digest, key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder

PATTERNS = ("*.json", "*.safetensors", *WORDS)
IN_MODULES = tuple(f"*/{pattern}" for pattern in PATTERNS)  # of sentence-transformers, with a folder for each module
SHORT = 8  # characters of a key at the end of an id


def import_key(sent: SentFolder, *facts: Any) -> str:
    """Return the key of an import: equal for equal files with equal names; the adapter's name does not count.

    Args:
        sent: what lies in the folder; what a trainer has left beside it is not looked at.
        facts: what the folder does not say and its answers depend on, as values that JSON has.

    Raises:
        OSError: a file cannot be read.
    """
    return _key(sent.folder, (sent.folder / name for name in sent.read_files), facts)


def key_of(folder: Path, *facts: Any) -> str:
    """Return the key of a folder by all JSON and all weights in it, also those that are not read.

    It is that of a checkpoint of a stream, and was that of an import until 0.2.

    Raises:
        OSError: a file cannot be read.
    """
    return _key(folder, _all_files(folder), facts)


def stored_as(store: AdapterStore, whole_key: str) -> StoredAdapter | None:
    """Return the adapter that was imported with this key; None where there is none or it is damaged."""
    ending = whole_key[:SHORT]
    for name in store.ids():
        if name.rpartition("-")[2] == ending and store.damage(name) is None and store.get(name).manifest.elsewhere:
            return store.get(name)
    return None


def stored_earlier(store: AdapterStore, sent: SentFolder, task: str, *facts: Any) -> StoredAdapter | None:
    """Return the adapter that this import has stored under the key of earlier versions, as :func:`stored_as`.

    Args:
        store: where it would be.
        sent: what lies in the folder.
        task: the name of the task that it answers.
        facts: as for :func:`import_key`.
    """
    pairs = {(manifest.method, manifest.task.name) for manifest in readable(store) if manifest.elsewhere}
    if (sent.method, task) not in pairs:
        return None
    with suppress(OSError):  # then no earlier version could read it either
        if {sent.folder / name for name in sent.read_files} != {*_all_files(sent.folder)}:
            return stored_as(store, key_of(sent.folder, *facts))
    return None


def _all_files(folder: Path) -> list[Path]:
    patterns = PATTERNS + IN_MODULES * (folder / MODULES).is_file()
    return [path for pattern in patterns for path in sorted(folder.glob(pattern)) if path.is_file()]


def _key(folder: Path, paths: Iterable[Path], facts: tuple[Any, ...]) -> str:
    return key([{path.relative_to(folder).as_posix(): digest(path) for path in paths}, facts])
