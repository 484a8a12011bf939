"""A process that Ray starts: it does one piece after another, and keeps what one leaves in memory for the next.

It computes in its main thread. Only there does glibc keep freed blocks of every size for the next ones (see
:func:`freed_for_reuse`): in another thread, each step of full fine-tuning would get its
largest blocks page by page from the system. So a piece is a greenlet (a call that can stop and go on later in the same
thread): it stops to hand over its progress, and goes on when Ray asks for more.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from greenlet import getcurrent, greenlet

from adapter_workbench.experiments.engine.piece import Site
from adapter_workbench.experiments.engine.workers.failure import Failure
from adapter_workbench.experiments.engine.workers.inline import do_piece
from adapter_workbench.experiments.engine.workers.progress_messages import ProgressBatch, ProgressBuffer
from adapter_workbench.workbench.machine.memory import set_libraries_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.workspace import Workspace


def compute_with(threads: int) -> None:
    """Import what every fit needs, for good, and compute with so many threads."""
    import torch

    torch.set_num_threads(threads)
    set_libraries_aside()


class WorkerActor:
    """An actor: Ray calls its methods, one at a time."""

    def __init__(
        self, pieces: Sequence[Piece], workspace: Workspace, folder: Path, ready: Callable[[], None], pause: float
    ) -> None:
        """Get ready to do any of ``pieces``.

        Args:
            pieces: all pieces of the run, with the plan's data; the actors of a machine share them in memory.
            workspace: takes their results.
            folder: where the run was started, for paths that are relative to it.
            ready: is called before the first piece.
            pause: seconds between two batches of progress messages.
        """
        if folder.is_dir():  # on another machine of a cluster it may not be
            os.chdir(folder)
        ready()
        self._pieces = {piece.key: piece for piece in pieces}
        self._progress = ProgressBuffer(pause, self._pause_piece)
        self._site = Site(workspace.mending(self._progress), self._progress)
        self._running: greenlet | None = None

    def is_ready(self) -> bool:
        """Return True; Ray answers as soon as the process has started."""
        return True

    def work(self, key: str) -> Iterator[ProgressBatch]:
        """Do a piece; yield batches of progress messages, the last with the error if there was one."""
        self._running = running = greenlet(self._failure_of)
        failure = running.switch(self._pieces[key])
        while not running.dead:
            yield ProgressBatch(self._progress.take())
            failure = running.switch()
        yield ProgressBatch(self._progress.take(), over=True, failure=failure)

    def _failure_of(self, piece: Piece) -> Failure | None:
        try:
            do_piece(piece, self._site)
        except Exception as error:
            return Failure.of(error)
        return None

    def _pause_piece(self) -> None:
        """Stop the piece until Ray asks for more; messages from other threads of the piece wait for the next batch."""
        current = getcurrent()
        if current is self._running and current.parent:
            current.parent.switch()
