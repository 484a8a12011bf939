"""The files of a repository on the Hugging Face hub: first its settings, then the files that these name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.adapters.adapter_folder import ADAPTERS_WEIGHTS, CONFIG, PEFT_WEIGHTS
from adapter_workbench.workbench.adapters.manifest import MANIFEST, read_sent_manifest
from adapter_workbench.workbench.backbone.model_folder import CONFIG as MODEL_CONFIG
from adapter_workbench.workbench.backbone.tokenizer_files import OF_TOKENIZER
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files import hub_files

if TYPE_CHECKING:
    from pathlib import Path

TOLD_BY = (MANIFEST, CONFIG, MODEL_CONFIG, "modules.json")  # which of them are there tells what a repository holds
OF_ADAPTERS = (
    *(CONFIG, PEFT_WEIGHTS, ADAPTERS_WEIGHTS, "head_config.json", "model_head.safetensors"),
    *OF_TOKENIZER,  # which is compared with that of the backbone
)


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


def _read_of(folder: Path, there: list[str]) -> tuple[str, ...]:
    """Return which files of a repository are read."""
    if MANIFEST in there:
        return (MANIFEST, *(name for name in read_sent_manifest(folder).files if not {*"*?["} & {*name}))
    return OF_ADAPTERS if CONFIG in there else hub_files.MODEL_FILES
