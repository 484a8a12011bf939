"""Running plans in tests, and reading what the runs left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.engine import run as engine
from experiments.studies import STUDIES
from experiments.studies.stream.record import Record
from experiments.workspace import Workspace
from workbench.listener import Listener, Silent

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.engine.study import Piece
    from experiments.workspace import RecordDocument


def done(plan: Any, workspace: Workspace, listener: Listener | None = None, command: str = "test") -> RecordDocument:
    """Run a plan of any study, and return the document of its record."""
    return engine.run(STUDIES.get(plan.study), plan, workspace, listener or Silent(), command)


def stream_in(workspace: Workspace, name: str = "stream") -> Record:
    """Return the record of a stream."""
    return Record.read(name, workspace.records.require(name), workspace)


def stream_run(plan: Any, root: Path, listener: Listener | None = None) -> Record:
    """Run a stream, and return its record."""
    workspace = Workspace(root)
    return Record.read(plan.name, done(plan, workspace, listener), workspace)


def pieces(plan: Any) -> list[Piece]:
    """Return all pieces of a plan."""
    return [*STUDIES.get(plan.study).pieces(plan)]


def pending(plan: Any, workspace: Workspace) -> list[Piece]:
    """Return the pieces of a plan that are not done."""
    return engine.pending(pieces(plan), workspace)
