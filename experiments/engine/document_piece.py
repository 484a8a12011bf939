"""The pieces of most studies: each leaves one document."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.engine.study import Effort, Site
    from experiments.workspace import Workspace
    from experiments.workspace.left import Left

T = TypeVar("T")


class DocumentPiece(ABC, Generic[T]):
    """A :class:`experiments.engine.study.Piece` that leaves a document; a subclass says where, and what is in it.

    Unless it says otherwise, it needs no other piece, and others may run beside it.
    """

    leaves: ClassVar[Left[Any]]
    needs: tuple[str, ...] = ()
    alone: bool = False

    @property
    @abstractmethod
    def key(self) -> str: ...  # noqa: D102 - what these are is said of every piece

    @property
    @abstractmethod
    def place(self) -> Mapping[str, Any]: ...  # noqa: D102

    @property
    @abstractmethod
    def label(self) -> str: ...  # noqa: D102

    @property
    @abstractmethod
    def effort(self) -> Effort: ...  # noqa: D102

    @abstractmethod
    def result(self, site: Site) -> T:
        """Do the work, and return the document."""

    def is_whole(self, left: T, workspace: Workspace) -> bool:
        """Return whether all that the document speaks of is there."""
        return True

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether the document is there, and all that it speaks of."""
        left = self.leaves.documents(workspace).get(self.key)
        return left is not None and self.is_whole(left, workspace)

    def work(self, site: Site) -> None:
        """Do the work, and leave the document."""
        self.leaves.documents(site.workspace).save(self.key, self.result(site))
