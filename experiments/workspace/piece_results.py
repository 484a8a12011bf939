"""The results of an experiment's pieces, where each piece stores one document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from adapter_workbench.experiments.workspace.documents import Documents
    from adapter_workbench.experiments.workspace.folder import Workspace
    from adapter_workbench.experiments.workspace.records import RecordDocument

T = TypeVar("T")


def stands_alone(document: Any, workspace: Workspace) -> bool:
    """Return True: the document names nothing else in the workspace that could be missing."""
    return True


@dataclass(frozen=True)
class PieceResults(Generic[T]):
    """The results of one kind of piece: documents of one type, in one folder of the workspace, by the piece's key."""

    folder: str  # name of that folder
    kind: type[T]  # the type of the documents
    # returns whether everything that a document names is in the workspace too
    is_complete: Callable[[T, Workspace], bool] = stands_alone

    def documents(self, workspace: Workspace) -> Documents[T]:
        """Return the documents of a workspace."""
        return workspace.documents(self.folder, self.kind)

    def of(self, record: RecordDocument, workspace: Workspace, part: str) -> Iterator[tuple[Mapping[str, Any], T]]:
        """Yield the coordinates and the document of each piece of this ``part`` that is done.

        Raises:
            IntegrityError: a document is damaged; or one is missing although the record is finished, and the workspace
                does not mend damage.
        """
        documents = self.documents(workspace)
        for piece in record.pieces:
            if piece.coordinates["part"] == part:
                value = documents.get(piece.key)
                if value is not None:
                    yield piece.coordinates, value
                elif record.finished and not workspace.access.mends:
                    documents.require(piece.key)
