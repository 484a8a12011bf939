"""What the pieces of an experiment have left, where each of them leaves one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments.workspace.folder import Workspace
    from experiments.workspace.records import RecordDocument

T = TypeVar("T")


def left_by(
    record: RecordDocument, workspace: Workspace, part: str, folder: str, kind: type[T]
) -> Iterator[tuple[Mapping[str, Any], T]]:
    """Yield the place and the document of each piece that is done, of those whose place says this ``part``.

    Raises:
        IntegrityError: a document is damaged; or one is missing, although the record is finished and nobody is mending.
    """
    documents = workspace.documents(folder, kind)
    for piece in record.pieces:
        if piece.place["part"] == part:
            value = documents.get(piece.key)
            if value is not None:
                yield piece.place, value
            elif record.finished and not workspace.mending.listener:
                documents.require(piece.key)
