"""Which piece comes next: what goes on from a worker's last piece, else the piece that most work waits for."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from experiments.engine.study import Piece


class Schedule:
    """The pieces that nobody is at, with those first that the longest chain of other pieces needs.

    Attributes:
        dropped: pieces that cannot be done, since one that they need has failed.
    """

    def __init__(self, pieces: Sequence[Piece], done: Collection[str]) -> None:
        """Plan ``pieces``, in which what a piece needs stands before it; those under the keys ``done`` are done."""
        self._pieces = {piece.key: piece for piece in pieces if piece.key not in done}
        self._unmet = {
            key: {need for need in piece.needs if need in self._pieces} for key, piece in self._pieces.items()
        }
        self._waiting: dict[str, list[str]] = {key: [] for key in self._pieces}
        for key, needs in self._unmet.items():
            for need in needs:
                self._waiting[need].append(key)
        self._chain = self._chains()
        self._order = {key: place for place, key in enumerate(self._pieces)}
        self._ready = {key for key, needs in self._unmet.items() if not needs}
        self._heap = [self._rank(key) for key in self._ready]
        heapify(self._heap)
        self.dropped: list[Piece] = []

    def __len__(self) -> int:
        """Return how many pieces are neither taken nor dropped."""
        return len(self._pieces)

    def after(self, last: str) -> Piece | None:
        """Take a piece that needs ``last`` and nothing else that is not done, that with the longest chain."""
        ready = [key for key in self._waiting.get(last, ()) if key in self._ready]
        return self._take(min(ready, key=self._rank)) if ready else None

    def longest(self) -> Piece | None:
        """Take the piece with the longest chain of those whose needs are done; None where there is none."""
        while self._heap:
            *_, key = heappop(self._heap)
            if key in self._ready:
                return self._take(key)
        return None

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
        heappush(self._heap, self._rank(key))

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
