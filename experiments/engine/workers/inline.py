"""This process does the pieces, one after another."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.engine.standing import Standing, tell
from experiments.engine.study import Site
from experiments.engine.work import Work, work_of
from experiments.engine.workers.fits_made import FitsMade
from experiments.engine.workers.room import memory_here, require_room
from tasks.reading.mapped import let_go
from workbench.machine import processes
from workbench.machine.memory import libraries_set_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from experiments.engine.study import Piece
    from experiments.workspace import Workspace
    from workbench.machine.listener import Listener


class Inline:
    """The default: no further process, all cores for each piece."""

    machines: tuple[str, ...] = ()

    def do(
        self, pieces: Sequence[Piece], workspace: Workspace, listener: Listener, done: Callable[[Piece], None]
    ) -> None:
        """Do the pieces in their order, as :meth:`experiments.engine.workers.Workers.do`; the first failure ends it."""
        to_do = [piece for piece in pieces if not piece.is_done(workspace)]
        if processes.count() == 1:  # several may hold a part of a model each
            require_room(to_do, [memory_here()])
        site = Site(workspace, listener)
        with libraries_set_aside() if to_do else nullcontext():
            over = Work()
            for piece in to_do:
                tell(listener, Standing(over, 1, len(to_do) - over.pieces - 1))
                if work(piece, site):
                    done(piece)
                over += work_of([piece])


def work(piece: Piece, site: Site) -> bool:
    """Do one piece under a claim and note how long it took; return False if somebody had done it meanwhile.

    The time is not noted where a fit was there already, or went on from a checkpoint: others will take longer.
    """
    with site.workspace.claimed(piece.key):
        if piece.is_done(site.workspace):
            return False
        began, fits, effort = time.perf_counter(), FitsMade(site.listener), piece.effort
        piece.work(replace(site, listener=fits))
        let_go()  # of the rows that it read
        if fits.complete(effort.updates):
            site.workspace.pace.note(effort.pace, effort.updates, time.perf_counter() - began)
        return True
