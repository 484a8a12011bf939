"""What the pieces of an experiment have left, where each of them leaves one document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from experiments.workspace.documents import Documents
    from experiments.workspace.folder import Workspace
    from experiments.workspace.records import RecordDocument

T = TypeVar("T")


def speaks_of_nothing(left: Any, workspace: Workspace) -> bool:
    """Return that a document is whole by itself."""
    return True


@dataclass(frozen=True)
class Left(Generic[T]):
    """Documents of one type, which pieces leave in one folder of the workspace under their keys.

    Attributes:
        is_whole: whether all that a document speaks of is in the workspace too.
    """

    folder: str
    kind: type[T]
    is_whole: Callable[[T, Workspace], bool] = speaks_of_nothing

    def documents(self, workspace: Workspace) -> Documents[T]:
        """Return those of a workspace."""
        return workspace.documents(self.folder, self.kind)

    def of(self, record: RecordDocument, workspace: Workspace, part: str) -> Iterator[tuple[Mapping[str, Any], T]]:
        """Yield the coordinates and the document of each piece of this ``part`` that is done.

        Raises:
            IntegrityError: a document is damaged; or one is missing, although the record is finished and nobody is
                mending.
        """
        documents = self.documents(workspace)
        for piece in record.pieces:
            if piece.coordinates["part"] == part:
                value = documents.get(piece.key)
                if value is not None:
                    yield piece.coordinates, value
                elif record.finished and not workspace.mending.listener:
                    documents.require(piece.key)
