"""A process of Ray's that does one piece after another, and keeps in memory what one leaves for the next."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from experiments.engine.study import Site
from experiments.engine.workers.failure import Failure
from experiments.engine.workers.heard import Heard
from experiments.engine.workers.inline import work
from experiments.engine.workers.relay import OVER, Relay
from workbench.memory import set_libraries_aside

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
        self._relay = Relay(pause)
        self._site = Site(workspace.mended_by(self._relay), self._relay)
        self._thread = ThreadPoolExecutor(max_workers=1)  # the same for all pieces: what computes has a pool for each

    def work(self, key: str) -> Iterator[Heard]:
        """Do the piece with this key; yield what its listener hears, and in the last parcel why the piece failed."""
        working = self._thread.submit(self._work, self._pieces[key])
        for messages in self._relay.taken():
            yield Heard(messages, working.result() if messages[-1] == OVER else None)

    def _work(self, piece: Piece) -> Failure | None:
        try:
            work(piece, self._site)
        except Exception as error:
            return Failure.of(error)
        finally:
            self._relay.over()
        return None
