"""What a remedy keeps, as a folder: ``state.json`` and a safetensors file for each sort of tensors.

It is read strictly: the files have to be those whose digests the document names, with finite numbers, written by the
remedy that reads them. Nothing in it is code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, TypeAdapter
from safetensors.torch import load_file, save_file

from adapter_workbench.workbench.backbone.finite_weights import require_finite
from adapter_workbench.workbench.errors import InputError, IntegrityError, opening
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.atomic import folder_beside, put_whole, remove_whole
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.training.remedy import RemedyState

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

FOLDER = "forgetting-state"  # of a training's output; in it a folder for each remedy
DOCUMENT = "state.json"

Sort = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StateDocument(Settings):
    """What stands in ``state.json``."""

    format: Literal[1]
    remedy: str
    tensors: dict[Sort, Digest]  # SHA-256 of ``SORT.safetensors``


STATE = TypeAdapter(StateDocument)


def write_state(state: RemedyState, remedy: str, folder: Path) -> Path:
    """Write a remedy's state below ``folder``, in the place of an earlier one, and return where it is.

    Raises:
        UnwritableError: nothing can be written there.
    """
    target = folder / remedy
    folder.mkdir(parents=True, exist_ok=True)
    with folder_beside(target) as beside:
        draft = beside / remedy
        draft.mkdir()
        for sort, tensors in state.tensors.items():
            save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, _file(draft, sort))
        digests = {sort: digest(_file(draft, sort)) for sort in state.tensors}
        checksummed.write(STATE, StateDocument(format=1, remedy=remedy, tensors=digests), draft / DOCUMENT)
        remove_whole(target)
        put_whole(draft, target)
    return target


def read_state(folder: Path, remedy: str) -> RemedyState:
    """Return the state of a remedy that :func:`write_state` wrote below ``folder``.

    Raises:
        InputError: there is none, or it holds what is not a number.
        IntegrityError: it is damaged.
    """
    source = folder / remedy
    document = checksummed.read(STATE, source / DOCUMENT)
    if document is None:
        kept = sorted(path.parent.name for path in folder.glob(f"*/{DOCUMENT}"))
        hint = f"It holds the state of {', '.join(kept)}." if kept else f"Give the folder {FOLDER!r} of a training."
        raise InputError(f"there is no state of the remedy {remedy!r} here", where=str(folder), hint=hint)
    if document.remedy != remedy:
        raise IntegrityError(f"damaged: it is the state of {document.remedy!r}, not of {remedy!r}", where=str(source))
    return RemedyState({sort: _tensors(source, sort, sha256) for sort, sha256 in document.tensors.items()})


def _tensors(source: Path, sort: str, sha256: str) -> dict[str, Tensor]:
    path = _file(source, sort)
    if problem := checksummed.problem_of(source, path.name, sha256):
        raise IntegrityError(f"damaged: {problem}", where=str(source))
    require_finite(path)
    load: Callable[[Path], dict[str, Tensor]] = load_file
    with opening("the state's tensors", str(path)):
        return load(path)


def _file(folder: Path, sort: str) -> Path:
    return folder / f"{sort}.safetensors"
