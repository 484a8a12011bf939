"""This process does the pieces, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.clock import Fit, counting
from adapter_workbench.experiments.engine.piece import Site
from adapter_workbench.experiments.engine.piece_progress import PieceProgress, report_progress
from adapter_workbench.experiments.engine.work import Work, work_of
from adapter_workbench.experiments.engine.workers.memory_budget import memory_here, require_memory
from adapter_workbench.tasks.reading.mapped import release_pages
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.memory import libraries_set_aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.machine.listener import Listener


class Inline:
    """The default: no other process, all cores for each piece."""

    jobs = 1
    machines: tuple[str, ...] = ()

    def do(
        self, pieces: Sequence[Piece], workspace: Workspace, listener: Listener, on_done: Callable[[Piece], None]
    ) -> None:
        """Do the pieces in their order, as :meth:`Workers.do`; the first failure ends it."""
        first = {piece.key: piece for piece in reversed(pieces)}  # two entries of a recipe may share a piece
        pending = [piece for piece in pieces if first[piece.key] is piece and not piece.is_done(workspace)]
        if processes.count() == 1:  # several may hold a part of a model each
            require_memory(pending, [memory_here()])
        site = Site(workspace, listener)
        with libraries_set_aside() if pending else nullcontext():
            finished = Work()
            for piece in pending:
                report_progress(listener, PieceProgress(finished, 1, len(pending) - finished.pieces - 1))
                if do_piece(piece, site):
                    on_done(piece)
                finished += work_of([piece])


def do_piece(piece: Piece, site: Site) -> bool:
    """Do one piece under a claim and note how long it took; return False if another process has done it meanwhile.

    The time is not noted where a fit was in the workspace already, or continued a checkpoint: others will take longer.
    """
    with site.workspace.claim(piece.key):
        if piece.is_done(site.workspace):
            return False
        began, recorder, effort = time.perf_counter(), FitRecorder(site.listener), piece.effort
        piece.work(replace(site, listener=recorder))
        release_pages()  # of the rows that it read
        if recorder.made_all(effort.updates):
            site.workspace.pace.note(effort.pace, effort.updates, time.perf_counter() - began)
        return True


# Whether a piece made all of its fits: the time of other pieces does not tell how long such a piece takes.


@dataclass(frozen=True)
class FitRecorder:
    """A listener that passes everything on to another one, and records how far each fit came."""

    listener: Listener  # the other one
    fits: list[Fit] = field(default_factory=list)  # those that were begun

    def say(self, message: str) -> None:
        """Pass on one line."""
        self.listener.say(message)

    @contextmanager
    def fit(self, label: str, steps: int) -> Iterator[Callable[[int, float, float], None]]:
        """Record a fit, and pass it on."""
        self.fits.append(fit := Fit(steps))
        with self.listener.fit(label, steps) as advance, counting(fit) as count:

            def on_step(step: int, epoch: float, loss: float) -> None:
                count(step)
                advance(step, epoch, loss)

            yield on_step

    def made_all(self, updates: int | None) -> bool:
        """Return whether every fit of a piece with so many optimiser steps (None: unknown) was made from its start."""
        return all(fit.made_in_full for fit in self.fits) and bool(self.fits or not updates)
