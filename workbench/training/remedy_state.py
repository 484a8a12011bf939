"""What a remedy keeps, as a folder: ``state.json``, a safetensors file for each sort of tensors, rows as Parquet.

It is read strictly: the files have to be those whose digests the document names, with finite numbers, written by the
remedy that reads them. Nothing in it is code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
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
DOCUMENT, ROWS = "state.json", "rows.parquet"

Sort = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Origin(Settings):
    """Of what a state was made that no training left."""

    model: str  # as it was named
    rows: int = Field(ge=0)  # that were read of it, or for it
    written: bool  # whether the model itself wrote these rows
    seed: int = Field(ge=0)


class StateDocument(Settings):
    """What stands in ``state.json``."""

    format: Literal[1]
    remedy: str
    tensors: dict[Sort, Digest]  # SHA-256 of ``SORT.safetensors``
    rows: Digest | None = None  # SHA-256 of ``rows.parquet``
    seen: int = Field(0, ge=0)  # rows that have gone by
    tasks: int = Field(0, ge=0)  # that have ended; 0 where nobody has counted
    origin: Origin | None = None  # None where a training left it


STATE = TypeAdapter(StateDocument)


def write_state(state: RemedyState, remedy: str, folder: Path, origin: Origin | None = None) -> Path:
    """Write a remedy's state below ``folder``, in the place of an earlier one, and return where it is.

    Args:
        state: what the remedy keeps.
        remedy: its name.
        folder: in it, a folder of that name is written.
        origin: None where a training leaves the state.

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
        rows = _write_rows(state, draft / ROWS) if state.rows else None
        document = StateDocument(
            format=1,
            remedy=remedy,
            tensors=digests,
            rows=rows,
            seen=state.seen,
            tasks=state.tasks,
            origin=origin,
        )
        checksummed.write(STATE, document, draft / DOCUMENT)
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
    tensors = {sort: _tensors(source, sort, sha256) for sort, sha256 in document.tensors.items()}
    rows = _rows(source, document.rows) if document.rows else ()
    return RemedyState(tensors, rows, document.seen, tasks=document.tasks)


def states_in(folder: Path) -> dict[str, StateDocument]:
    """Return what each state in a folder says of itself, by the name of its remedy; their files are compared with it.

    Raises:
        InputError: there is none.
        IntegrityError: one is damaged.
    """
    documents: dict[str, StateDocument] = {}
    for path in sorted(folder.glob(f"*/{DOCUMENT}")):
        document = checksummed.require(STATE, path)
        if document.remedy != path.parent.name:
            message = f"damaged: it is the state of {document.remedy!r}"
            raise IntegrityError(message, where=str(path.parent))
        for sort, sha256 in document.tensors.items():
            _require(path.parent, _file(path.parent, sort).name, sha256)
        if document.rows:
            _require(path.parent, ROWS, document.rows)
        documents[document.remedy] = document
    if not documents:
        hint = f"Give the folder {FOLDER!r} that a training or `workbench keep` wrote."
        raise InputError("there is no state of a remedy here", where=str(folder), hint=hint)
    return documents


def _write_rows(state: RemedyState, path: Path) -> str:
    with opening("rows as a file", str(path)):
        pq.write_table(pa.Table.from_pylist([dict(row) for row in state.rows]), path)
    return digest(path)


def _rows(source: Path, sha256: str) -> list[dict[str, Any]]:
    _require(source, ROWS, sha256)
    with opening("the state's rows", str(source / ROWS)):
        rows: list[dict[str, Any]] = pq.read_table(source / ROWS).to_pylist()
    return rows


def _require(source: Path, name: str, sha256: str) -> None:
    if problem := checksummed.problem_of(source, name, sha256):
        raise IntegrityError(f"damaged: {problem}", where=str(source))


def _tensors(source: Path, sort: str, sha256: str) -> dict[str, Tensor]:
    path = _file(source, sort)
    _require(source, path.name, sha256)
    require_finite(path)
    load: Callable[[Path], dict[str, Tensor]] = load_file
    with opening("the state's tensors", str(path)):
        return load(path)


def _file(folder: Path, sort: str) -> Path:
    return folder / f"{sort}.safetensors"
