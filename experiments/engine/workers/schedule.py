"""Which piece comes next: one that continues a worker's last piece, else the piece that most work waits for.

Towards the end the longest chain comes first for every worker, or one worker would do the last long chain alone. A
piece that needs more memory than there is waits, and a piece that needs less comes first.
"""

from __future__ import annotations

import math
from collections import defaultdict
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.work import work_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter_workbench.experiments.engine.piece import Piece

PATIENCE = 0.5  # how long a waiting chain may be, as a share of the steps that remain for each worker
PATIENCE_REMOTE = 1.0  # the same for a worker on a machine that does not see the workspace


class Schedule:
    """The pieces that nobody does yet, ordered by the longest chain of other pieces that needs them.

    Attributes:
        dropped: pieces that cannot be done, since one that they need has failed.
    """

    def __init__(self, pieces: Sequence[Piece], memory: Callable[[Piece], float] = lambda piece: 0.0) -> None:
        """Plan ``pieces``, none of which is done; what a piece needs stands before it, or is done if it is not here.

        ``memory`` tells what a piece takes, in MB.
        """
        self._pieces = {piece.key: piece for piece in pieces}
        self._unmet = {
            key: {need for need in piece.needs if need in self._pieces} for key, piece in self._pieces.items()
        }
        self._waiting: dict[str, list[str]] = {key: [] for key in self._pieces}
        for key, needs in self._unmet.items():
            for need in needs:
                self._waiting[need].append(key)
        self._steps = {key: (work_of([piece]).updates or 0) + 1 for key, piece in self._pieces.items()}
        self._remaining = sum(self._steps.values())
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

    def after(self, last: str, workers: int = 1, memory: float = math.inf, has_to_send: bool = False) -> Piece | None:
        """Take the piece with the longest chain of those that need ``last`` and nothing else that is not done.

        None if there is none, and if a longer chain waits that might end last; then call :meth:`longest`.

        Args:
            last: key of the piece that a worker did last.
            workers: how many share the pieces.
            memory: MB that the piece may take at most.
            has_to_send: whether results have to be sent before another worker can continue them: then the worker
                stays with its chain longer.
        """
        waiting = self._waiting.get(last, ())
        ready = [key for key in waiting if key in self._ready and self._memory[key] <= memory]
        if not ready:
            return None
        key = min(ready, key=self._rank)
        may_wait = max(self._chain[key], (PATIENCE_REMOTE if has_to_send else PATIENCE) * self._remaining / workers)
        return self._take(key) if workers == 1 or self._longest_waiting(memory) <= may_wait else None

    def longest(self, memory: float = math.inf) -> Piece | None:
        """Take the piece with the longest chain whose needs are done and that takes at most ``memory`` MB, or None."""
        key = self._first(memory)
        return None if key is None else self._take(key)

    def mark_done(self, piece: Piece) -> None:
        """Note that a piece is done."""
        for key in self._waiting[piece.key]:
            if key in self._unmet:
                self._unmet[key].discard(piece.key)
                if not self._unmet[key]:
                    self._offer(key)

    def give_back(self, piece: Piece) -> None:
        """Offer a piece again that was taken, and was not done."""
        self._pieces[piece.key] = piece
        self._remaining += self._steps[piece.key]
        self._offer(piece.key)

    def mark_failed(self, piece: Piece) -> None:
        """Drop whatever needs a piece that cannot be done, directly or not."""
        missing = [piece.key]
        while missing:
            for key in self._waiting[missing.pop()]:
                if key in self._pieces:
                    self.dropped.append(self._without(key))
                    del self._unmet[key]
                    missing.append(key)

    def _take(self, key: str) -> Piece:
        self._ready.discard(key)
        return self._without(key)

    def _without(self, key: str) -> Piece:
        self._remaining -= self._steps[key]
        return self._pieces.pop(key)

    def _longest_waiting(self, memory: float) -> int:
        """Return the steps of the longest chain that :meth:`longest` could begin or go on with; 0 without any."""
        first = self._first(memory)
        return 0 if first is None else self._chain[first]

    def _first(self, memory: float) -> str | None:
        """Return the key of the piece with the longest chain that takes at most ``memory``, of those that are ready."""
        heaps = [heap for needed, heap in self._heaps.items() if needed <= memory and self._has_ready(heap)]
        return min(heaps)[0][-1] if heaps else None

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
        for key in reversed(self._pieces):
            longest = max((chains[needing] for needing in self._waiting[key]), default=0)
            chains[key] = longest + self._steps[key]
        return chains
