"""How long several processes will take for pieces that they share."""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.workers.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter_workbench.experiments.engine.piece import Piece


def makespan(pieces: Sequence[Piece], processes: int, seconds: Callable[[Piece], float]) -> float:
    """Return how many seconds so many equal processes take for pieces, those that measure time done alone at the end.

    The processes are handed pieces as in a run, with memory for all of them: the longest chain first.

    Args:
        pieces: in an order in which what a piece needs stands before it.
        processes: how many.
        seconds: of a piece.
    """
    schedule = Schedule([piece for piece in pieces if not piece.alone])
    idle, clock = [""] * processes, 0.0  # each by the key of its last piece
    busy: list[tuple[float, int, Piece]] = []
    while True:
        waiting, idle = idle, []
        for last in waiting:
            piece = schedule.after(last, processes) or schedule.longest()
            if piece is None:
                idle.append(last)
            else:
                heappush(busy, (clock + seconds(piece), len(schedule), piece))
        if not busy:
            return clock + math.fsum(seconds(piece) for piece in pieces if piece.alone)
        clock, _, piece = heappop(busy)
        schedule.mark_done(piece)
        idle.append(piece.key)
