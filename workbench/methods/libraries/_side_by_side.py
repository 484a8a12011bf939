"""Several frozen LoRAs of peft on one body, which is stored with each of them in a folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG
from adapter_workbench.workbench.methods.libraries.peft import LIBRARY as PEFT
from adapter_workbench.workbench.methods.libraries.peft import write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXPERT = "task_"  # as peft's Arrow calls them


def hosting(body: Any, folders: Sequence[Path], prefix: str = EXPERT) -> Any:
    """Return the body, bare or hosting already, with a stored LoRA of each folder: ``task_0``, ``task_1``, ….

    Raises:
        ValueError: a folder lacks some of its LoRA's weights.
    """
    for number, folder in enumerate(folders):
        body = PEFT.host(body, folder, f"{prefix}{number}")
    return body


def save_apart(body: Any, names: Sequence[str], folder: Path) -> None:
    """Write each of the LoRAs called ``names`` as peft does, into a folder that is called as the LoRA is."""
    write(body, folder, selected_adapters=list(names))
    for readme in folder.rglob("README.md"):
        readme.unlink()


def stored_apart(folder: Path) -> list[Path]:
    """Return the folders of LoRAs that :func:`save_apart` wrote into ``folder``, in the order of their numbers."""
    folders = {int(config.parent.name.removeprefix(EXPERT)): config.parent for config in folder.glob(f"*/{CONFIG}")}
    return [folders[number] for number in sorted(folders)]
