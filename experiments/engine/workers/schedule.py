"""Which piece comes next: what goes on from a worker's last piece, else the piece that most work waits for.

A piece that needs more memory than there is room for waits, and a piece that needs less comes first.
"""

from __future__ import annotations

import math
from collections import defaultdict
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from experiments.engine.study import Piece


class Schedule:
    """The pieces that nobody does yet; those come first that the longest chain of other pieces needs.

    Attributes:
        dropped: pieces that cannot be done, since one that they need has failed.
    """

    def __init__(
        self, pieces: Sequence[Piece], done: Collection[str], memory: Callable[[Piece], float] = lambda piece: 0.0
    ) -> None:
        """Plan ``pieces``, in which what a piece needs stands before it; those under the keys ``done`` are done.

        ``memory`` tells what a piece takes, in MB.
        """
        self._pieces = {piece.key: piece for piece in pieces if piece.key not in done}
        self._unmet = {
            key: {need for need in piece.needs if need in self._pieces} for key, piece in self._pieces.items()
        }
        self._waiting: dict[str, list[str]] = {key: [] for key in self._pieces}
        for key, needs in self._unmet.items():
            for need in needs:
                self._waiting[need].append(key)
        self._chain = self._chains()
        self._order = {key: index for index, key in enumerate(self._pieces)}
        self._memory = {key: memory(piece) for key, piece in self._pieces.items()}
        self._ready: set[str] = set()
        self._heaps: dict[float, list[tuple[int, int, str]]] = defaultdict(list)  # by memory: few pieces differ in it
        for key, needs in self._unmet.items():
            if not needs:
                self._offer(key)
        self.dropped: list[Piece] = []

    def __len__(self) -> int:
        """Return how many pieces are neither taken nor dropped."""
        return len(self._pieces)

    def memory(self, piece: Piece) -> float:
        """Return what a piece takes, in MB."""
        return self._memory[piece.key]

    def after(self, last: str, room: float = math.inf) -> Piece | None:
        """Take a piece that needs ``last`` and nothing else that is not done, that with the longest chain.

        It takes at most ``room`` MB, as what :meth:`longest` returns.
        """
        waiting = self._waiting.get(last, ())
        ready = [key for key in waiting if key in self._ready and self._memory[key] <= room]
        return self._take(min(ready, key=self._rank)) if ready else None

    def longest(self, room: float = math.inf) -> Piece | None:
        """Take the piece with the longest chain of those whose needs are done; None where there is none."""
        heaps = [heap for memory, heap in self._heaps.items() if memory <= room and self._has_ready(heap)]
        return self._take(heappop(min(heaps))[-1]) if heaps else None

    def finished(self, piece: Piece) -> None:
        """Note that a piece is done."""
        for key in self._waiting[piece.key]:
            if key in self._unmet:
                self._unmet[key].discard(piece.key)
                if not self._unmet[key]:
                    self._offer(key)

    def returned(self, piece: Piece) -> None:
        """Offer a piece again that was taken, and was not done."""
        self._pieces[piece.key] = piece
        self._offer(piece.key)

    def failed(self, piece: Piece) -> None:
        """Drop whatever needs a piece that cannot be done, directly or not."""
        missing = [piece.key]
        while missing:
            for key in self._waiting[missing.pop()]:
                if (needing := self._pieces.pop(key, None)) is not None:
                    self.dropped.append(needing)
                    del self._unmet[key]
                    missing.append(key)

    def _take(self, key: str) -> Piece:
        self._ready.discard(key)
        return self._pieces.pop(key)

    def _offer(self, key: str) -> None:
        self._ready.add(key)
        heappush(self._heaps[self._memory[key]], self._rank(key))

    def _has_ready(self, heap: list[tuple[int, int, str]]) -> bool:
        """Return whether a heap has a piece that nobody has taken otherwise; it is the first one then."""
        while heap and heap[0][-1] not in self._ready:
            heappop(heap)
        return bool(heap)

    def _rank(self, key: str) -> tuple[int, int, str]:
        return -self._chain[key], self._order[key], key

    def _chains(self) -> dict[str, int]:
        """Return for each piece the optimiser steps from its begin to the end of the longest chain that needs it.

        A piece without steps counts as one, as does what follows the fit in every piece: its tests.
        """
        chains: dict[str, int] = {}
        for key, piece in reversed(self._pieces.items()):
            longest = max((chains[needing] for needing in self._waiting[key]), default=0)
            chains[key] = longest + (piece.effort.updates or 0) + 1
        return chains
