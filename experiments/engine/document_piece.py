"""The pieces of most studies: each leaves one document."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.files.digest import key
from workbench.settings.plugins import code_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from experiments.engine.piece import Effort, Site
    from experiments.workspace import Workspace
    from experiments.workspace.piece_results import PieceResults


@dataclass(frozen=True)
class DocumentPiece:
    """A :class:`experiments.engine.piece.Piece`, which says what the other attributes are.

    Where ``result`` is of an installed distribution that adds entries, its code goes into the key that was given.

    Attributes:
        leaves: what kind of document.
        result: does the work, and returns the document; possible to pickle.
    """

    key: str
    coordinates: Mapping[str, Any]
    label: str
    effort: Effort
    leaves: PieceResults[Any]
    result: Callable[[Site], Any]
    needs: tuple[str, ...] = ()
    alone: bool = False

    def __post_init__(self) -> None:
        """Let a study of somebody else's do its pieces anew where its code has changed."""
        result = self.result
        while isinstance(result, partial):
            result = result.func
        if code := code_behind(result.__module__):
            object.__setattr__(self, "key", key([self.key, code]))

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether the document is there, and everything that it names."""
        document = self.leaves.documents(workspace).get(self.key)
        return document is not None and self.leaves.is_complete(document, workspace)

    def work(self, site: Site) -> None:
        """Do the work, and leave the document."""
        self.leaves.documents(site.workspace).save(self.key, self.result(site))
