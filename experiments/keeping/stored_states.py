"""A `forgetting-state` on disk: where a new state may be written, and what stands in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.atomic import folder_beside, require_folder_of, written_whole
from adapter_workbench.workbench.files.ordinary import require_utf_8_path

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.keeping.made_state import Kept

DOCUMENT = "state.json"
OTHER = "Give a new folder, or one that holds states of other remedies."


def require_place(folder: Path, remedy: str, overwrite: bool) -> None:
    """Make sure that a state may be written into a folder.

    Raises:
        InputError: it holds something else, or a state of this remedy that may not be replaced.
        UnwritableError: the folder above it does not exist.
    """
    require_utf_8_path(folder)
    if not folder.exists():
        require_folder_of(folder)
        return
    if not folder.is_dir():
        raise InputError("this is not a folder", where=str(folder), hint=OTHER)
    names = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if other := sorted(path.name for path in names if not (path / DOCUMENT).is_file()):
        raise InputError(f"this folder holds something else: {other[0]}", where=str(folder), hint=OTHER)
    if (folder / remedy).exists() and not overwrite:
        raise InputError(f"it holds a state of {remedy} already", where=str(folder), hint="--overwrite replaces it.")


def write(kept: Kept, remedy: str, folder: Path) -> None:
    """Write a state into a folder; a new folder is there once the state is whole, and not before.

    Raises:
        UnwritableError: nothing can be written there.
    """
    from adapter_workbench.workbench.training.remedy_state import write_state

    if folder.exists():
        with folder_beside(folder):  # what a killed command left beside it goes, too
            write_state(kept.state, remedy, folder, kept.origin)
        return
    with written_whole(folder) as draft:
        write_state(kept.state, remedy, draft, kept.origin)


def described(folder: Path) -> list[dict[str, Any]]:
    """Return what stands in each state of a folder, whose files are compared with their digests.

    Raises:
        InputError: there is none.
        IntegrityError: one is damaged.
    """
    from adapter_workbench.workbench.backbone.model_folder import numbers_in
    from adapter_workbench.workbench.training.remedy_state import ROWS, states_in

    descriptions = []
    for remedy, document in states_in(folder).items():
        files = [path for path in sorted((folder / remedy).iterdir()) if path.is_file()]
        tensors = {sort: numbers_in(folder / remedy / f"{sort}.safetensors") for sort in document.tensors}
        descriptions.append(
            {
                "remedy": remedy,
                "tasks": document.tasks or None,
                "numbers": tensors,
                "rows": _row_count(folder / remedy / ROWS) if document.rows else 0,
                "bytes": sum(path.stat().st_size for path in files),
                "origin": document.origin and document.origin.model_dump(),
            }
        )
    return descriptions


def _row_count(path: Path) -> int:
    import pyarrow.parquet as pq

    from adapter_workbench.workbench.errors import opening

    with opening("the state's rows", str(path)):
        count: int = pq.read_metadata(path).num_rows
    return count
