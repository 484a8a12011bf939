"""What came in is kept so that it can be written again: its documents, and the tensors that the adapter lacks.

Most tensors of a sender's folder are in the adapter's own files under other names, byte for byte. They are kept once:
:data:`ORIGINAL` holds the others, and in its metadata the documents and where each tensor is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from adapter_workbench.workbench.errors import InputError, IntegrityError, opening

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

ORIGINAL = "original.safetensors"
WEIGHTS = ".safetensors"
AGAIN = "Import the sender's files again."


def require_kept(stored: StoredAdapter) -> None:
    """Raise InputError where an adapter was changed after its import."""
    if ORIGINAL not in stored.manifest.files:
        hint = "Without --original it is written in the workbench's own form."
        raise InputError(
            f"{stored.id} was converted after its import, so the original is gone", where="--original", hint=hint
        )


def keep(sender: Path, files: Sequence[str], folder: Path) -> None:
    """Keep files of a sender beside the adapter that was made of them.

    Args:
        sender: the folder that came.
        files: their names in it; those that are not there are left out.
        folder: the adapter's, with all its weights.
    """
    documents: dict[str, str] = {}
    locations: dict[str, dict[str, tuple[str, str]]] = {}
    lacking: dict[str, Tensor] = {}
    here = _digests(folder)
    for file in (name for name in files if (sender / name).is_file()):
        if not file.endswith(WEIGHTS):
            documents[file] = (sender / file).read_text(encoding="utf-8")
            continue
        locations[file] = {}
        for name, tensor in _tensors(sender / file):
            if (location := here.get(_digest(tensor))) is None:
                location = ORIGINAL, f"{len(lacking)}"
                lacking[location[1]] = tensor
            locations[file][name] = location
    metadata = {"documents": json.dumps(documents), "places": json.dumps(locations)}
    save_file(lacking, folder / ORIGINAL, metadata)


def give_back(folder: Path, files: Sequence[str], target: Path) -> None:
    """Write what :func:`keep` kept of ``files`` into ``target``: every tensor is as it came.

    Args:
        folder: the adapter's.
        files: their names at the sender.
        target: where to.

    Raises:
        InputError: what was kept cannot be read, or a tensor is not where it was.
        IntegrityError: it is said to be in a file outside the folder.
    """
    with opening("what came in", str(folder / ORIGINAL)), safe_open(folder / ORIGINAL, framework="pt") as kept:
        metadata = kept.metadata()
        documents, locations = json.loads(metadata["documents"]), json.loads(metadata["places"])
    for file in files:
        if file in documents:
            (target / file).write_text(str(documents[file]), encoding="utf-8")
        elif file in locations:
            with opening("what came in", str(folder / ORIGINAL)):
                tensors = _gather(folder, locations[file])
            save_file(tensors, target / file, {"format": "pt"})


def _gather(folder: Path, locations: dict[str, Any]) -> dict[str, Tensor]:
    """Return tensors by their names at the sender."""
    with ExitStack() as stack:
        opened: dict[str, Any] = {}
        tensors: dict[str, Tensor] = {}
        for name, (file, own) in locations.items():
            if file not in opened:
                path = _inside(folder, file)
                opened[file] = stack.enter_context(safe_open(path, framework="pt"))
            tensors[name] = opened[file].get_tensor(own).clone()
        return tensors


def _inside(folder: Path, file: str) -> Path:
    """Return a file of the adapter's folder; a place outside it is refused."""
    path = folder / file
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise IntegrityError(f"{file!r} is not a file of this adapter", where=str(folder / ORIGINAL), hint=AGAIN)
    return path


def _digests(folder: Path) -> dict[str, tuple[str, str]]:
    """Return where each tensor of a folder is, by its digest."""
    return {
        _digest(tensor): (path.relative_to(folder).as_posix(), name)
        for path in sorted(folder.rglob(f"*{WEIGHTS}"))
        for name, tensor in _tensors(path)
    }


def _tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    with safe_open(path, framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118  # it is no mapping
            yield name, tensors.get_tensor(name)


def _digest(tensor: Tensor) -> str:
    """Return a digest of a tensor's type, shape and bytes."""
    content = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    sha256 = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
    sha256.update(content.tobytes())
    return sha256.hexdigest()
