"""What a remedy's steps change, in a trainer's checkpoints: a training that was stopped takes it up again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.training.remedy import RemedyState
from adapter_workbench.workbench.training.remedy_state import read_state, write_state

if TYPE_CHECKING:
    from pathlib import Path

FOLDER, SORT = "remedy-progress", "progress"


def store_progress(state: RemedyState | None, remedy: str, checkpoint: Path) -> None:
    """Write how far a remedy is into a checkpoint, where its steps change anything."""
    if state is not None and state.progress is not None:
        write_state(RemedyState({SORT: state.progress.tensors()}), remedy, checkpoint / FOLDER)


def take_up_progress(state: RemedyState | None, remedy: str, checkpoint: Path) -> None:
    """Have a remedy go on from where it was at a checkpoint.

    Raises:
        InputError: the checkpoint does not say so.
        IntegrityError: that is damaged.
    """
    if state is None or state.progress is None:
        return
    stored = read_state(checkpoint / FOLDER, remedy).tensors
    if SORT not in stored:
        raise InputError(f"there is no state of {remedy!r} here", where=str(checkpoint / FOLDER))
    state.progress.take_up(stored[SORT])
