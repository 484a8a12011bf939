"""Where to import from: a folder of this machine, or a repository on the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from adapter_workbench.workbench.answering.elsewhere.hub_adapters import adapter_folder
from adapter_workbench.workbench.errors import InputError, no_such_file, opening
from adapter_workbench.workbench.files.utf_8_names import require_utf_8_path

CHECKPOINT = re.compile(r"checkpoint-\d+|[0-9a-f]{40}")  # of a Trainer, or a snapshot in the hub's cache
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Location:
    """A folder whose files may be read.

    Attributes:
        folder: on this machine.
        called: what it is called by its sender, as far as that can be told: its name, or that of the repository.
    """

    folder: Path
    called: str


def locate(name: str) -> Location:
    """Return what a person named: a folder, or a hub id (``owner/name[@revision]``) whose files are fetched.

    Raises:
        InputError: there is no such folder, and the name is no hub id; or the folder's path is not UTF-8.
        AssetError: the repository cannot be fetched.
    """
    with opening("this path", name):
        folder = Path(name).expanduser()
        is_there = folder.exists() or folder.is_symlink()
    if is_there:
        require_utf_8_path(folder)
        return Location(folder, _folder_name(folder))
    owner = name.partition("/")[0]
    if not HUB_ID.fullmatch(name) or owner in ("", ".", "..") or Path(owner).exists():
        error = no_such_file(folder, "there is no such folder")
        hint = f"{error.hint or ''} Nothing here has such a name.".strip() if GLOB.search(name) else error.hint
        raise InputError(error.what, where=name, hint=hint or "A hub id is owner/name, or owner/name@revision.")
    repository, _, revision = name.partition("@")
    return Location(adapter_folder(repository, revision or None), repository.partition("/")[2])


def _folder_name(folder: Path) -> str:
    """Return a folder's name; for a checkpoint, the name of its run's folder."""
    whole = folder.resolve()
    if whole.parent.name == "snapshots" and (repository := whole.parents[1].name).startswith("models--"):
        return repository.rpartition("--")[2]
    return whole.parent.name if CHECKPOINT.fullmatch(whole.name) else whole.name
