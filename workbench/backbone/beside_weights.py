"""What answers depend on beside a model's weights: its config, and the files that its tokenizer is read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.config import config_object, read_json
from adapter_workbench.workbench.backbone.model_folder import CONFIG
from adapter_workbench.workbench.backbone.tokenizer_files import tokenizer_files
from adapter_workbench.workbench.files.digest import digest

if TYPE_CHECKING:
    from pathlib import Path

ASIDE = {"_name_or_path", "name_or_path", "architectures", "transformers_version"}  # where it lies, and who wrote it


def config_facts(folder: Path) -> dict[str, Any]:
    """Return what a config says of the computation; it is read anew: whoever loads a model may write into its own."""
    path = folder / CONFIG
    stated = config_object(read_json(path), str(path)).to_dict()
    return {name: value for name, value in stated.items() if name not in ASIDE}


def tokenizer_digests(folder: Path) -> dict[str, str]:
    """Return the digests of the files that the tokenizer in a transformer's folder is read from, by their names."""
    return {path.name: digest(path) for path in tokenizer_files(folder)}
