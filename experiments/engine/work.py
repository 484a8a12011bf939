"""Work in optimiser steps: how much pieces take, and how long that takes at the speed of other work.

Progress and estimates of a run are all counted in this way::

    pieces of a plan ── work_of → Work ─┬─ a dry run: table and total (terminal.preview)
                                        ├─ Ray's workers: which chain is the longest (engine.workers.schedule)
                                        └─ what a run has to do ─┐
    steps of fits, pieces that end ──────── engine.clock.Clock ──┴─ bars and lines (terminal.progress)

    earlier pieces (workspace.pace), timed steps (timed_steps), this run so far (Clock) ── pace.Speed ── seconds
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter_workbench.experiments.engine.piece import Piece


@dataclass(frozen=True)
class Work:
    """An amount of work."""

    pieces: int = 0  # how many
    fits: int = 0  # how many of them have a fit
    updates: int | None = 0  # the optimiser steps of these fits; None where nobody knows before

    def __add__(self, other: Work) -> Work:
        """Return the sum; its steps are unknown if those of one are."""
        unknown = self.updates is None or other.updates is None
        updates = None if unknown else (self.updates or 0) + (other.updates or 0)
        return Work(self.pieces + other.pieces, self.fits + other.fits, updates)


UNKNOWN = Work(updates=None)


def work_of(pieces: Iterable[Piece]) -> Work:
    """Return the work of pieces, done or not."""
    return sum((_work(piece.effort.updates) for piece in pieces), Work())


def _work(updates: int | None) -> Work:
    return Work(1, int(updates is None or updates > 0), updates)
