"""Errors for a path without an adapter or a model: what is there, and what the user may have meant."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG
from adapter_workbench.workbench.adapters.manifest import MANIFEST
from adapter_workbench.workbench.backbone.model_folder import CONFIG as MODEL_CONFIG
from adapter_workbench.workbench.errors import InputError, no_such_file

if TYPE_CHECKING:
    from pathlib import Path

FILES = {  # ending → what such a file is, and what to do
    ".zip": ("an archive", "Unpack it, and give the folder."),
    ".tar": ("an archive", "Unpack it, and give the folder."),
    ".gz": ("an archive", "Unpack it, and give the folder."),
    ".tgz": ("an archive", "Unpack it, and give the folder."),
    ".safetensors": ("a file of weights", "Give its folder: the config there says which model the weights belong to."),
    ".json": ("a file", "Give its folder."),
    ".gguf": ("a file of weights", "Give the folder of the safetensors that it was made from."),
}
DATA = ("dataset_info.json", "dataset_dict.json", "dataset_infos.json")
TABLES = (".arrow", ".parquet", ".csv", ".tsv", ".jsonl", ".txt", ".xlsx")
KEPT = "state.json"  # in the folder of a remedy, in a `forgetting-state`
TELLING = (MANIFEST, CONFIG, MODEL_CONFIG)
MOST_NAMED = 4
HERE = (
    "A folder has manifest.json (of `workbench adapters export`), adapter_config.json (of peft or adapters), or "
    "config.json with safetensors (of save_pretrained)."
)


def not_a_folder(path: Path) -> InputError:
    """Return the error for a path that is missing or is not a folder."""
    if not path.exists() and not path.is_symlink():
        return no_such_file(path, "there is no such folder")
    what, hint = FILES.get(
        path.suffix.lower(), ("a file", "An adapter or a model is a folder; DIR/*/ names folders alone.")
    )
    noun = what if path.is_file() else "a device, a pipe or a broken link"
    return InputError(f"this is {noun}, not a folder", where=str(path), hint=hint)


def nothing_here(folder: Path) -> InputError:
    """Return the error for a folder that no known program wrote; it names what is in the folder."""
    entries = sorted(folder.iterdir())
    where = str(folder)
    if not entries:
        return InputError("this folder is empty", where=where, hint=HERE)
    inside = [entry for entry in entries if any((entry / name).is_file() for name in TELLING)]
    if inside:
        names = [entry.name for entry in inside]
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        noun = "checkpoints" if all(name.startswith("checkpoint-") for name in names) else "adapters or models"
        hint = f"Name it: workbench adapters import {shlex.quote(str(_newest(inside)))}"
        return InputError(f"there are {noun} in it: {', '.join(names[:MOST_NAMED])}{more}", where=where, hint=hint)
    if any((entry / KEPT).is_file() for entry in entries):
        hint = f"What is in it: workbench keep --show {shlex.quote(where)}"
        return InputError("this is what a remedy keeps of a model, not a model", where=where, hint=hint)
    if any(entry.name in DATA or entry.suffix.lower() in TABLES for entry in entries):
        hint = f"To make a task of data: workbench tasks new NAME --from {shlex.quote(where)}. {HERE}"
        return InputError("there is data here, but neither an adapter nor a model", where=where, hint=hint)
    return InputError("there is neither an adapter nor a model here", where=where, hint=HERE)


def _newest(folders: list[Path]) -> Path:
    """Return the last checkpoint, by its number."""
    return max(folders, key=lambda folder: (int("".join(filter(str.isdecimal, folder.name)) or 0), folder.name))
