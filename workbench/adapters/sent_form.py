"""An exported folder in the form that other programs expect: what the stored form takes to be made of it again.

Exporting rewrites texts, and gives tensors other names. None of a tensor's bytes changes, so that the stored files come
back byte for byte, and their digests are those of before.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic import Field

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.ordinary import open_ordinary
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

METADATA = "__metadata__"
FACTS = ("dtype", "shape")
LENGTH_BYTES = 8  # before the header of a safetensors file
CHUNK = 1 << 20
AGAIN = "Ask its sender for the folder once more; `workbench adapters export` writes it."


class SentForm(Settings):
    """How the stored folder is made of an exported one.

    ``files`` has the SHA-256 of each stored file. ``documents`` are the texts that were rewritten, as they are stored.
    ``weights`` is the file whose tensors were named anew, None where none was; ``header`` is that of the stored file,
    and ``names`` has for each of its tensors the name in the exported one.
    """

    files: dict[str, str]
    documents: dict[str, str] = Field(default_factory=dict)
    weights: str | None = None
    header: str = ""
    names: dict[str, str] = Field(default_factory=dict)


def sent_form(
    folder: Path, files: Mapping[str, str], documents: Collection[str], weights: str, names: Mapping[str, str]
) -> SentForm:
    """Return what a stored folder has to be kept of, so that it can be made again.

    Args:
        folder: of the stored adapter.
        files: the SHA-256 of each of its files.
        documents: the names of texts that are rewritten.
        weights: the name of the file whose tensors are named anew.
        names: stored tensor → exported one; empty where none changes.
    """
    texts = {name: (folder / name).read_bytes().decode("utf-8") for name in documents}
    if not names:
        return SentForm(files=dict(files), documents=texts)
    with (folder / weights).open("rb") as stream:
        header = _header(stream).decode("utf-8")
    return SentForm(files=dict(files), documents=texts, weights=weights, header=header, names=dict(names))


def write_stored(source: Path, form: SentForm, draft: Path) -> None:
    """Make the stored files of those of an exported folder.

    Args:
        source: the exported folder.
        form: what was kept.
        draft: has copies of the exported files; those that were rewritten are replaced.

    Raises:
        InputError: a name is none of this adapter's files, or the weights cannot be put together again.
    """
    if strange := sorted({*form.documents, *([form.weights] if form.weights else [])} - form.files.keys()):
        raise _refusal(source, f"{strange[0]!r} is not one of its files")
    try:
        for name, text in form.documents.items():
            (draft / name).write_bytes(text.encode("utf-8"))
        if form.weights:
            _write_weights(source / form.weights, form, draft / form.weights)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _refusal(source, str(error) or type(error).__name__) from None


def _write_weights(exported: Path, form: SentForm, target: Path) -> None:
    """Write the stored header, and behind it the bytes of each tensor from where they lie in the exported file."""
    if len({*form.names.values()}) < len(form.names):
        raise ValueError("two tensors would be made of one")
    with open_ordinary(exported) as stream, target.open("wb") as written:
        header = _header(stream)
        begin, there = LENGTH_BYTES + len(header), _tensors(header)
        stored = form.header.encode("utf-8")
        written.write(len(stored).to_bytes(LENGTH_BYTES, "little") + stored)
        position = 0
        for name, tensor in sorted(_tensors(stored).items(), key=lambda entry: entry[1]["data_offsets"]):
            other = there[form.names[name]]
            (first, last), (start, end) = tensor["data_offsets"], other["data_offsets"]
            same = all(tensor[fact] == other[fact] for fact in FACTS) and last - first == end - start
            if not same or first != position:
                raise ValueError(f"{name} is not the tensor {form.names[name]} of this folder")
            stream.seek(begin + start)
            for part in _parts(stream, end - start):
                written.write(part)
            position = last


def _header(stream: BinaryIO) -> bytes:
    """Return the header of a safetensors file that stands at its beginning."""
    return stream.read(int.from_bytes(stream.read(LENGTH_BYTES), "little"))


def _tensors(header: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(header)
    return {name: tensor for name, tensor in content.items() if name != METADATA}


def _parts(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield so many bytes of a stream, some at a time."""
    for left in range(size, 0, -CHUNK):
        if not (part := stream.read(min(left, CHUNK))):
            raise ValueError("it ends before its last tensor does")
        yield part


def _refusal(where: Path, why: str) -> InputError:
    return InputError(f"the stored files cannot be made of this folder: {why}", where=str(where), hint=AGAIN)
