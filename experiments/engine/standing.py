"""Where the pieces of a run stand, for a listener that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from experiments.engine.work import Work
    from workbench.machine.listener import Listener


@dataclass(frozen=True)
class Staff:
    """The processes of one machine.

    Attributes:
        address: of the machine, for people.
        busy: how many of them do a piece.
        processes: how many there are.
    """

    address: str
    busy: int
    processes: int


@dataclass(frozen=True)
class Standing:
    """How many pieces are done, being done, and not begun, of those that the run has to do.

    Attributes:
        done: since the run began; with the steps of their fits, also where none was made because the workspace had the
            adapter already.
        running: by some process.
        waiting: for a process, or for other pieces.
        staff: of each machine of a cluster; empty where this one works alone.
    """

    done: Work
    running: int
    waiting: int
    staff: Sequence[Staff] = ()

    @property
    def pieces(self) -> int:
        """How many there are in all, without those that failed."""
        return self.done.pieces + self.running + self.waiting


@runtime_checkable
class ShowsStanding(Protocol):
    """A listener that shows where the pieces stand."""

    def stand(self, standing: Standing) -> None:
        """Show it; called whenever a piece begins or ends."""


def tell(listener: Listener, standing: Standing) -> None:
    """Tell a listener where the pieces stand, if it shows that."""
    if isinstance(listener, ShowsStanding):
        listener.stand(standing)
