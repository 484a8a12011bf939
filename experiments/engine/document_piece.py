"""The pieces of most studies: the result of each is one document."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.settings.plugins import code_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapter_workbench.experiments.engine.piece import Effort, Site
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.experiments.workspace.piece_results import PieceResults


@dataclass(frozen=True)
class DocumentPiece:
    """A :class:`adapter_workbench.experiments.engine.piece.Piece` whose result is one document.

    If ``result`` is a function of an installed distribution that adds entries, its code is added to the key.
    """

    key: str
    coordinates: Mapping[str, Any]
    label: str
    effort: Effort
    leaves: PieceResults[Any]  # where documents of this type are stored
    result: Callable[[Site], Any]  # does the work, and returns the document; possible to pickle
    needs: tuple[str, ...] = ()
    alone: bool = False

    def __post_init__(self) -> None:
        """Add the code of another distribution to the key: if it changes, the piece is done again."""
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
        """Do the work, and store the document."""
        self.leaves.documents(site.workspace).save(self.key, self.result(site))
