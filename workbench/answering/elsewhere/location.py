"""Where to import from: a folder of this machine, or a repository on the Hugging Face hub.

Of a repository its settings are fetched first, then the files that these name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from adapter_workbench.workbench.adapters.adapter_folder import ADAPTERS_WEIGHTS, CONFIG, PEFT_WEIGHTS
from adapter_workbench.workbench.adapters.manifest import MANIFEST, read_sent_manifest
from adapter_workbench.workbench.backbone.model_folder import CONFIG as MODEL_CONFIG
from adapter_workbench.workbench.backbone.tokenizer_files import OF_TOKENIZER
from adapter_workbench.workbench.errors import InputError, no_such_file, opening
from adapter_workbench.workbench.files import hub_files
from adapter_workbench.workbench.files.ordinary import require_utf_8_path

CHECKPOINT = re.compile(r"checkpoint-\d+|[0-9a-f]{40}")  # of a Trainer, or a snapshot in the hub's cache
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
GLOB = re.compile(r"[*?\[]")
TOLD_BY = (MANIFEST, CONFIG, MODEL_CONFIG, "modules.json")  # which of them are there tells what a repository holds
OF_ADAPTERS = (
    *(CONFIG, PEFT_WEIGHTS, ADAPTERS_WEIGHTS, "head_config.json", "model_head.safetensors"),
    *OF_TOKENIZER,  # which is compared with that of the backbone
)


@dataclass(frozen=True)
class Location:
    """A folder whose files may be read."""

    folder: Path  # on this machine
    called: str  # what it is called by its sender, as far as that can be told: its name, or that of the repository


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


def adapter_folder(repository: str, revision: str | None = None) -> Path:
    """Return the local snapshot of a repository with an adapter or a model in it; other files are not fetched.

    Raises:
        InputError: there is neither in it, or it was exported here, and its manifest cannot be read.
        AssetError: it does not exist, or the hub cannot be reached and nothing is cached.
    """
    folder = hub_files.hub_folder(repository, revision, TOLD_BY)
    there = [name for name in TOLD_BY if (folder / name).is_file()]
    if not there:
        hint = f"None of these is there: {', '.join(TOLD_BY)}. Give its owner and name, and @REVISION for another one."
        raise InputError("this repository of the hub has neither an adapter nor a model", where=repository, hint=hint)
    return hub_files.hub_folder(repository, revision, _read_of(folder, there))


def _folder_name(folder: Path) -> str:
    """Return a folder's name; for a checkpoint, the name of its run's folder."""
    whole = folder.resolve()
    if whole.parent.name == "snapshots" and (repository := whole.parents[1].name).startswith("models--"):
        return repository.rpartition("--")[2]
    return whole.parent.name if CHECKPOINT.fullmatch(whole.name) else whole.name


def _read_of(folder: Path, there: list[str]) -> tuple[str, ...]:
    """Return which files of a repository are read."""
    if MANIFEST in there:
        return (MANIFEST, *(name for name in read_sent_manifest(folder).files if not {*"*?["} & {*name}))
    return OF_ADAPTERS if CONFIG in there else hub_files.MODEL_FILES
