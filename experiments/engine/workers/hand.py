"""A process of Ray's that does one piece after another, and keeps in memory what one leaves for the next.

It computes in its main thread. Only there does glibc keep freed blocks of every size for those that come next (see
:func:`workbench.machine.memory.freed_for_reuse`): in another thread, each step of full fine-tuning would get its
largest blocks page by page from the system. So a piece is a greenlet (a call that can stop, and go on later, in the
same thread): it stops to hand over what was said of it, and goes on when Ray asks for more.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from greenlet import getcurrent, greenlet

from experiments.engine.study import Site
from experiments.engine.workers.failure import Failure
from experiments.engine.workers.heard import Heard
from experiments.engine.workers.inline import work
from experiments.engine.workers.relay import Relay
from workbench.machine.memory import set_libraries_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from experiments.engine.study import Piece
    from experiments.workspace import Workspace


def compute_with(threads: int) -> None:
    """Bring in what every fit needs, for good, and compute with so many threads."""
    import torch

    torch.set_num_threads(threads)
    set_libraries_aside()


class Hand:
    """An actor: Ray calls its methods, one at a time."""

    def __init__(
        self, pieces: Sequence[Piece], workspace: Workspace, folder: Path, ready: Callable[[], None], pause: float
    ) -> None:
        """Get ready to do any of ``pieces``.

        Args:
            pieces: all that there may be to do; with a plan's data, which all actors of a machine share.
            workspace: takes what they leave.
            folder: where the run was started, for paths that are relative to it.
            ready: is called before the first piece.
            pause: seconds between two parcels of what is said.
        """
        if folder.is_dir():  # on another machine of a cluster it may not be
            os.chdir(folder)
        ready()
        self._pieces = {piece.key: piece for piece in pieces}
        self._relay = Relay(pause, self._stop)
        self._site = Site(workspace.mended_by(self._relay), self._relay)
        self._working: greenlet | None = None

    def work(self, key: str) -> Iterator[Heard]:
        """Do the piece with this key; yield what its listener hears, and in the last parcel why the piece failed."""
        self._working = working = greenlet(self._failure_of)
        failure = working.switch(self._pieces[key])
        while not working.dead:
            yield Heard(self._relay.taken())
            failure = working.switch()
        yield Heard(self._relay.taken(), over=True, failure=failure)

    def _failure_of(self, piece: Piece) -> Failure | None:
        try:
            work(piece, self._site)
        except Exception as error:
            return Failure.of(error)
        return None

    def _stop(self) -> None:
        """Stop the piece until it is gone on with; what another thread of it says waits for the next time."""
        current = getcurrent()
        if current is self._working and current.parent:
            current.parent.switch()
