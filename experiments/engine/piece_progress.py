"""How many pieces of a run are done, for a listener that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.work import Work
    from adapter_workbench.workbench.machine.listener import Listener


@dataclass(frozen=True)
class MachineLoad:
    """How busy the processes of one machine are."""

    address: str  # of the machine, for people
    busy: int  # how many of its processes do a piece
    processes: int  # how many there are


@dataclass(frozen=True)
class PieceProgress:
    """How many pieces are done, being done, and not begun, of those that the run has to do."""

    done: Work  # since the run began, with the optimiser steps of their fits; also of fits that were in the workspace
    running: int  # pieces that a process does
    waiting: int  # pieces that wait for a process or for other pieces
    machines: Sequence[MachineLoad] = ()  # of a cluster; empty where this one works alone

    @property
    def pieces(self) -> int:
        """How many there are in all, without those that failed."""
        return self.done.pieces + self.running + self.waiting


@runtime_checkable
class ShowsPieceProgress(Protocol):
    """A listener that shows how many pieces are done."""

    def show_pieces(self, progress: PieceProgress) -> None:
        """Show it; called whenever a piece begins or ends."""


def report_progress(listener: Listener, progress: PieceProgress) -> None:
    """Tell a listener how many pieces are done, if it shows that."""
    if isinstance(listener, ShowsPieceProgress):
        listener.show_pieces(progress)
